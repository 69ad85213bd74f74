//! The memory that all processes of the test share: what they say to each other, the lease, and the
//! zone.

use std::{
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    ptr::NonNull,
    sync::atomic::{AtomicU32, AtomicU64},
    time::{Duration, Instant},
};

use peer_zone::{Capacity, Parameters, PeerSpec, Process, Zone, protocol::Lease};

use crate::random::Random;

/// In the environment of a process that was started by this program: what it is to do.
pub const ROLE: &str = "PEER_ZONE_ROLE";
/// The file descriptor of the memory.
pub const FILE: &str = "PEER_ZONE_FILE";
/// Set if peers are in groups.
pub const GROUPED: &str = "PEER_ZONE_GROUPED";
/// Where its random numbers start.
pub const ROLE_SEED: &str = "PEER_ZONE_SEED";

pub const WORKERS: usize = 5;
/// Entries of the auditing process, with the columns that belong to them: of the 8 that a zone for
/// few workers has, two are left.
pub const OCCUPIED: usize = 6;
/// One more than there are at a time: who comes for a process that was killed often has to take the
/// entry of that one.
const CAPACITY: Capacity = Capacity { workers: 3, processes: (OCCUPIED + WORKERS) as u32 + 1 };
/// Requests that a worker has open at most.
pub const HELD: usize = 8;
/// In [`WorkerControl::held`]: no id reaches as far up.
pub const UPGRADED: u64 = 1 << 63;
pub const ZONE: usize = 1 << 20;
/// Control and lease lie before the zone, which is aligned to a page.
const BEFORE: usize = 4096;
/// Longer than any step takes on a busy machine.
pub const ENTRY_TIMEOUT: Duration = Duration::from_secs(60);

#[repr(C)]
pub struct Control {
    pub lease: Lease,
    /// The serial number of the list that is being published, and that of the last one that was.
    pub asked: AtomicU64,
    pub published: AtomicU64,
    /// Counted up by the publisher with each of its steps.
    pub steps: AtomicU64,
    /// While odd, workers stand still.
    pub pause: AtomicU32,
    pub workers: [WorkerControl; WORKERS],
}

#[repr(C)]
pub struct WorkerControl {
    /// The pause at which it stands still.
    pub paused: AtomicU32,
    pub picks: AtomicU64,
    /// Ids of the peers that it holds while it stands still, with [`UPGRADED`] where that is so; 0
    /// for none.
    pub held: [AtomicU64; HELD],
}

pub struct Shared {
    pub file: OwnedFd,
    base: NonNull<u8>,
    pub zone: Zone,
}

impl Shared {
    pub fn create() -> Self {
        // SAFETY: the name is a C string. Without MFD_CLOEXEC the children inherit it.
        let file = unsafe { libc::memfd_create(c"peer-zone".as_ptr(), 0) };
        assert!(file >= 0, "memfd_create: {}", std::io::Error::last_os_error());
        // SAFETY: it was just opened, and is nobody else's.
        let file = unsafe { OwnedFd::from_raw_fd(file) };
        // SAFETY: it is an open file.
        assert_eq!(unsafe { libc::ftruncate(file.as_raw_fd(), (BEFORE + ZONE) as libc::off_t) }, 0);
        let base = map(&file);
        // SAFETY: within the mapping, which stays until the process ends, and nobody else has it
        // yet.
        let zone = unsafe { Zone::format(base.add(BEFORE), ZONE, CAPACITY) }.expect("large enough");
        Self { file, base, zone }
    }

    pub fn inherit() -> Self {
        let file: RawFd = std::env::var(FILE).expect("set").parse().expect("a number");
        // SAFETY: it was inherited for this, and is used for nothing else.
        let file = unsafe { OwnedFd::from_raw_fd(file) };
        let base = map(&file);
        // SAFETY: within the mapping, which stays until the process ends.
        let zone = unsafe { Zone::attach(base.add(BEFORE), ZONE) }.expect("a zone");
        Self { file, base, zone }
    }

    pub fn control(&self) -> &Control {
        const { assert!(size_of::<Control>() <= BEFORE) };
        // SAFETY: it lies at the start of the mapping, consists of atomics, and zeroes are a valid
        // one.
        unsafe { self.base.cast().as_ref() }
    }
}

fn map(file: &OwnedFd) -> NonNull<u8> {
    // SAFETY: a new mapping of a file that is open.
    let base = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            BEFORE + ZONE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    assert!(base != libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
    NonNull::new(base.cast()).expect("not at 0")
}

/// Whether peers are in groups, for a process that this program has started.
pub fn is_grouped() -> bool {
    std::env::var(GROUPED).is_ok()
}

/// The names of the groups that peers may be in; an empty one is none.
pub const GROUPS: [&str; 4] = ["", "blue", "green", "a name that is not short"];

/// The list that goes by this serial number.
pub fn list(serial: u64, is_grouped: bool) -> Vec<PeerSpec> {
    let mut random = Random::new(serial);
    let peers = 1 + random.below(40);
    let mut peers: Vec<PeerSpec> =
        (0..peers).map(|_| peer(random.below(60), &mut random, is_grouped)).collect();
    peers.sort_by(|one, other| one.key.cmp(&other.key));
    peers.dedup_by(|one, other| one.key == other.key);
    peers
}

fn peer(number: u64, random: &mut Random, is_grouped: bool) -> PeerSpec {
    let text = format!("{number}:{}", "k".repeat(number as usize * 7 % 150));
    PeerSpec {
        key: Some(text.as_str().into()),
        socket_address: format!("address of {text}").into_bytes().into(),
        name: format!("name of {text}").into(),
        // Some share one, as the addresses of a host name do.
        server: format!("server {}", number / 3).into(),
        sticky: number,
        route: random.one_in(3).then(|| format!("route {}", random.below(9)).into()),
        labels: random.one_in(3).then(|| format!("{{\"a\":\"{}\"}}", random.below(99)).into()),
        source: random.one_in(3).then(|| format!("source {}", random.below(99)).into()),
        group: Some(GROUPS[random.below(GROUPS.len() as u64) as usize])
            .filter(|name| is_grouped && !name.is_empty())
            .map(Into::into),
        create_revision: number,
        joined: 0,
        parameters: Parameters {
            weight: 1 + random.below(3) as u32,
            max_conns: random.below(2) as u32 * 20,
            max_fails: 1,
            fail_timeout: 1,
            slow_start: 0,
            backup: random.one_in(5),
            down: false,
            drain: false,
        },
    }
}

/// Whether a peer's strings are those of one peer.
pub fn is_whole(key: Option<&[u8]>, socket_address: &[u8], name: &[u8]) -> bool {
    key.is_some_and(|key| {
        socket_address.strip_prefix(b"address of ") == Some(key)
            && name.strip_prefix(b"name of ") == Some(key)
    })
}

/// When the process was started (clock ticks since boot); `None` where it is dead.
pub fn start_of(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?.parse().ok()?;
    (state != "Z" && state != "X").then_some(start)
}

/// This process.
pub fn own_process() -> Process {
    let id = std::process::id();
    Process::new(id, start_of(id).expect("this process lives"))
}

pub fn is_alive(process: Process) -> bool {
    start_of(process.id()).is_some_and(|started| process.may_have_started(started))
}

/// Waits until `condition` holds.
pub fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + ENTRY_TIMEOUT;
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::yield_now();
    }
}
