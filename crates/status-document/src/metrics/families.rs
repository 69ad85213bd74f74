//! The metrics, each with how its samples are written.

mod etcd;
mod head;
mod live;
mod peers;
mod requests;

use super::table::Family;

/// The metrics that are not of an upstream or a variable.
pub(super) static OF_HEAD: &[Family] = &head::FAMILIES;

/// All others, in the order in which they are written.
pub(super) static OTHERS: [&[Family]; 4] =
    [&etcd::FAMILIES, &requests::FAMILIES, &peers::FAMILIES, &live::FAMILIES];

/// All metrics, in the order in which they are written.
pub fn metrics() -> impl Iterator<Item = &'static Family> {
    OF_HEAD.iter().chain(OTHERS.into_iter().flatten())
}
