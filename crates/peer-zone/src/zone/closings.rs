//! How open connections to peers of groups are closed: words that peers name.

use super::Zone;
use crate::{closing::Closing, layout::Peer, protocol::NamedWord};

impl Zone {
    /// The words, each a [`Closing`].
    pub(crate) fn closings(&self) -> &[NamedWord] {
        &self.header().closings
    }

    /// How connections to the peer are closed; the outer `None`: as the upstream says.
    pub(crate) fn closing_of(&self, peer: &Peer) -> Option<Option<Closing>> {
        peer.closing.read(self.closings()).and_then(Closing::from_word)
    }
}
