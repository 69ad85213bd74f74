//! What tests call for: panics, at the place that the value of the key `panic!` below the prefix
//! names; and name servers of their own.

use std::{cell::Cell, net::SocketAddr, rc::Rc};

use etcd_watch::Event;
use tokio::sync::Notify;

/// Where the thread panics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// While an event is taken in.
    Update,
    /// With the right to write, before anything is written.
    BeforePublication,
    /// With the right to write, when the new table is published and its revision is not.
    InPublication,
    /// In the task that follows etcd.
    Follower,
}

const KEY: &[u8] = b"panic!";

/// What a value begins with, and the place that it calls for. No value is one of a peer's; what
/// follows makes each of them another one.
const PLACES: [(&[u8], Place); 4] = [
    (b"? update", Place::Update),
    (b"? before publication", Place::BeforePublication),
    (b"? in publication", Place::InPublication),
    (b"? follower", Place::Follower),
];

thread_local! {
    static NEXT: Cell<Option<Place>> = const { Cell::new(None) };
    static FOLLOWER: Rc<Notify> = Rc::default();
}

/// Takes what an event calls for. A list calls for nothing: the next watcher finds the key in its
/// first one.
pub(super) fn note_event(event: &Event) {
    let Event::Put(item) = event else { return };
    if item.key != KEY {
        return;
    }
    if let Some((_, place)) = PLACES.iter().find(|(words, _)| item.value.starts_with(words)) {
        NEXT.set(Some(*place));
        reach(Place::Update);
        FOLLOWER.with(|follower| follower.notify_one());
    }
}

/// The task that follows etcd; it panics where that is asked for.
pub(super) async fn or_panic(following: impl Future<Output = ()>) {
    let asked = FOLLOWER.with(Rc::clone);
    let panics = async {
        loop {
            asked.notified().await;
            reach(Place::Follower);
        }
    };
    tokio::select! {
        // Cancel safe: the other one is not wanted any more.
        () = following => {}
        () = panics => {}
    }
}

/// The name servers to ask instead of the system's, where nginx's directive `env` names some.
pub(super) fn name_servers() -> Option<Vec<SocketAddr>> {
    let servers = std::env::var("ETCD_NAME_SERVERS").ok()?;
    servers.split(' ').map(|server| server.parse().ok()).collect()
}

/// Panics if that is the place.
pub(super) fn reach(place: Place) {
    if NEXT.get() == Some(place) {
        NEXT.set(None);
        panic!("injected: {place:?}");
    }
}
