//! Among which peers a request chooses, where peers are in groups, and what comes of it.

use crate::{group_name::GroupName, memory::Offset};

/// Among which peers a request chooses.
#[derive(Clone, Copy, Debug, Default)]
pub enum Among<'n> {
    /// Among all: peers are in no groups.
    #[default]
    Everyone,
    /// Among those of the group of this name.
    Group(GroupName<'n>),
    /// Among those of a group that is drawn by this number, each with a probability by the weights
    /// of its peers in service; if none of those can serve, of the next one, in the order of names.
    /// A peer with `backup` only where no group has another. Peers without a group are one.
    Any(u64),
}

/// Whether a group can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupStatus {
    /// It has peers in service.
    Ok,
    /// It has none in service.
    Empty,
    /// There is no such group.
    Unknown,
}

/// The group that a request has got its peer from, for as long as it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PickedGroup {
    pub(super) hash: u32,
    /// Which no other group has.
    pub(super) positions: Offset,
}
