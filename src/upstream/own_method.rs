//! What a request or a session goes by where its group has settings of its own.

use ngx::ffi::{ngx_pool_t, ngx_str_t};
use peer_zone::{Among, GroupName, GroupStatus, Method, Worker};

use super::state::Upstream;
use crate::config::{GroupConf, Otherwise, is_group};

/// The method by which a request chooses among the peers of its group.
pub(crate) struct OwnMethod {
    /// The group's own; `None`: the upstream's.
    pub(crate) method: Option<Method>,
    /// The text of the key that it hashes, in the pool, if the group has one of its own; empty
    /// where the shared memory had no room for it.
    pub(crate) key: Option<ngx_str_t>,
}

/// The method of the group of this name or, if that cannot serve, of that of `else=`. `None` where
/// the pool has no memory.
///
/// # Safety
///
/// The pool is that of the request or session.
pub(crate) unsafe fn own_method(
    upstream: &Upstream,
    conf: &GroupConf,
    name: &[u8],
    pool: *mut ngx_pool_t,
) -> Option<OwnMethod> {
    let found = upstream.with_worker(|worker| {
        let among = among(worker, conf, name);
        let traits = worker.traits_among(among);
        let key = if traits.has_hash_key {
            // It is copied, since it lies in shared memory only as long as it is pinned.
            // SAFETY: the caller's promise.
            let copy = |key: &[u8]| unsafe { ngx_str_t::from_bytes(pool, key) };
            worker.with_hash_key(among, |key| match key {
                Some(key) => copy(key).map(Some),
                None => Some(None),
            })?
        } else {
            None
        };
        Some(OwnMethod { method: traits.method, key })
    });
    found.unwrap_or(Some(OwnMethod { method: None, key: None }))
}

fn among<'n>(worker: &mut Worker, conf: &'n GroupConf, name: &'n [u8]) -> Among<'n> {
    let asked = is_group(name).then(|| GroupName::new(name));
    let is_served = |name: &GroupName<'_>| worker.group_status(*name).0 == GroupStatus::Ok;
    match (asked.filter(is_served), &conf.otherwise) {
        (Some(name), _) => Among::Group(name),
        (None, Otherwise::Group(name)) => Among::Group(GroupName::new(name.as_bytes())),
        // Nobody, unless a session leads there; or any, by the method of the upstream.
        (None, _) => Among::Everyone,
    }
}
