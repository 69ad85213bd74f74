//! Files that are there, or not, or are none.

use std::fs::{create_dir, write};

use saved_state::{LoadError, MAX_LENGTH, SavedState, StateError, load};

#[test]
fn a_good_one_and_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("peers");
    assert!(load(&file).expect("no file").is_none());
    let (cluster, prefix) = ("main".to_owned(), "/p/".to_owned());
    let state = SavedState {
        cluster,
        prefix,
        cluster_id: 1,
        revision: 1,
        peers: [].into(),
        settings: None,
    };
    write(&file, state.encode().expect("short")).expect("written");
    assert_eq!(load(&file).expect("good"), Some(state));
}

#[test]
fn what_is_none_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    create_dir(path("folder")).expect("made");
    assert!(matches!(load(&path("folder")), Err(LoadError::NotAFile)));
    nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("made");
    assert!(matches!(load(&path("pipe")), Err(LoadError::NotAFile)));
    write(path("empty"), "").expect("written");
    assert!(matches!(load(&path("empty")), Err(LoadError::State(StateError::Empty))));
    assert!(matches!(load(&path("empty/peers")), Err(LoadError::Unreadable(_))));
    // Of the same length as what may be in one, without taking the room on the disk.
    let long = std::fs::File::create(path("long")).expect("made");
    long.set_len((MAX_LENGTH as u64) << 4).expect("sparse");
    assert!(matches!(load(&path("long")), Err(LoadError::State(StateError::TooLong))));
}
