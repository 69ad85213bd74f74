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

/// That, and what it gets. It lies in the memory of the request or session; see
/// [`Behind`](super::behind::Behind).
pub(crate) struct AskedGroup {
    /// In memory that lives as long as this.
    name: GroupName<'static>,
    /// The group that it has got its peer from.
    picked: Cell<PickedGroup>,
    /// By which the group is drawn where it chooses among those of any.
    number: Cell<u32>,
    status: Cell<GroupStatus>,
    chosen: Cell<Chosen>,
    /// What is kept of a key lies behind this.
    is_keyed: bool,
}

// As small as it can be: see `RequestPeer`.
const _: () = assert!(size_of::<AskedGroup>() <= 32);

/// Among which peers it chooses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chosen {
    /// Not known before the first pick.
    Unresolved,
    /// Those of the group that it asks for.
    Asked,
    /// Those of the group of `else=`.
    Other,
    /// Those of a group that is drawn by its number.
    Any,
    /// None.
    Nobody,
}

impl AskedGroup {
    /// It asks for the group of this name.
    ///
    /// # Safety
    ///
    /// The name lies in memory that lives, and does not change, for as long as what is returned.
    #[inline(always)]
    pub(super) unsafe fn new(name: ngx_str_t, is_keyed: bool) -> Self {
        Self {
            // SAFETY: the caller's promise.
            name: GroupName::new(unsafe { bytes(name) }),
            picked: Cell::default(),
            number: Cell::new(0),
            status: Cell::new(GroupStatus::Unknown),
            chosen: Cell::new(Chosen::Unresolved),
            is_keyed,
        }
    }

    /// Whether what is kept of a key lies behind this.
    #[inline(always)]
    pub(super) fn is_keyed(&self) -> bool {
        self.is_keyed
    }

    /// The name of the group, if nothing is known yet that keeps it from the peers of that one.
    #[inline]
    pub(super) fn asked(&self) -> Option<GroupName<'_>> {
        let may_ask = match self.chosen.get() {
            Chosen::Unresolved => is_group(self.name.bytes()),
            chosen => chosen == Chosen::Asked,
        };
        may_ask.then_some(self.name)
    }

    /// Whether it is not known yet among which peers it chooses.
    pub(super) fn is_unresolved(&self) -> bool {
        self.chosen.get() == Chosen::Unresolved
    }

    /// It has got a peer of the group that it asks for, as its first one.
    #[inline]
    pub(super) fn set_served(&self, group: PickedGroup) {
        self.status.set(GroupStatus::Ok);
        self.chosen.set(Chosen::Asked);
        self.picked.set(group);
    }

    /// Finds out among which peers it chooses. `key` is what the method goes by, if it
    /// goes by something of the request's: so that of any group the same request finds the same
    /// one. `sticky` is the peer that its cookie names, to which it comes back though that drains.
    pub(crate) fn resolve(
        &self,
        worker: &mut Worker,
        conf: &GroupConf,
        (key, sticky): (&[u8], Option<u64>),
    ) {
        let name = self.name;
        let status =
            if is_group(name.bytes()) { worker.group_status(name).0 } else { GroupStatus::Unknown };
        self.status.set(status);
        if status == GroupStatus::Ok {
            self.chosen.set(Chosen::Asked);
            return;
        }
        let mut has_session = || {
            let is_named = |id| worker.serves_session(name, id);
            status == GroupStatus::Empty && sticky.is_some_and(is_named)
        };
        if has_session() {
            self.chosen.set(Chosen::Asked);
        } else {
            self.choose_otherwise(worker, conf, key);
        }
    }

    /// Its group cannot serve: it chooses among other peers. If it has a key, it finds those of any
    /// group by it, so that the same request finds the same one.
    fn choose_otherwise(&self, worker: &mut Worker, conf: &GroupConf, key: &[u8]) {
        self.chosen.set(match &conf.otherwise {
            Otherwise::Nobody => Chosen::Nobody,
            Otherwise::Group(_) => Chosen::Other,
            Otherwise::Any => {
                let is_random = key.is_empty();
                let random = || (worker.random() >> u32::BITS) as u32;
                let number = if is_random { random() } else { peer_balance::key_hash(key) };
                self.number.set(number);
                Chosen::Any
            }
        });
    }

    /// Whether the group that it asks for serves only those whose cookies name one of its peers,
    /// and it is one of these.
    pub(super) fn has_session_only(&self) -> bool {
        self.chosen.get() == Chosen::Asked && self.status.get() == GroupStatus::Empty
    }

    /// The peer that its cookie names cannot serve it: it chooses as those without a cookie.
    pub(super) fn leave_session(&self, worker: &mut Worker, conf: &GroupConf, key: &[u8]) {
        self.choose_otherwise(worker, conf, key);
    }

    /// Whether the group that it asks for has peers in service.
    pub(super) fn is_ok(&self) -> bool {
        self.status.get() == GroupStatus::Ok
    }

    /// Among which peers it chooses; `None`: among none.
    pub(crate) fn among<'a>(&'a self, conf: &'a GroupConf) -> Option<Among<'a>> {
        match (self.chosen.get(), &conf.otherwise) {
            (Chosen::Asked, _) => Some(Among::Group(self.name)),
            (Chosen::Other, Otherwise::Group(name)) => {
                Some(Among::Group(GroupName::new(name.as_bytes())))
            }
            (Chosen::Any, _) => {
                let number = u64::from(self.number.get());
                Some(Among::Any(number << u32::BITS | number))
            }
            (Chosen::Unresolved | Chosen::Nobody | Chosen::Other, _) => None,
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
        let name = self.name.bytes();
        let shown = &name[..name.len().min(MAX_GROUP)];
        let conf = upstream.settings();
        let upstream = conf.etcd.as_ref().map_or("", |etcd| &etcd.upstream);
        let shown = quoted(&String::from_utf8_lossy(shown));
        module_messages::group_refused(&shown, is_empty, upstream)
    }
}
