//! The ring of consistent hashing, as nginx's `hash KEY consistent` has it, in a form that changes
//! at little cost.
//!
//! A *server* has a *slot*: a number that the publisher gives it and that it keeps for as long as
//! it lives. It has *points*, each a hash of 32 bits and the slot. A ring is a *base*, which has
//! the points of all servers at one time, and a *delta*, which has the points of servers that were
//! added since, and the slots of those that were removed. Neither changes once it is written: a
//! change writes another delta. From time to time a *merge* makes a base of the base and the delta,
//! in steps.
//!
//! Base and delta are slices of words (`u32`), which the publisher places where readers find them,
//! as in shared memory. To read them needs neither a lock nor an allocation. Damaged words lead to
//! a wrong slot, never to a panic or an endless loop.
//!
//! # A server
//!
//! nginx's points belong to the text after `server`, not to a peer. Several peers with the same
//! text, as a name with several addresses gives them, are one server with one slot; the publisher
//! keeps the list of its peers, and the reader chooses among them. If their weights differ, the
//! server has the points of the greatest weight: those of a lesser one are the first of them. If a
//! weight changes, or the text, the server is removed, and added in another slot with its new
//! points. A server of weight 0 has no points, and may have a slot.
//!
//! # What a reader does
//!
//! It pins what the publisher has published, makes a [`View`] of the two slices in constant time,
//! and calls [`View::find`] or [`View::walk`] with the hash of the key. It does not keep slots
//! longer than its pin. For the n-th try of a request, whose pin has ended meanwhile, it takes
//! `view.walk(hash, precedes).nth(n)`, as nginx goes on from the place where it was.
//!
//! If several servers have a point of the same hash, nginx's is that of the first server in the
//! order of the upstream. Neither base nor delta knows this order: the reader says it in
//! `precedes`, which is called for such points only (about one key in 2500 with 10 000 servers).
//!
//! # What a publisher does
//!
//! It has a [`Ring`] in its own memory (eight bytes for each slot, and for each point that was
//! added since the base), and does for each change:
//!
//! 1. [`Ring::remove`] for servers that go, [`Ring::add`] for those that come
//! 2. [`Ring::delta_words`], memory for as many, [`Ring::write_delta`]
//! 3. publish the delta together with the base that is current: one word that readers load leads to
//!    both, so that no reader has a delta with another base ([`View::new`] rejects the pair)
//! 4. free the delta before, and give the slots of [`Ring::take_freed`] to other servers, when no
//!    reader has anything that was published before step 3
//!
//! When it has nothing else to do, and [`Ring::should_merge`]:
//!
//! 1. [`Ring::begin_merge`], and memory for [`Merge::words`]
//! 2. [`Merge::step`] with a budget of [`STEP`], from time to time, until it returns `true`;
//!    changes go on meanwhile as above, with the base that is current
//! 3. [`Ring::finish_merge`], then [`Ring::write_delta`], which writes a delta to the new base with
//!    what has changed during the merge
//! 4. publish both at once; free the old base when no reader has it any more
//!
//! [`Ring::must_merge`] says that a delta is larger than requests and changes should bear, as after
//! the first list of an upstream or if thousands of peers come at once. The publisher then makes
//! all steps before it publishes. The delta is valid nevertheless: if there is no memory for
//! another base, the publisher publishes it, and frees memory first.
//!
//! # If a publisher dies
//!
//! Its ring and its merge are lost, and what it has published stays. The next publisher calls
//! [`Ring::restore`] with the base and the delta that are published, and the live servers: so
//! slots, and the number of points of each, must be in memory that both can read. Memory of an
//! incomplete base can be freed at once, since nothing leads to it; it is not readable as a base.
//! A slot that the restored ring does not name ([`Ring::names`]) can be used again when no reader
//! has anything older than what is published.
//!
//! # Sizes
//!
//! | | words of four bytes, at most |
//! |---|---|
//! | base | `11 + points + points / 32 + max(points, slots) / 8`; [`base_words`] says it exactly |
//! | delta | `10 + 2.125 * points + 8 * removed`; [`delta_words`] says it exactly |
//!
//! `slots` is one more than the highest slot that is in use, so publishers should use low ones
//! first. A server of weight 1 has 160 points, and takes 550 to 600 bytes of a base. While there is
//! a merge, there are two bases. With [`MANY_ADDED`] points and [`MANY_REMOVED`] removed servers,
//! from which on it should be merged, a delta takes up to 120 KB; where it must be merged, up to
//! four times as much.
//!
//! # Example
//!
//! ```
//! use hash_ring::{Base, Delta, EMPTY_BASE, Ring, STEP, View};
//!
//! let mut ring = Ring::new();
//! let mut base = EMPTY_BASE.to_vec();
//! ring.add(0, [10, 500, 900])?;
//! ring.add(1, [300, 500])?;
//!
//! let mut merge = ring.begin_merge()?;
//! let mut next = vec![0; merge.words()];
//! while !merge.step(&Base::new(&base)?, &mut next, STEP)? {}
//! ring.finish_merge(&merge)?;
//! base = next;
//!
//! ring.add(2, [400])?;
//! let mut delta = vec![0; ring.delta_words()];
//! ring.write_delta(&mut delta)?;
//!
//! let view = View::new(Base::new(&base)?, Delta::new(&delta)?)?;
//! let in_order = |one, other| one < other;
//! assert_eq!(view.find(350, in_order), Some(2));
//! assert!(view.walk(350, in_order).take(5).eq([2, 0, 0, 0, 1]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod base;
mod bits;
mod delta;
mod error;
mod merge;
mod packing;
mod ring;
mod slots;
mod view;
mod words;

pub use base::{Base, EMPTY_BASE, base_words};
pub use delta::{Delta, delta_words};
pub use error::{AddError, Malformed, MergeError, NoServer, TooLarge};
pub use merge::{Merge, STEP};
pub use ring::{MANY_ADDED, MANY_REMOVED, Ring};
pub use view::{View, Walk};
pub use words::{MOST_POINTS, MOST_SLOTS};
