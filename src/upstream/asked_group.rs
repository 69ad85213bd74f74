//! The group that a request or a session asks for.

use core::cell::Cell;

use nginx_syntax::quoted;
use ngx::{ffi::ngx_str_t, ngx_string};
use peer_zone::{Among, GroupName, GroupStatus, PickedGroup, Worker};

use super::state::Upstream;
use crate::{
    config::{GroupConf, MAX_GROUP, Otherwise, is_group},
    nginx::text::bytes,
};

/// That, and what it gets. It lies in the pool of the request or session, behind a
/// [`Keyed`](super::keyed::Keyed).
pub(crate) struct AskedGroup {
    /// In the same pool.
    name: ngx_str_t,
    status: Cell<GroupStatus>,
    chosen: Cell<Chosen>,
    /// The group that it has got its peer from.
    picked: Cell<PickedGroup>,
}

/// Among which peers it chooses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chosen {
    /// Those of the group that it asks for.
    Asked,
    /// Those of the group of `else=`.
    Other,
    /// Those of a group that this number draws.
    Any(u64),
    /// None.
    Nobody,
}

impl AskedGroup {
    /// It asks for the group of this name.
    pub(super) fn new(name: ngx_str_t) -> Self {
        Self {
            name,
            status: Cell::new(GroupStatus::Unknown),
            chosen: Cell::new(Chosen::Nobody),
            picked: Cell::default(),
        }
    }

    fn name(&self) -> &[u8] {
        // SAFETY: it lies in the pool in which this lies, too, and is not changed.
        unsafe { bytes(self.name) }
    }

    /// Finds out among which peers it chooses. `key` is what the method goes by, if it goes by
    /// something of the request's: so that of any group the same request finds the same one.
    /// `sticky` is the peer that its cookie names, to which it comes back though that drains.
    pub(crate) fn resolve(
        &self,
        worker: &mut Worker,
        conf: &GroupConf,
        (key, sticky): (&[u8], Option<u64>),
    ) {
        let name = self.name();
        let status = if is_group(name) {
            worker.group_status(GroupName::new(name))
        } else {
            GroupStatus::Unknown
        };
        self.status.set(status);
        let mut has_session = || {
            let is_named = |id| worker.serves_session(GroupName::new(name), id);
            status == GroupStatus::Empty && sticky.is_some_and(is_named)
        };
        let is_served = status == GroupStatus::Ok || has_session();
        self.chosen.set(match (&conf.otherwise, status) {
            _ if is_served => Chosen::Asked,
            (Otherwise::Nobody, _) => Chosen::Nobody,
            (Otherwise::Group(_), _) => Chosen::Other,
            (Otherwise::Any, _) if key.is_empty() => Chosen::Any(worker.random()),
            (Otherwise::Any, _) => {
                let hash = u64::from(peer_balance::key_hash(key));
                Chosen::Any(hash << u32::BITS | hash)
            }
        });
    }

    /// Among which peers it chooses; `None`: among none.
    pub(crate) fn among<'a>(&'a self, conf: &'a GroupConf) -> Option<Among<'a>> {
        match (self.chosen.get(), &conf.otherwise) {
            (Chosen::Asked, _) => Some(Among::Group(GroupName::new(self.name()))),
            (Chosen::Other, Otherwise::Group(name)) => {
                Some(Among::Group(GroupName::new(name.as_bytes())))
            }
            (Chosen::Any(number), _) => Some(Among::Any(number)),
            (Chosen::Nobody | Chosen::Other, _) => None,
        }
    }

    /// The group that it has got its peer from.
    pub(crate) fn picked(&self) -> PickedGroup {
        self.picked.get()
    }

    /// It has got a peer.
    pub(crate) fn set_picked(&self, group: PickedGroup) {
        self.picked.set(group);
    }

    /// As `$etcd_group_status` shows it.
    pub(crate) fn status(&self) -> ngx_str_t {
        match self.status.get() {
            GroupStatus::Ok => ngx_string!("ok"),
            GroupStatus::Empty => ngx_string!("empty"),
            GroupStatus::Unknown => ngx_string!("unknown"),
        }
    }

    /// Counts that it gets nobody. Returns what the log is to say.
    pub(crate) fn refuse(&self, upstream: &Upstream) -> String {
        let is_empty = self.status.get() == GroupStatus::Empty;
        if let Some(zone) = upstream.zone() {
            zone.count_group_refusal(is_empty);
        }
        let name = self.name();
        let shown = &name[..name.len().min(MAX_GROUP)];
        let conf = upstream.settings();
        let upstream = conf.etcd.as_ref().map_or("", |etcd| &etcd.upstream);
        let shown = quoted(&String::from_utf8_lossy(shown));
        module_messages::group_refused(&shown, is_empty, upstream)
    }
}
