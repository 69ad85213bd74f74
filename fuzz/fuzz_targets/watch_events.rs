//! Whatever etcd says to watches, one after another: no panic, what makes no sense ends the watch,
//! and the members are those of a simple model after each word.
//!
//! The first byte of the input says what the rest is: responses as they come over the wire, each
//! after its length (two bytes, the higher one first); or where it is odd a story, from which
//! responses are made that make sense for the most part.

#![no_main]

#[path = "watch_events/follower.rs"]
mod follower;
#[path = "watch_events/model.rs"]
mod model;
#[path = "watch_events/story.rs"]
mod story;

use etcd_client::proto::PbWatchResponse;
use libfuzzer_sys::{
    arbitrary::{Arbitrary, Unstructured},
    fuzz_target,
};
use prost::Message;

use self::{follower::Follower, story::Story};

fuzz_target!(|input: &[u8]| {
    let Some((&kind, rest)) = input.split_first() else { return };
    if kind & 1 == 0 {
        let mut follower = Follower::new(kind & 2 != 0);
        let mut responses = messages(rest);
        // Each trouble ends a watch, and the next response is the first of the next one.
        while follower.watch(&mut responses) {}
    } else if let Ok(story) = Story::arbitrary_take_rest(Unstructured::new(rest)) {
        let mut follower = Follower::new(kind & 2 != 0);
        for responses in story.responses() {
            follower.watch(&mut responses.into_iter());
        }
    }
});

/// The messages of the input, up to one that is none.
fn messages(mut rest: &[u8]) -> impl Iterator<Item = PbWatchResponse> {
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_first_chunk()?;
        let (message, behind) =
            behind.split_at(behind.len().min(u16::from_be_bytes(*length).into()));
        rest = behind;
        PbWatchResponse::decode(message).ok()
    })
}
