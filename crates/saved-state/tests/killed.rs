//! A process that replaces a file over and over is killed at any moment: the file is a whole one,
//! of the lists that were written.
//!
//! This program starts itself as that process.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::Arc,
    time::{Duration, Instant},
};

use libtest_mimic::{Arguments, Trial};
use random::Random;
use saved_state::{SavedState, load};
use upstream_peers::{Labels, OwnParameters, Parameters, Peer, SocketAddress, Source};

#[path = "../../peer-zone/tests/support/random.rs"]
mod random;

const FILE: &str = "STATE_FILE";
const ROUNDS: usize = 200;
/// A writer is killed within this many microseconds: some replacements of a file.
const LIFE: u64 = 10_000;
/// The deadline of what needs a moment at most.
const SOON: Duration = Duration::from_secs(30);

/// The list that is written as this revision: of none up to some hundreds of peers, so that files
/// differ in length.
fn list(revision: i64) -> SavedState {
    let mut random = Random::new(revision.unsigned_abs());
    let peers: Vec<Peer> = (0..random.below(500))
        .map(|number| Peer {
            key: format!("node-{number}").into(),
            address: SocketAddress::Ip(([10, 0, 0, 7], 80).into()),
            server: "10.0.0.7:80".into(),
            parameters: Parameters { backup: random.one_in(5), ..Parameters::default() },
            own: OwnParameters::ALL,
            route: random.one_in(3).then(|| format!("route-{number}").into()),
            labels: Labels::of_pairs([("number", &*number.to_string())]),
            create_revision: revision,
            source: Source { priority: revision, ..Source::default() },
        })
        .collect();
    SavedState {
        cluster: "main".to_owned(),
        prefix: "/p/".to_owned(),
        cluster_id: 1,
        revision,
        peers: Arc::from(peers),
        settings: None,
    }
}

fn write(file: &Path) {
    let mut revision = load(file).expect("a whole file").map_or(0, |state| state.revision);
    loop {
        revision += 1;
        replace(file, &list(revision));
    }
}

fn replace(file: &Path, state: &SavedState) {
    let content = state.encode().expect("short");
    privileged_files::replace(file, &mut &content[..]).expect("replaced");
}

struct Writer(Child);

impl Writer {
    fn start(file: &Path) -> Self {
        let program = env::current_exe().expect("this program");
        Self(Command::new(program).env(FILE, file).spawn().expect("started"))
    }

    fn kill(&mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("reaped");
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn audit() {
    let folder = tempfile::tempdir().expect("a folder");
    let file: PathBuf = folder.path().join("peers");
    let mut random = Random::from_environment();
    let mut last = 0;
    let mut leftovers = 0;
    for round in 0..ROUNDS {
        let mut writer = Writer::start(&file);
        let deadline = Instant::now() + SOON;
        // It has read what its predecessor has left as soon as it has written itself.
        let revision = || load(&file).expect("a whole file").map_or(0, |state| state.revision);
        while revision() == last {
            assert!(
                writer.0.try_wait().expect("a child").is_none(),
                "round {round}: the writer has ended"
            );
            assert!(Instant::now() < deadline, "round {round}: nothing is written");
        }
        let end = Instant::now() + Duration::from_micros(random.below(LIFE));
        while Instant::now() < end {
            std::hint::spin_loop();
        }
        writer.kill();
        let state = load(&file).expect("a whole file").expect("a file");
        assert!(state.revision > last, "round {round}: {} after {last}", state.revision);
        assert_eq!(state, list(state.revision), "round {round}");
        last = state.revision;
        let beside = folder.path().read_dir().expect("a folder").count() - 1;
        assert!(beside <= 1, "round {round}: leftovers of the dead stay");
        leftovers += beside;
    }
    println!("{ROUNDS} writers killed, {leftovers} of them while they wrote, {last} lists written");
    assert!(leftovers > 0, "nobody was killed while they wrote");
    replace(&file, &list(last + 1));
    assert_eq!(folder.path().read_dir().expect("a folder").count(), 1);
}

fn main() {
    match env::var_os(FILE) {
        Some(file) => write(Path::new(&file)),
        None => {
            let audit = Trial::test("a_file_is_whole_wherever_its_writer_is_killed", || {
                audit();
                Ok(())
            });
            libtest_mimic::run(&Arguments::from_args(), vec![audit]).exit();
        }
    }
}
