//! Keys that say together what a peer is, or whose peers have other names.

use std::sync::Arc;

use super::member::Member;
use super::{Membership, MembershipChange};
use crate::key_name::weight_key;

impl Membership {
    /// The weight that another key sets for the servers of this one.
    pub(super) fn weight_beside(&self, key: &str) -> Option<u32> {
        self.members.get(&*weight_key(key)?)?.setting()
    }

    /// The key with the address of the peer whose weight this key has, or would have.
    fn url_beside<'m>(&'m self, key: &str) -> Option<&'m Arc<str>> {
        let name = key.strip_suffix("/weight").filter(|name| !name.is_empty())?;
        let (key, member) = self.members.get_key_value(&*format!("{name}/url"))?;
        member.name().map(|_| key)
    }

    /// Sets the weight that this key has for the peer that it is about. Says whether that makes
    /// other peers.
    pub(super) fn set_weight_beside(&mut self, key: &str) -> bool {
        let Some(url) = self.url_beside(key).cloned() else { return false };
        let weight = self.members.get(key).and_then(Member::setting);
        let Some(member) = self.members.get_mut(&url) else { return false };
        let is_changed = member.set_weight(weight, self.defaults);
        self.note_member(&url);
        is_changed
    }

    /// Sets the weights of all peers that keys of their own may set, but for those of keys that
    /// stay although they are not there. Says whether that makes other peers.
    pub(super) fn set_all_weights(&mut self, stays: impl Fn(&str) -> bool) -> bool {
        let named = self.members.iter().filter(|(_, member)| member.name().is_some());
        let keys: Vec<String> =
            named.filter(|(key, _)| !stays(key)).filter_map(|(key, _)| weight_key(key)).collect();
        keys.iter().fold(false, |changed, weight| changed | self.set_weight_beside(weight))
    }

    /// Whether a key stands for no peer: it is about a peer that another key names, its servers are
    /// not wanted, or it has never had a valid value.
    pub fn is_aside(&self, key: &str) -> bool {
        self.members.get(key).is_none_or(|member| !member.is_good())
    }

    /// Forgets a key that [`is_aside`](Self::is_aside). What it has set stays for a peer whose key
    /// `stays`.
    pub fn remove_aside(&mut self, key: &str, stays: impl Fn(&str) -> bool) -> MembershipChange {
        let is_kept = self.url_beside(key).is_some_and(|url| stays(url));
        if !is_kept {
            return self.delete(key.as_bytes());
        }
        if let Some((key, mut member)) = self.members.remove_entry(key) {
            self.note_removal(&key, &mut member);
        }
        MembershipChange::default()
    }
}
