//! How many files nginx's processes open, and how many they may have: who has none left neither
//! connects to a node nor hears what the master says.

use std::{fmt, fs};

use nix::{
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::Pid,
};

use super::{memory::Workers, processes, settings::Setting};

/// Files of a worker beside its connections and its channels: 256 checks of nodes, and 64 for what
/// is etcd's, logs, and nginx's own.
const OWN: u64 = 256 + 64;

/// Files of a worker for each that is to run. Each new one has two of each worker that runs as it
/// begins, old ones among them, and keeps one.
const OF_EACH: u64 = 4;

/// What a process that runs may open while the next workers begin.
const RESERVE: u64 = 64;

/// The most that a process may have where nobody has set `fs.nr_open`.
const USUAL_MOST: u64 = 1 << 20;

/// The right to more files than the hard limit (capabilities(7)).
const CAP_SYS_RESOURCE: u32 = 24;

/// What may be had here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// What nginx has from this program: the master, and workers where `worker_rlimit_nofile` is
    /// not set.
    inherited: u64,
    /// What `worker_rlimit_nofile` may be.
    most: u64,
}

/// A worker that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Living {
    pid: Pid,
    open: u64,
    limit: u64,
}

/// Why settings leave a process with too few files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TooFew {
    /// Of a worker with all its connections.
    OfWorker { workers: Workers, limit: Option<u64>, limits: Limits },
    /// Of what `worker_rlimit_nofile` may be.
    ToBeHad { limit: u64, most: u64 },
    /// Of the master.
    OfMaster { workers: Workers, inherited: u64 },
    /// Beside workers that run already.
    Beside { running: u64, workers: Workers, needed: u64, has: u64, who: Who },
}

/// Whose files are too few beside workers that run already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Master,
    New,
    Old(Pid),
}

impl fmt::Display for TooFew {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, connections, processes) = (
            Setting::WorkerRlimitNofile.key(),
            Setting::WorkerConnections.key(),
            Setting::WorkerProcesses.key(),
        );
        match *self {
            Self::OfWorker { workers, limit, limits } => {
                let needed = needed(workers);
                let Workers { connections: of_each, processes: count } = workers;
                write!(
                    formatter,
                    "a worker may need {needed} files ({connections} {of_each}, {} for each of \
                     {processes} {count}, {OWN} of its own), and may have ",
                    OF_EACH
                )?;
                match limit {
                    Some(limit) => write!(formatter, "{limit} ({files})")?,
                    None => write!(formatter, "{} (RLIMIT_NOFILE)", limits.inherited)?,
                }
                if needed <= limits.most {
                    write!(formatter, ": {files} must be at least {needed}")
                } else {
                    let most = limits.most.saturating_sub(needed - of_each);
                    write!(
                        formatter,
                        ": {files} cannot be more than {} here, so that {connections} may be at \
                         most {most}",
                        limits.most
                    )
                }
            }
            Self::ToBeHad { limit, most } => write!(
                formatter,
                "no worker can have {limit} files here: {files} may be at most {most} \
                 (RLIMIT_NOFILE of this program)"
            ),
            Self::OfMaster { workers, inherited } => write!(
                formatter,
                "nginx's master needs {} files for {} workers, and may have {inherited} \
                 (RLIMIT_NOFILE): {processes} may be at most {}",
                of_master(workers.processes),
                workers.processes,
                inherited.saturating_sub(RESERVE) / OF_EACH
            ),
            Self::Beside { running, workers, needed, has, ref who } => {
                match who {
                    Who::Master => write!(formatter, "nginx's master")?,
                    Who::New => write!(formatter, "a new worker")?,
                    Who::Old(pid) => write!(formatter, "the worker {pid}")?,
                }
                write!(
                    formatter,
                    " would need {needed} files while {} workers begin beside the {running} that \
                     run, and may have {has}",
                    workers.processes
                )
            }
        }
    }
}

/// What a worker may need.
fn needed(workers: Workers) -> u64 {
    workers
        .connections
        .saturating_add(workers.processes.saturating_mul(OF_EACH))
        .saturating_add(OWN)
}

/// What the master needs for as many workers and as many old ones: both ends of each one's channel.
fn of_master(processes: u64) -> u64 {
    processes.saturating_mul(OF_EACH).saturating_add(RESERVE)
}

impl Limits {
    /// Those of this program, which has as many files as it may from now on, and so has nginx.
    pub(crate) fn raise() -> Self {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((USUAL_MOST, USUAL_MOST));
        let wanted = hard.min(USUAL_MOST).max(soft);
        let is_raised = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok();
        let inherited = if is_raised { wanted } else { soft };
        let most = if may_have_more() { nr_open() } else { hard };
        Self { inherited, most }
    }

    /// Looks whether the processes have files for what these settings allow; `limit` is
    /// `worker_rlimit_nofile`. Settings are not refused for what the defaults lack as well: with
    /// those there is a router in any case.
    ///
    /// # Errors
    ///
    /// Where they have not.
    pub(crate) fn check(
        self,
        workers: Workers,
        limit: Option<u64>,
        default: Workers,
    ) -> Result<(), TooFew> {
        if let Some(limit) = limit.filter(|&limit| limit > self.most) {
            return Err(TooFew::ToBeHad { limit, most: self.most });
        }
        let lacking = |workers, limit: Option<u64>| {
            needed(workers).saturating_sub(limit.unwrap_or(self.inherited))
        };
        if lacking(workers, limit) > lacking(default, None) {
            return Err(TooFew::OfWorker { workers, limit, limits: self });
        }
        let lacking =
            |workers: Workers| of_master(workers.processes).saturating_sub(self.inherited);
        if lacking(workers) > lacking(default) {
            return Err(TooFew::OfMaster { workers, inherited: self.inherited });
        }
        Ok(())
    }

    /// Says what is lacking though it is used, which is that of the defaults.
    pub(crate) fn lacking(self, workers: Workers, limit: Option<u64>) -> Option<TooFew> {
        (needed(workers) > limit.unwrap_or(self.inherited)).then_some(TooFew::OfWorker {
            workers,
            limit,
            limits: self,
        })
    }

    /// Looks whether such workers can begin beside those of this master, which have to hear of
    /// each.
    ///
    /// # Errors
    ///
    /// Where they cannot before some of those have ended.
    pub(crate) fn check_beside(
        self,
        master: Pid,
        workers: Workers,
        limit: Option<u64>,
    ) -> Result<(), TooFew> {
        self.beside(&living(master), workers, limit)
    }

    fn beside(self, living: &[Living], workers: Workers, limit: Option<u64>) -> Result<(), TooFew> {
        let running = living.len() as u64;
        let new = workers.processes;
        // Both ends of each channel until a worker has closed what is others'.
        let beginning = running.saturating_add(new).saturating_mul(2).saturating_add(RESERVE);
        let of_old =
            living.iter().map(|old| (Who::Old(old.pid), old.open + new + RESERVE, old.limit));
        let all = [
            (Who::Master, beginning, self.inherited),
            (Who::New, beginning, limit.unwrap_or(self.inherited)),
        ];
        match all.into_iter().chain(of_old).find(|(_, needed, has)| needed > has) {
            Some((who, needed, has)) => Err(TooFew::Beside { running, workers, needed, has, who }),
            None => Ok(()),
        }
    }
}

/// The workers of a master, also those that are shutting down.
fn living(master: Pid) -> Vec<Living> {
    let workers = processes::members(master).filter(|&pid| {
        processes::title(pid).is_some_and(|title| title.starts_with(processes::WORKER))
    });
    let counted = workers.map(|pid| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |files| files.count() as u64);
        let limit = fs::read_to_string(format!("/proc/{pid}/limits")).ok();
        // Nothing that cannot be read is a limit.
        let limit = limit.and_then(|limits| soft_limit(&limits)).unwrap_or(u64::MAX);
        Living { pid, open, limit }
    });
    counted.collect()
}

/// The limit that holds, in a `/proc/PID/limits`.
fn soft_limit(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// Whether a process of this program's may have more than its hard limit.
fn may_have_more() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let rights = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let rights = rights.and_then(|rights| u64::from_str_radix(rights.trim(), 16).ok());
    rights.is_some_and(|rights| rights >> CAP_SYS_RESOURCE & 1 == 1)
}

fn nr_open() -> u64 {
    let most = fs::read_to_string("/proc/sys/fs/nr_open");
    most.ok().and_then(|most| most.trim().parse().ok()).unwrap_or(USUAL_MOST)
}

#[cfg(test)]
mod tests {
    use nix::unistd::Pid;

    use super::{Limits, Living, TooFew, Who, Workers, soft_limit};

    const DEFAULT: Workers = Workers { processes: 4, connections: 4096 };

    const fn workers(processes: u64, connections: u64) -> Workers {
        Workers { processes, connections }
    }

    #[test]
    fn whichever_setting_changes_the_sum_counts() {
        let limits = Limits { inherited: 20_000, most: 20_000 };
        let check = |workers, limit| {
            limits.check(workers, limit, DEFAULT).map_err(|error| error.to_string())
        };
        assert_eq!(check(DEFAULT, None), Ok(()));
        assert_eq!(check(DEFAULT, Some(4432)), Ok(()));
        for (workers, limit, least) in
            [(DEFAULT, 4431, 4432), (workers(5, 4096), 4432, 4436), (workers(4, 4097), 4432, 4433)]
        {
            let said = check(workers, Some(limit)).expect_err("too few");
            for word in [
                &format!("worker_rlimit_nofile must be at least {least}"),
                "worker_connections",
                "worker_processes",
                &format!("{limit} (worker_rlimit_nofile)"),
            ] {
                assert!(said.contains(word), "{word:?} in {said:?}");
            }
        }
        let said = check(workers(4, 19_665), None).expect_err("too few");
        assert!(
            said.contains("20000 (RLIMIT_NOFILE)") && said.ends_with("at most 19664"),
            "{said}"
        );
        let said = check(DEFAULT, Some(20_001)).expect_err("too many");
        assert!(said.contains("at most 20000"), "{said}");
        let limits = Limits { inherited: 1000, most: 20_000 };
        let said =
            limits.check(workers(240, 32), Some(20_000), DEFAULT).expect_err("too few").to_string();
        assert!(said.contains("worker_processes may be at most 234"), "{said}");
    }

    #[test]
    fn what_the_defaults_lack_too_refuses_nothing() {
        let limits = Limits { inherited: 1024, most: 1024 };
        for (workers, limit, is_good) in [
            (DEFAULT, None, true),
            (DEFAULT, Some(1024), true),
            (workers(2, 2000), None, true),
            (workers(8, 4096), None, false),
            (DEFAULT, Some(1000), false),
        ] {
            assert_eq!(
                limits.check(workers, limit, DEFAULT).is_ok(),
                is_good,
                "{workers:?} {limit:?}"
            );
        }
        assert!(
            limits.lacking(DEFAULT, None).is_some()
                && limits.lacking(workers(4, 600), None).is_none()
        );
    }

    #[test]
    fn old_workers_must_be_able_to_hear_of_new_ones() {
        let limits = Limits { inherited: 1000, most: 20_000 };
        let old = |pid, open| Living { pid: Pid::from_raw(pid), open, limit: 368 };
        let who = |living: &[Living], processes, limit| match limits.beside(
            living,
            workers(processes, 32),
            limit,
        ) {
            Err(TooFew::Beside { who, .. }) => Some(who),
            _ => None,
        };
        assert_eq!(who(&[old(7, 50), old(8, 50)], 200, Some(2000)), None);
        assert_eq!(
            who(&[old(7, 50), old(8, 105)], 200, Some(2000)),
            Some(Who::Old(Pid::from_raw(8)))
        );
        assert_eq!(who(&[old(7, 50); 100], 4, Some(271)), Some(Who::New));
        assert_eq!(who(&[old(7, 50); 470], 4, Some(2000)), Some(Who::Master));
    }

    #[test]
    fn the_limit_that_holds() {
        let text = "\
            Limit                     Soft Limit           Hard Limit           Units     \n\
            Max processes             96000                96000                processes \n\
            Max open files            1024                 524288               files     \n";
        assert_eq!(soft_limit(text), Some(1024));
        assert_eq!(soft_limit("Max processes 1 1\n"), None);
    }
}
