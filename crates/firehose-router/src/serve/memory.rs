//! How much memory nginx's workers take, and how much there is: what a key in etcd asks for must
//! not end the router.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use nix::sys::resource::{Resource, getrlimit};

/// Bytes of a connection in each worker, also where it is not used: nginx's `ngx_connection_t`
/// (232) and two `ngx_event_t` (96 each), and what the module keeps for it.
const CONNECTION: u64 = 480;

/// Bytes of a worker beside its connections: what it writes to after its fork, with the watcher's
/// thread and some clients.
const WORKER: u64 = 4 << 20;

/// Addresses that a worker takes beside its connections: libraries, zones, and what malloc reserves
/// for each thread.
const ADDRESSES: u64 = 256 << 20;

/// What is left of the memory at hand for clients, buffers and the nodes' list: a fifth.
const SHARE: (u64, u64) = (4, 5);

/// What the workers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Workers {
    /// How many.
    pub(crate) processes: u64,
    /// The connections of each.
    pub(crate) connections: u64,
}

impl Workers {
    /// What they take together.
    pub(crate) fn bytes(self) -> u64 {
        self.processes
            .saturating_mul(WORKER.saturating_add(self.connections.saturating_mul(CONNECTION)))
    }
}

/// Memory that is at hand, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Room {
    bytes: u64,
    source: String,
}

/// Why the workers do not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TooMuch {
    workers: Workers,
    needed: u64,
    room: Room,
    is_each: bool,
}

impl fmt::Display for TooMuch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Workers { processes, connections } = self.workers;
        let (needed, room) = (self.needed >> 20, self.room.bytes >> 20);
        let source = &self.room.source;
        if self.is_each {
            write!(
                formatter,
                "a worker with {connections} connections takes some {needed} MiB, and {room} MiB \
                 are available for each ({source})"
            )
        } else {
            write!(
                formatter,
                "{processes} workers with {connections} connections each take some {needed} MiB, \
                 and {room} MiB are available ({source})"
            )
        }
    }
}

/// Looks whether these workers fit into the memory that is at hand beside those that run.
///
/// # Errors
///
/// Where they do not.
pub(crate) fn check(workers: Workers) -> Result<(), TooMuch> {
    fits(workers, &rooms(Path::new("/")), &limits())
}

fn fits(workers: Workers, rooms: &[Room], limits: &[Room]) -> Result<(), TooMuch> {
    let connections = workers.connections.saturating_mul(CONNECTION);
    let all = workers.bytes();
    let of_all = rooms.iter().map(|room| (room, all, room.bytes / SHARE.1 * SHARE.0, false));
    let each = ADDRESSES.saturating_add(connections);
    let of_each = limits.iter().map(|room| (room, each, room.bytes, true));
    let too_much = of_all.chain(of_each).find(|(_, needed, bytes, _)| needed > bytes);
    match too_much {
        Some((room, needed, bytes, is_each)) => {
            let room = Room { bytes, source: room.source.clone() };
            Err(TooMuch { workers, needed, room, is_each })
        }
        None => Ok(()),
    }
}

/// The limits of a process's addresses.
fn limits() -> Vec<Room> {
    let limits = [(Resource::RLIMIT_AS, "RLIMIT_AS"), (Resource::RLIMIT_DATA, "RLIMIT_DATA")];
    let limits = limits.into_iter().filter_map(|(resource, source)| {
        let (soft, _) = getrlimit(resource).ok()?;
        Some(Room { bytes: soft, source: source.to_owned() })
    });
    limits.collect()
}

/// The memory at hand: the machine's, and that of each control group that this process is in.
/// Nothing that cannot be read is a limit.
fn rooms(root: &Path) -> Vec<Room> {
    let mut rooms = Vec::new();
    if let Ok(text) = fs::read_to_string(root.join("proc/meminfo"))
        && let Some(kilobytes) = field(&text, "MemAvailable:")
    {
        rooms.push(Room {
            bytes: kilobytes << 10,
            source: "MemAvailable of /proc/meminfo".to_owned(),
        });
    }
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(number), Some(controllers), Some(path)) =
            (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let path = path.trim_start_matches('/');
        if number == "0" && controllers.is_empty() {
            let names = ["memory.max", "memory.current", "inactive_file"];
            // Where both versions are mounted the second has a folder of its own.
            for mount in ["sys/fs/cgroup", "sys/fs/cgroup/unified"] {
                rooms.extend(of_group(root, &root.join(mount), path, names));
            }
        } else if controllers.split(',').any(|controller| controller == "memory") {
            let names = ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"];
            rooms.extend(of_group(root, &root.join("sys/fs/cgroup/memory"), path, names));
        }
    }
    rooms
}

/// What is at hand in a control group, and in those that it is in. In a container the path may be
/// the host's: then the mount itself is the group.
fn of_group(root: &Path, mount: &Path, path: &str, [limit, used, cache]: [&str; 3]) -> Vec<Room> {
    let own = mount.join(path);
    let own: PathBuf = if own.join(limit).exists() { own } else { mount.to_owned() };
    let groups = own.ancestors().take_while(|group| group.starts_with(mount));
    let rooms = groups.filter_map(|group| {
        let number =
            |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
        // "max" is no number, and no limit.
        let (most, used) = (number(limit)?, number(used)?);
        let statistics = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
        // Files that nobody has read for a while are given up before anybody is killed.
        let cache = field(&statistics, cache).unwrap_or(0);
        let file = group.join(limit);
        let source =
            Path::new("/").join(file.strip_prefix(root).unwrap_or(&file)).display().to_string();
        Some(Room { bytes: most.saturating_sub(used.saturating_sub(cache)), source })
    });
    rooms.collect()
}

/// The number behind a name, in lines of names and numbers.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::{Room, Workers, fits, rooms};

    fn write(root: &Path, name: &str, text: &str) {
        let file = root.join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(file, text).expect("written");
    }

    fn megabytes(root: &Path) -> Vec<u64> {
        let mut all: Vec<u64> = rooms(root).iter().map(|room| room.bytes >> 20).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn the_machine_and_control_groups_of_both_versions() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        assert!(rooms(root).is_empty(), "nothing that cannot be read is a limit");
        write(root, "proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable:    1048576 kB\n");
        assert_eq!(megabytes(root), [1024]);
        write(root, "proc/self/cgroup", "0::/a/b\n");
        write(root, "sys/fs/cgroup/a/b/memory.max", "max\n");
        write(root, "sys/fs/cgroup/a/b/memory.current", "1\n");
        write(root, "sys/fs/cgroup/a/memory.max", "536870912\n");
        write(root, "sys/fs/cgroup/a/memory.current", "268435456\n");
        write(
            root,
            "sys/fs/cgroup/a/memory.stat",
            "anon 1\ninactive_file 134217728\nactive_file 7\n",
        );
        assert_eq!(megabytes(root), [384, 1024]);
        // As a container sees it, whose path is the host's.
        write(root, "proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/0123\n");
        write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600\n");
        write(root, "sys/fs/cgroup/memory/memory.usage_in_bytes", "52428800\n");
        assert_eq!(megabytes(root), [50, 1024]);
        assert!(
            rooms(root)
                .iter()
                .any(|room| room.source == "/sys/fs/cgroup/memory/memory.limit_in_bytes")
        );
    }

    #[test]
    fn the_product_counts_and_each_process_by_itself() {
        let room = |bytes| vec![Room { bytes, source: "x".to_owned() }];
        let workers = |processes, connections| Workers { processes, connections };
        assert_eq!(fits(workers(4, 4096), &room(128 << 20), &[]), Ok(()));
        for (processes, connections) in [(4, 1_000_000), (256, 4096), (u64::MAX, u64::MAX)] {
            let error =
                fits(workers(processes, connections), &room(512 << 20), &[]).expect_err("too many");
            assert!(error.to_string().contains(&format!("{processes} workers")), "{error}");
        }
        assert_eq!(fits(workers(1, 1_000_000), &room(1 << 30), &room(1 << 30)), Ok(()));
        let error =
            fits(workers(1, 1_000_000), &room(1 << 30), &room(600 << 20)).expect_err("too many");
        assert!(error.to_string().starts_with("a worker with 1000000 connections"), "{error}");
    }
}
