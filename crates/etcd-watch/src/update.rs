//! What a follower of a prefix is told.

use std::fmt;

use tokio::time::Instant;

/// Why a list was made, or what ended the watch before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The first list of all.
    Start,
    /// etcd had compacted the revisions that were still to come.
    Compacted,
    /// etcd refused: it cancelled the watch or answered a list with an error of its own
    /// (permission, authentication).
    Canceled,
    /// The watch's stream ended or failed, or what it carried made no sense.
    Broken,
    /// Nothing came any more that could be relied upon: no answer to a progress request, none to
    /// the connection's keep-alive, or none from the member's quorum.
    Silent,
    /// No endpoint answered a list.
    Unreachable,
    /// There is more than is taken: a change with more bytes than a message may have, or more keys
    /// than are followed.
    TooLarge,
}

impl Cause {
    /// The name by which the cause is counted: `start`, `compacted`, `canceled`, `broken`,
    /// `silent`, `unreachable` or `too_large`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Compacted => "compacted",
            Self::Canceled => "canceled",
            Self::Broken => "broken",
            Self::Silent => "silent",
            Self::Unreachable => "unreachable",
            Self::TooLarge => "too_large",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One word from the follower of a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// All keys of the prefix at `revision`, in the order of the keys; replaces what was known
    /// before.
    ///
    /// It is passed on as soon as it is complete, before the watch that goes on from it stands
    /// ([`Update::Alive`]). A revision lower than one seen before, or another cluster's id, means a
    /// restored or replaced etcd: what is to be done about it is the receiver's decision.
    Listed {
        /// What made the list necessary: what the first [`Update::Lost`] of the outage said, or
        /// [`Cause::Start`].
        cause: Cause,
        /// The id by which etcd names the cluster.
        cluster_id: u64,
        /// The revision of the whole store at which the list is exact.
        revision: i64,
        /// The keys and their values.
        items: Vec<Item>,
    },
    /// Events in the order of their revisions.
    Changed {
        /// A revision of the store that all events are at or below; it never goes down between two
        /// lists.
        revision: i64,
        /// What happened, each to one key.
        events: Vec<Event>,
        /// When etcd's response with them had come.
        arrived: Instant,
    },
    /// The watch was created, which ends an outage, or etcd answered a progress request.
    ///
    /// The revision tells how far the store is. It is nothing to resume from: etcd 3.4 may name a
    /// revision a moment before it delivers the events up to it.
    Alive {
        /// The revision of the store as etcd named it; it never goes down between two lists.
        revision: i64,
    },
    /// The prefix is not followed any more, until the next [`Update::Alive`]; once for an outage,
    /// however many attempts it takes to end it, and again where what keeps it from being followed
    /// is now of another kind: etcd is back, and refuses the password. At a start, only once every
    /// endpoint was tried in vain.
    Lost {
        /// What kind of trouble it is.
        cause: Cause,
        /// The trouble in one line of at most 300 characters, without secrets: what is wrong, what
        /// mends it, and etcd's own words.
        reason: String,
    },
    /// There are more keys than are taken ([`Limits`](crate::Limits)): those that come to be from
    /// now on are left out, until there are few enough for the next [`Update::Listed`]. What
    /// happens to the others is told as ever.
    Limited {
        /// How many there are, and what to do about it, in one line.
        reason: String,
    },
    /// Something about an endpoint that is no trouble and that its operator may want to know, in
    /// one line; once for an endpoint.
    Noted {
        /// What it is.
        text: String,
    },
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The key without the prefix; empty for the one key that is followed alone.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// The revision at which the key came to be.
    pub create_revision: i64,
    /// The revision of the last put.
    pub mod_revision: i64,
    /// The lease that the key goes with; 0 where there is none.
    pub lease: i64,
}

/// What happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The key was written; the value may be the one that it had.
    Put(Item),
    /// The key was deleted, or its lease ran out.
    Delete {
        /// The key without the prefix.
        key: Vec<u8>,
        /// The revision of the deletion.
        mod_revision: i64,
    },
}
