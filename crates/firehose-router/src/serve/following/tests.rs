//! What is in hand over lists, events and restarts, with a real file.

use etcd_watch::{Cause, Continuity, DEFAULT_HOLD, Event, Holding, Item, Origin, Update};
use tokio::{sync::watch, time::Instant};

use super::{Follower, SettingsUpdate};
use crate::serve::{
    content::Content,
    settings::{PUT_ALLOW, Setting},
    settings_file,
    settings_state::SettingsState,
};

const PREFIX: &str = "/firehose/nginx/";

fn item(key: &str, value: &str) -> Item {
    let (key, value) = (key.as_bytes().to_vec(), value.as_bytes().to_vec());
    Item { key, value, create_revision: 1, mod_revision: 1, lease: 0 }
}

fn follower(known: &SettingsState) -> Follower {
    let (sender, _) = watch::channel(SettingsUpdate::default());
    Follower::new(PREFIX.to_owned(), known, sender)
}

fn is_put_allow(key: &str) -> bool {
    super::Publishers::has(key.as_bytes())
}

/// The key as the part's own follower tells of it.
fn below(key: &str) -> &str {
    key.strip_prefix("put_allow").unwrap_or(key)
}

fn listed(cluster_id: u64, revision: i64, items: Vec<Item>) -> Update {
    Update::Listed { cause: Cause::Start, cluster_id, revision, items }
}

/// Both parts are listed.
fn list(follower: &mut Follower, cluster_id: u64, revision: i64, pairs: &[(&str, &str)]) {
    let items = |of_put_allow: bool| {
        let own = pairs.iter().filter(|(key, _)| is_put_allow(key) == of_put_allow);
        own.map(|(key, value)| item(below(key), value)).collect()
    };
    follower.apply_to_settings(listed(cluster_id, revision, items(false)));
    follower.apply_to_publishers(listed(cluster_id, revision, items(true)));
}

/// What concerns one part is told of by one follower, and the other is told that etcd is there.
fn change(follower: &mut Follower, revision: i64, key: &str, event: Event) {
    let changed = Update::Changed { revision, events: vec![event], arrived: Instant::now() };
    let alive = Update::Alive { revision };
    let (settings, publishers) =
        if is_put_allow(key) { (alive, changed) } else { (changed, alive) };
    follower.apply_to_settings(settings);
    follower.apply_to_publishers(publishers);
}

fn put(follower: &mut Follower, revision: i64, key: &str, value: &str) {
    change(follower, revision, key, Event::Put(item(below(key), value)));
}

fn delete(follower: &mut Follower, revision: i64, key: &str) {
    let event = Event::Delete { key: below(key).as_bytes().to_vec(), mod_revision: revision };
    change(follower, revision, key, event);
}

/// What the next router goes on with.
fn restarted(follower: &Follower) -> Follower {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("settings.json");
    let state = follower.state();
    settings_file::save(&state, &file, "/firehose", &state.values).expect("saved");
    self::follower(&settings_file::load(&file, "/firehose").expect("loaded").0)
}

/// A router that has run with an etcd of these keys at revision 9, and was started again.
fn started_again(pairs: &[(&str, &str)]) -> Follower {
    let mut before = follower(&SettingsState::default());
    list(&mut before, 1, 7, pairs);
    before.apply_to_settings(Update::Alive { revision: 9 });
    before.apply_to_publishers(Update::Alive { revision: 9 });
    restarted(&before)
}

fn networks(follower: &Follower) -> Vec<String> {
    follower.state().put_allow.words().map(str::to_owned).collect()
}

fn get(follower: &Follower, setting: Setting) -> Option<String> {
    follower.state().get(setting).map(str::to_owned)
}

fn is_held(follower: &Follower) -> (Option<Holding>, Option<Holding>) {
    (follower.settings.holding(), follower.publishers.holding())
}

const ALL: [(&str, &str); 2] = [("put_allow/o", "10.0.0.0/8"), ("worker_processes", "2")];
const OLD: Option<Origin> = Some(Origin { cluster_id: 1, revision: 9 });

#[tokio::test]
async fn a_start_over_a_wiped_etcd_keeps_what_is_in_hand() {
    for (cluster_id, revision) in [(1, 8), (2, 100)] {
        let mut follower = started_again(&ALL);
        list(&mut follower, cluster_id, revision, &[]);
        let held = |follower: &Follower| {
            assert_eq!(networks(follower), ["10.0.0.0/8"]);
            let origin = follower.publishers.source().origin;
            assert_eq!(origin, OLD, "a further start must see the same");
            follower.publishers.holding().expect("held").until
        };
        let until = held(&follower);
        assert_eq!(get(&follower, Setting::WorkerProcesses).as_deref(), Some("2"));
        // Further lists neither end nor prolong it, also when the new one comes past the old one.
        list(&mut follower, cluster_id, 1_000, &[]);
        assert_eq!(held(&follower), until);
        // Nor do other keys, those that name nobody, or that restrict even more.
        put(&mut follower, 1_001, "keepalive_timeout", "5s");
        assert_eq!(held(&follower), until);
        let processes = get(&follower, Setting::WorkerProcesses);
        assert_eq!(processes.as_deref(), Some("4"), "settings are the new one's");
        assert_eq!(get(&follower, Setting::KeepaliveTimeout).as_deref(), Some("5s"));
        put(&mut follower, 1_002, "put_allow/new", "nobody");
        put(&mut follower, 1_003, "put_allow", "");
        assert_eq!(held(&follower), until);
        assert!(get(&follower, Setting::PutAllow).is_some());
        list(&mut follower, cluster_id, 1_004, &[("keepalive_timeout", "5s"), ("colour", "red")]);
        assert_eq!(held(&follower), until);
        // One that names somebody takes its place as a whole.
        put(&mut follower, 1_005, "put_allow/new", "192.0.2.0/24");
        assert_eq!(networks(&follower), ["192.0.2.0/24"]);
        assert_eq!(is_held(&follower), (None, None));
        let origin = Some(Origin { cluster_id, revision: 1_005 });
        let state = follower.state();
        assert_eq!(state.settings_source.origin, origin);
        assert_eq!(state.put_allow_source.origin, origin);
    }
}

/// A key that is no setting, and one whose value is malformed, take no setting away.
#[tokio::test]
async fn junk_in_a_wiped_etcd_does_not_end_the_hold_of_settings() {
    let mut follower = started_again(&ALL);
    let junk = [("colour", "red"), ("balance", "fastest"), ("worker_processes", "many")];
    list(&mut follower, 1, 2, &junk);
    let settings = |follower: &Follower| {
        assert_eq!(get(follower, Setting::WorkerProcesses).as_deref(), Some("2"));
        follower.settings.holding()
    };
    let until = settings(&follower).expect("held").until;
    put(&mut follower, 3, "color", "red");
    put(&mut follower, 4, "max_conns", "none");
    assert_eq!(settings(&follower).map(|holding| holding.until), Some(until));
    // One that is valid ends it, and a malformed value changes nothing of its own key.
    put(&mut follower, 5, "max_conns", "5");
    assert_eq!(settings(&follower), None);
    assert_eq!(get(&follower, Setting::MaxConns).as_deref(), Some("5"));
}

/// etcd is wiped while the router is stopped; however often that starts, and however far etcd has
/// come meanwhile, it sees the same.
#[tokio::test]
async fn an_etcd_that_was_wiped_while_the_router_was_stopped_is_noticed_at_each_start() {
    let mut follower = started_again(&ALL);
    for revision in [2, 3, 1_000] {
        list(&mut follower, 1, revision, &[("colour", "red")]);
        assert_eq!(get(&follower, Setting::WorkerProcesses).as_deref(), Some("2"));
        assert_eq!(networks(&follower), ["10.0.0.0/8"]);
        let state = follower.state();
        for source in [state.settings_source, state.put_allow_source] {
            assert_eq!((source.origin, source.held), (OLD, Some(Continuity::OlderRevision)));
        }
        follower = restarted(&follower);
    }
    list(&mut follower, 1, 1_001, &[("max_conns", "5")]);
    assert_eq!(get(&follower, Setting::WorkerProcesses).as_deref(), Some("4"));
    assert_eq!(networks(&follower), ["10.0.0.0/8"]);
    let mut follower = restarted(&follower);
    list(&mut follower, 1, 1_002, &[]);
    assert_eq!(follower.settings.holding(), None, "the new one's settings are obeyed");
    assert_eq!(networks(&follower), ["10.0.0.0/8"]);
}

#[tokio::test]
async fn who_may_publish_does_not_end_the_hold_of_settings() {
    let mut follower = started_again(&ALL);
    list(&mut follower, 2, 3, &[("put_allow/new", "192.0.2.0/24")]);
    assert_eq!(networks(&follower), ["192.0.2.0/24"]);
    assert_eq!(get(&follower, Setting::WorkerProcesses).as_deref(), Some("2"));
    assert!(matches!(is_held(&follower), (Some(_), None)));
    put(&mut follower, 4, "put_allow/other", "192.0.3.0/24");
    delete(&mut follower, 5, "put_allow/new");
    assert_eq!(networks(&follower), ["192.0.3.0/24"], "its keys are obeyed meanwhile");
    put(&mut follower, 6, "max_conns", "5");
    assert_eq!(get(&follower, Setting::WorkerProcesses).as_deref(), Some("4"));
    assert_eq!(is_held(&follower), (None, None));
}

#[tokio::test]
async fn the_same_etcd_is_obeyed_at_once_and_so_is_one_that_was_never_known() {
    let mut follower = started_again(&ALL);
    list(&mut follower, 1, 9, &[]);
    assert_eq!(is_held(&follower), (None, None));
    assert!(!follower.state().restricts_publishing());
    let mut follower = started_again(&[]);
    list(&mut follower, 2, 1, &[]);
    assert_eq!(is_held(&follower), (None, None), "there is nothing to hold");
}

#[tokio::test]
async fn a_key_in_the_place_of_the_directory_is_held_as_well() {
    let mut follower = started_again(&[("put_allow", "")]);
    list(&mut follower, 1, 2, &[("max_conns", "5")]);
    assert!(get(&follower, Setting::PutAllow).is_some());
    assert!(follower.publishers.holding().is_some());
    // A deletion is meant.
    put(&mut follower, 3, "put_allow", "");
    delete(&mut follower, 4, "put_allow");
    assert_eq!(is_held(&follower), (None, None));
    assert!(!follower.state().restricts_publishing());
}

/// Networks that cannot be listed keep neither settings nor their withdrawal from being obeyed.
#[tokio::test]
async fn networks_that_are_too_many_cost_only_themselves() {
    let mut follower = follower(&SettingsState::default());
    let reason = format!("\"{PREFIX}{PUT_ALLOW}\" has 200001 keys, more than 200000");
    follower.apply_to_publishers(Update::Lost { cause: Cause::TooLarge, reason });
    follower.apply_to_settings(listed(1, 1, vec![item("balance", "ip_hash")]));
    follower.publish();
    let update = follower.sender.borrow().clone();
    assert!(update.is_settled && update.has_settings && !update.has_publishers);
    assert_eq!(update.state.get(Setting::Balance), Some("ip_hash"));
    assert_eq!(update.state.first_put_allow(), None, "nobody may publish");
    let event = Event::Delete { key: b"balance".to_vec(), mod_revision: 2 };
    let (events, arrived) = (vec![event], Instant::now());
    follower.apply_to_settings(Update::Changed { revision: 2, events, arrived });
    assert_eq!(get(&follower, Setting::Balance).as_deref(), Some("least_conn"));
}

#[tokio::test(start_paused = true)]
async fn a_hold_ends_with_its_time_and_not_while_etcd_is_away() {
    let (settings, mut settings_updates) = tokio::sync::mpsc::channel(9);
    let (publishers, mut publishers_updates) = tokio::sync::mpsc::channel(9);
    let follower = started_again(&ALL);
    let mut heard = follower.sender.subscribe();
    let running =
        tokio::spawn(
            async move { follower.run(&mut settings_updates, &mut publishers_updates).await },
        );
    let send = async |update: Update| {
        settings.send(update.clone()).await.expect("it runs");
        publishers.send(update).await.expect("it runs");
    };
    send(listed(2, 1, vec![])).await;
    send(Update::Lost { cause: Cause::Unreachable, reason: "away".to_owned() }).await;
    tokio::time::sleep(DEFAULT_HOLD * 2).await;
    assert!(heard.borrow().state.restricts_publishing());
    send(listed(2, 2, vec![])).await;
    send(Update::Alive { revision: 2 }).await;
    let is_over = |update: &SettingsUpdate| {
        !update.state.restricts_publishing() && update.state.values.is_empty()
    };
    heard.wait_for(is_over).await.expect("it runs");
    running.abort();
}
