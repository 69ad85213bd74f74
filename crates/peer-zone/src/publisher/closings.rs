//! Which words of the zone say how connections to the peers of groups are closed.

use thiserror::Error;

use super::Publisher;
use crate::closing::{Closing, MOST_CLOSINGS};

/// There are as many different ways to close connections in use as a zone can have: those of the
/// groups' options, and those of peers that are not published anew yet or are gone but have open
/// connections.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("groups close connections in more than {MOST_CLOSINGS} different ways")]
pub struct TooManyClosings;

impl Publisher {
    /// The index of the word that says so, which may be a new one; 0: as the upstream says. Not to
    /// be called while a group is at hand. `group` is the one that is to have it, in the place of
    /// what its options say now.
    pub(super) fn index_of_closing(
        &self,
        closing: Option<Option<Closing>>,
        group: &str,
    ) -> Result<u8, TooManyClosings> {
        let Some(closing) = closing else { return Ok(0) };
        let (wanted, words) = (Closing::to_word(closing), self.zone.closings());
        let find = |word| words.iter().position(|it| it.get() == word);
        let found = find(wanted).or_else(|| find(0));
        let at = found.or_else(|| self.unused_closing(group)).ok_or(TooManyClosings)?;
        words[at].set(wanted);
        // There are fewer than a byte counts.
        Ok(at as u8 + 1)
    }

    /// A word that nothing names, but perhaps the options of this group.
    fn unused_closing(&self, group: &str) -> Option<usize> {
        let mut is_used = [false; MOST_CLOSINGS + 1];
        let others = self.group_options.iter().filter(|(name, _)| &***name != group);
        for (_, wanted) in others {
            is_used[usize::from(wanted.closing)] = true;
        }
        for place in self.places() {
            // SAFETY: the publisher frees peers, and has not freed these.
            let index = unsafe { self.zone.peer(place) }.closing.get();
            if let Some(is_used) = is_used.get_mut(usize::from(index)) {
                *is_used = true;
            }
        }
        is_used[1..].iter().position(|is_used| !is_used)
    }

    /// The peers of the group at hand, which has just been published, name the word of the group.
    pub(super) fn update_closings(&mut self) {
        let closing = self.group.closing;
        if self.group.closing_of_peers == Some(closing) {
            return;
        }
        let others = self.group.listed.iter().map(|listed| (listed, &self.peer(listed).closing));
        for (listed, named) in others.filter(|(_, named)| named.get() != closing) {
            // One that another group lists as well is that group's.
            if !self.is_departing(listed) {
                named.set(closing);
            }
        }
        self.set_closing_of_removed(&self.group.name, closing);
        self.group.closing_of_peers = Some(closing);
    }

    /// The peers that are gone from a group name the word of this index.
    pub(super) fn set_closing_of_removed(&self, group: &str, closing: u8) {
        for removed in self.removed.of_group(group) {
            // SAFETY: the publisher frees peers, and has not freed this one.
            unsafe { self.zone.peer(removed.place) }.closing.set(closing);
        }
    }
}
