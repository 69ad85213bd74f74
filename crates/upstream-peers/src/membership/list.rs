//! A fresh list of all keys.

use std::sync::Arc;

use super::member::Member;
use super::{Membership, MembershipChange};

/// A key with its value and the revision at which it was made.
type ListedKey<'i> = (&'i str, &'i [u8], i64);

/// Whether the peers of the key may depend on other keys, or those of others on it: then all that
/// is listed must be known first.
fn is_beside_others(key: &str) -> bool {
    key.ends_with("/url") || key.ends_with("/weight")
}

impl Membership {
    /// Takes the values of all keys. Returns the members that are not listed, which are no members
    /// any more.
    ///
    /// Lists are in the order of keys, so that the members are made in one go: each is found
    /// without a search, and they lie as close as they can.
    pub(super) fn put_list(
        &mut self,
        mut listed: Vec<ListedKey<'_>>,
        change: &mut MembershipChange,
    ) -> Vec<(Arc<str>, Member)> {
        // Not needed for what etcd sends. Of a key that comes twice the later value counts.
        listed.sort_by_key(|&(key, ..)| key);
        let mut known = std::mem::take(&mut self.members).into_iter().peekable();
        let mut members: Vec<(Arc<str>, Member)> = Vec::with_capacity(listed.len());
        let (mut missing, mut later) = (Vec::new(), Vec::new());
        for item @ (key, ..) in listed {
            if members.last().is_some_and(|(last, _)| **last == *key) {
                later.push(item);
                continue;
            }
            while let Some(gone) = known.next_if(|(known, _)| **known < *key) {
                missing.push(gone);
            }
            let (name, mut member) = known
                .next_if(|(known, _)| **known == *key)
                .unwrap_or_else(|| (Arc::from(key), Member::default()));
            if is_beside_others(key) {
                later.push(item);
            } else {
                self.put_value(&mut member, item, None, change);
            }
            members.push((name, member));
        }
        missing.extend(known);
        self.members = members.into_iter().collect();
        for (key, value, create_revision) in later {
            self.put_member(key, value, create_revision, change);
        }
        missing
    }
}
