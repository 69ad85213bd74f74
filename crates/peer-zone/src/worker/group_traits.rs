//! What the group that a request chooses among has of its own.

use peer_balance::Method;

use super::{
    Worker, among::Among, claim::PickRequest, pick::PickContext, picked_peer::PickedPeer,
    table::Table,
};
use crate::layout::OwnTraits;

/// What a group has of its own, in the place of what its upstream has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTraits {
    /// The balancing method; `None`: the upstream's.
    pub method: Option<Method>,
    /// Whether cookies lead to its peers, if the upstream has cookies.
    pub is_sticky: bool,
    /// Whether requests hash a key of the group's own; see [`Worker::with_hash_key`].
    pub has_hash_key: bool,
}

impl Default for GroupTraits {
    /// Nothing: all is as the upstream has it.
    fn default() -> Self {
        Self { method: None, is_sticky: true, has_hash_key: false }
    }
}

impl Table<'_> {
    /// What a request goes by among the peers of this table, which is that of a group with
    /// something of its own.
    #[inline(never)]
    pub(super) fn own_context<'k>(&self, context: &PickContext<'k>) -> PickContext<'k> {
        let own = self.header.own;
        PickContext {
            method: own.method().unwrap_or(context.method),
            sticky: context.sticky.filter(|_| !own.refuses_cookies()),
            ..*context
        }
    }

    /// As [`own_context`](Self::own_context), for a request that comes to several groups, one after
    /// the other. What the upstream's method goes by is nothing to a method that goes by something
    /// else.
    pub(super) fn context_of_any<'k, 'r, F>(
        &self,
        context: &PickContext<'k>,
        request: &PickRequest<'r, F>,
    ) -> (PickContext<'k>, PickRequest<'r, F>) {
        let mut own = if self.header.own.is_none() { *context } else { self.own_context(context) };
        if own.method.needs_key() != context.method.needs_key()
            || own.method.goes_by_request() != context.method.goes_by_request()
            || self.group_traits().has_hash_key
        {
            own.key = &[];
        }
        let least_time = own.method.least_time();
        (own, PickRequest { least_time, ..*request })
    }

    /// What the group that the table is of has of its own.
    pub fn group_traits(&self) -> GroupTraits {
        let own = self.header.own;
        GroupTraits {
            method: own.method(),
            is_sticky: !own.refuses_cookies(),
            has_hash_key: self.header.hash_key.length > 0 || own.lacks_key(),
        }
    }
}

impl PickedPeer {
    /// The method of its own of the group that the request has got the peer from; `None`: the
    /// upstream's. It was picked by this method, and what it takes to answer is noted for it.
    #[inline]
    pub fn own_method(&self) -> Option<Method> {
        OwnTraits::of_kept(self.traits.of_group()).method()
    }

    /// Whether cookies lead to the peers of the group that the request has got the peer from, if
    /// the upstream has cookies.
    #[inline]
    pub fn is_in_sticky_group(&self) -> bool {
        !OwnTraits::of_kept(self.traits.of_group()).refuses_cookies()
    }
}

impl Worker {
    /// What the peers among which a request chooses have of their own. Those of any group, and
    /// those of a group that is not there, have nothing.
    pub fn traits_among(&mut self, among: Among<'_>) -> GroupTraits {
        let Among::Group(name) = among else { return GroupTraits::default() };
        let table = self.table().and_then(|table| table.into_group(name));
        table.map_or_else(GroupTraits::default, |table| table.group_traits())
    }

    /// Calls `read` with the text of the key that the group of a request has of its own, if it has
    /// one. It is empty where there is no room for it: then requests have no key, as they would
    /// hash another one.
    pub fn with_hash_key<T>(
        &mut self,
        among: Among<'_>,
        read: impl FnOnce(Option<&[u8]>) -> T,
    ) -> T {
        let Among::Group(name) = among else { return read(None) };
        let table = self.table().and_then(|table| table.into_group(name));
        match table {
            Some(table) if table.group_traits().has_hash_key => {
                read(Some(table.zone.group_hash_key(table.place)))
            }
            _ => read(None),
        }
    }
}
