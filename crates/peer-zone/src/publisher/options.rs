//! What an upstream needs of its tables beside the peers, and what a group has of its own.

use std::sync::Arc;

use peer_balance::Method;

use crate::{closing::Closing, layout::OwnTraits};

/// What an upstream needs of its tables beside the peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableOptions {
    /// The balancing method of `etcd_balance`.
    pub method: Method,
    /// Whether `etcd_sticky` is on: the table then has an index of the cookies' ids.
    pub is_sticky: bool,
    /// How active checks decide; `None` without `etcd_check`.
    pub checking: Option<CheckPolicy>,
    /// Whether requests choose among the peers of one group, by [`PeerSpec::group`]. It is settled
    /// before the first peers are published.
    ///
    /// [`PeerSpec::group`]: crate::PeerSpec::group
    pub is_grouped: bool,
}

impl TableOptions {
    /// Without what takes room beside the peers: requests go by round robin then.
    pub(super) fn plain(self) -> Self {
        Self { method: Method::RoundRobin, is_sticky: false, ..self }
    }

    /// Those of a group that has these of its own.
    pub(super) fn of_group(self, own: &GroupOptions) -> Self {
        Self {
            method: own.method.unwrap_or(self.method),
            is_sticky: self.is_sticky && !own.refuses_cookies(),
            checking: own.checking.unwrap_or(self.checking),
            ..self
        }
    }
}

/// What a group has of its own, in the place of what its upstream has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupOptions {
    /// The balancing method; `None`: the upstream's.
    pub method: Option<Method>,
    /// The text of the key of `hash` as written (`$request_uri`), for a method that needs one;
    /// `None`: the upstream's key.
    pub hash_key: Option<Arc<str>>,
    /// `Some(false)`: cookies lead nowhere in this group, and none is set. `None` or `Some(true)`:
    /// as [`TableOptions::is_sticky`] says.
    pub is_sticky: Option<bool>,
    /// How active checks decide; `None`: as the upstream says, `Some(None)`: its peers are not
    /// checked.
    pub checking: Option<Option<CheckPolicy>>,
    /// How open connections to peers that leave the group, or the service, are closed; `None`: as
    /// the upstream says, `Some(None)`: none is. Of times no more than 12 days count.
    pub closing: Option<Option<Closing>>,
}

/// What a group is to have of its own.
#[derive(Debug)]
pub(super) struct WantedOptions {
    pub(super) options: GroupOptions,
    /// The index of the word that says how its connections are closed; 0: as the upstream says.
    pub(super) closing: u8,
}

impl GroupOptions {
    fn refuses_cookies(&self) -> bool {
        self.is_sticky == Some(false)
    }

    /// What the group's tables say of it.
    pub(super) fn traits(&self) -> OwnTraits {
        let bits = |CheckPolicy { mandatory, panic }| [mandatory, panic];
        let checking = self.checking.map(|checking| checking.map(bits));
        OwnTraits::new(self.method, self.refuses_cookies()).with_checking(checking)
    }

    /// The text of its own key, in a table that is made for these options; `None` if it has none,
    /// or the method needs none.
    pub(super) fn key_for(&self, options: &TableOptions) -> Option<&Arc<str>> {
        self.hash_key.as_ref().filter(|key| options.method.needs_key() && !key.is_empty())
    }

    /// What a table says of its group, which has this text as its key if it is not empty.
    pub(super) fn of_table(traits: OwnTraits, hash_key: &[u8]) -> Self {
        let text = || String::from_utf8_lossy(hash_key).into();
        let policy = |[mandatory, panic]: [bool; 2]| CheckPolicy { mandatory, panic };
        Self {
            method: traits.method(),
            hash_key: (!hash_key.is_empty()).then(text),
            is_sticky: traits.refuses_cookies().then_some(false),
            checking: traits.checking().map(|checking| checking.map(policy)),
            // What says so are its peers.
            closing: None,
        }
    }
}

/// What active checks mean for the peers of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckPolicy {
    /// `mandatory`: a new peer gets no requests before it has passed its first check.
    pub mandatory: bool,
    /// Where every peer fails, all are used but those that have not passed their first check yet
    /// (`mandatory`).
    pub panic: bool,
}
