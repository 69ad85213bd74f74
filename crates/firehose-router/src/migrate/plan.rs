//! What is to be written: by what the one side has and the other has not.

use std::collections::BTreeMap;

use etcd_watch::Item;
use upstream_peers::{Reading, parse_value};

use crate::serve::judge_setting;

/// Below the prefix: the settings.
const SETTINGS: &str = "nginx/";

/// Below the prefix: who may publish.
pub(super) const PUT_ALLOW: &str = "nginx/put_allow/";

/// Below the prefix: the nodes.
const NODES: &str = "upstream/";

/// Below the prefix: those that stand for a directory, whatever their value is.
const DIRECTORIES: [&str; 3] = [SETTINGS, NODES, PUT_ALLOW];

/// Characters of a value that a line shows.
const SHOWN: usize = 60;

/// How long a key is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Unlimited,
    /// v2: it goes by itself after so many seconds.
    Seconds(i64),
    /// v3: it goes with its lease.
    Lease,
    /// v2: it is no key, but a directory without one.
    Directory,
}

/// A key that is to be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Below the prefix.
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) life: Life,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MigrationStep {
    /// It is written where it is at this revision; 0: where there is none.
    Put { at: i64 },
    /// It is there already.
    Same,
    /// It is there with another value, which stays.
    Differs { there: String },
    /// It is not copied, for this reason.
    Skip(String),
}

/// A key that is to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Put<'a> {
    pub(super) entry: &'a Entry,
    /// The revision at which it was seen; 0: it was not there.
    pub(super) at: i64,
}

/// All keys with what becomes of each.
#[derive(Debug)]
pub(super) struct Plan(Vec<(Entry, MigrationStep)>);

impl From<Item> for Entry {
    fn from(item: Item) -> Self {
        let life = if item.lease == 0 { Life::Unlimited } else { Life::Lease };
        Self { key: item.key, value: item.value, life }
    }
}

impl Entry {
    /// Its key and its value, as a line shows them.
    pub(super) fn shown(&self) -> String {
        format!("{} = {}", escaped(&self.key), excerpt(&self.value))
    }

    /// Whether it is where the router reads.
    fn is_read(&self) -> bool {
        [SETTINGS, NODES].iter().any(|part| self.key.starts_with(part.as_bytes()))
    }

    /// Whether it stands for a directory only: programs of v3 write such keys, as v3 itself has no
    /// directories.
    fn is_marker(&self) -> bool {
        let is_directory = DIRECTORIES.iter().any(|directory| self.key == directory.as_bytes());
        is_directory || self.key.ends_with(b"/") && self.value.is_empty()
    }

    /// Whether it is a setting or a node.
    pub(super) fn is_routers(&self) -> bool {
        self.is_read() && self.life != Life::Directory && !self.is_marker()
    }

    /// Why the router would not take it, if it would not.
    fn complaint(&self) -> Option<String> {
        let key = String::from_utf8_lossy(&self.key);
        if let Some(setting) = key.strip_prefix(SETTINGS) {
            return judge_setting(setting, &self.value).err();
        }
        let node = key.strip_prefix(NODES)?;
        let content = parse_value(node, &self.value, &Reading::default());
        content.err().map(|error| error.to_string())
    }
}

impl Plan {
    /// Compares what is to be copied with what is there.
    pub(super) fn new(entries: Vec<Entry>, there: &[Item], overwrites: bool) -> Self {
        let there: BTreeMap<_, _> = there.iter().map(|item| (&item.key[..], item)).collect();
        let mut steps: Vec<_> = entries
            .into_iter()
            .map(|entry| {
                let step = step(&entry, there.get(&entry.key[..]).copied(), overwrites);
                (entry, step)
            })
            .collect();
        steps.sort_by(|(one, _), (other, _)| one.key.cmp(&other.key));
        Self(steps)
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = &(Entry, MigrationStep)> {
        self.0.iter()
    }

    /// What is to be written.
    pub(super) fn puts(&self) -> impl Iterator<Item = Put<'_>> {
        self.0.iter().filter_map(|(entry, step)| match step {
            MigrationStep::Put { at } => Some(Put { entry, at: *at }),
            _ => None,
        })
    }

    /// A line for each key, and one more where the router would not take it.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.0
            .iter()
            .flat_map(|(entry, step)| {
                let (word, reason) = match step {
                    MigrationStep::Put { at: 0 } => ("put    ", String::new()),
                    MigrationStep::Put { .. } => ("replace", String::new()),
                    MigrationStep::Same => ("same   ", String::new()),
                    MigrationStep::Differs { there } => (
                        "differs",
                        format!(", there {there}, which stays (use --overwrite to replace it)"),
                    ),
                    MigrationStep::Skip(reason) => ("skip   ", format!(": {reason}")),
                };
                let complaint = match step {
                    MigrationStep::Skip(_) => None,
                    _ => entry.complaint(),
                };
                let line = format!("{word} {}{reason}", entry.shown());
                [
                    Some(line),
                    complaint.map(|said| format!("        the router would reject it: {said}")),
                ]
            })
            .flatten()
    }

    fn count(&self, is_it: impl Fn(&MigrationStep) -> bool) -> usize {
        self.0.iter().filter(|(_, step)| is_it(step)).count()
    }

    /// How many of which.
    pub(super) fn summary(&self) -> String {
        format!(
            "{} to write, {} there already, {} there with another value, {} not copied",
            self.count(|step| matches!(step, MigrationStep::Put { .. })),
            self.count(|step| *step == MigrationStep::Same),
            self.count(|step| matches!(step, MigrationStep::Differs { .. })),
            self.count(|step| matches!(step, MigrationStep::Skip(_))),
        )
    }

    /// The same once all is written.
    pub(super) fn comparison(&self) -> String {
        format!(
            "{} the same, {} missing, {} with another value, {} not copied",
            self.count(|step| *step == MigrationStep::Same),
            self.count(|step| matches!(step, MigrationStep::Put { .. })),
            self.count(|step| matches!(step, MigrationStep::Differs { .. })),
            self.count(|step| matches!(step, MigrationStep::Skip(_))),
        )
    }

    /// Whether the source names who may publish, and nothing of it would be at the target, so that
    /// everybody might.
    pub(super) fn opens_publishing(&self, there: &[Item]) -> bool {
        let named =
            self.0.iter().filter(|(entry, _)| limits(&entry.key) && entry.life != Life::Directory);
        let mut skipped = named.map(|(_, step)| matches!(step, MigrationStep::Skip(_))).peekable();
        skipped.peek().is_some()
            && skipped.all(|skipped| skipped)
            && !there.iter().any(|item| limits(&item.key))
    }

    /// Whether all is there that should be.
    pub(super) fn is_complete(&self) -> bool {
        self.0.iter().all(|(_, step)| matches!(step, MigrationStep::Same | MigrationStep::Skip(_)))
    }
}

/// Whether not everybody may publish where there is this key. The directory itself is none: it
/// names nobody.
fn limits(key: &[u8]) -> bool {
    let directory = PUT_ALLOW.as_bytes();
    key.starts_with(directory) && key != directory || directory.strip_suffix(b"/") == Some(key)
}

fn step(entry: &Entry, there: Option<&Item>, overwrites: bool) -> MigrationStep {
    match entry.life {
        _ if !entry.is_read() => {
            return MigrationStep::Skip("the router does not read this key".to_owned());
        }
        Life::Directory if entry.key == PUT_ALLOW.as_bytes() => {
            return MigrationStep::Skip("an empty directory: everybody may publish".to_owned());
        }
        Life::Directory => {
            return MigrationStep::Skip("an empty directory".to_owned());
        }
        _ if entry.key == PUT_ALLOW.as_bytes() => {
            return MigrationStep::Skip("a directory marker, which names no network".to_owned());
        }
        _ if entry.is_marker() => {
            return MigrationStep::Skip("a directory marker, which the router rejects".to_owned());
        }
        Life::Seconds(left) => {
            return MigrationStep::Skip(format!(
                "it expires in {left} s; its owner (firehose-router announce) must write it to \
                 the new etcd"
            ));
        }
        Life::Lease => {
            return MigrationStep::Skip(
                "it expires with its lease; its owner (firehose-router announce) must write it to \
                 the new etcd"
                    .to_owned(),
            );
        }
        Life::Unlimited => {}
    }
    match there {
        None => MigrationStep::Put { at: 0 },
        Some(item) if item.value == entry.value => MigrationStep::Same,
        Some(item) if overwrites => MigrationStep::Put { at: item.mod_revision },
        Some(item) => MigrationStep::Differs { there: excerpt(&item.value) },
    }
}

/// What came from outside, fit for a line.
fn escaped(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).escape_debug().collect()
}

fn excerpt(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    let more = if text.chars().nth(SHOWN).is_some() { "..." } else { "" };
    format!("\"{shown}{more}\"")
}

#[cfg(test)]
mod tests {
    use etcd_watch::Item;

    use super::{Entry, Life, MigrationStep, Plan};

    fn entry(key: &str, value: &str, life: Life) -> Entry {
        Entry { key: key.into(), value: value.into(), life }
    }

    fn item(key: &str, value: &str) -> Item {
        Item { key: key.into(), value: value.into(), create_revision: 1, mod_revision: 7, lease: 0 }
    }

    #[test]
    fn steps_say_what_becomes_of_each_key() {
        let entries = vec![
            entry("nginx/balance", "ip_hash", Life::Unlimited),
            entry("nginx/max_conns", "5", Life::Unlimited),
            entry("nginx/put_allow/", "", Life::Directory),
            entry("nginx/put_allow/office", "10.0.0.0/8", Life::Unlimited),
            entry("upstream/a", "10.0.0.1:80", Life::Seconds(43)),
            entry("upstream/b", "10.0.0.2:80", Life::Lease),
            entry("instance/a", "x", Life::Unlimited),
            entry("upstream/", "", Life::Unlimited),
            entry("upstream/eu/", "", Life::Unlimited),
            entry("upstream/eu/c", "10.0.0.3:80", Life::Lease),
        ];
        let there = [
            item("nginx/balance", "ip_hash"),
            item("nginx/max_conns", "7"),
            item("nginx/other", "1"),
        ];
        let plan = Plan::new(entries.clone(), &there, false);
        let steps: Vec<_> =
            plan.steps().map(|(entry, step)| (&entry.key[..], step.clone())).collect();
        assert!(matches!(&steps[0], (b"instance/a", MigrationStep::Skip(_))), "{steps:?}");
        assert_eq!(steps[1], (&b"nginx/balance"[..], MigrationStep::Same));
        assert_eq!(steps[2].1, MigrationStep::Differs { there: "\"7\"".to_owned() });
        assert!(matches!(steps[3].1, MigrationStep::Skip(_)));
        assert_eq!(steps[4].1, MigrationStep::Put { at: 0 });
        assert!(matches!(&steps[5].1, MigrationStep::Skip(reason) if reason.contains("directory")));
        assert!(matches!(&steps[6].1, MigrationStep::Skip(reason) if reason.contains("43 s")));
        assert!(
            steps[5..].iter().all(|(_, step)| matches!(step, MigrationStep::Skip(_))),
            "{steps:?}"
        );
        assert!(!plan.is_complete() && plan.puts().count() == 1);
        let plan = Plan::new(entries, &there, true);
        assert_eq!(plan.puts().map(|put| put.at).collect::<Vec<_>>(), [7, 0]);
    }

    #[test]
    fn publishing_is_not_opened_by_what_is_left_out() {
        let (kept, left_out) = (Life::Unlimited, Life::Seconds(9));
        let office = |life| entry("nginx/put_allow/office", "10.0.0.0/8", life);
        let (other, there) =
            (entry("nginx/put_allow/other", "::1", kept), item("nginx/put_allow/x", "::1"));
        let opens = |entries: &[Entry], there: &[Item]| {
            Plan::new(entries.to_vec(), there, false).opens_publishing(there)
        };
        assert!(opens(&[office(left_out)], &[]));
        assert!(!opens(&[office(left_out)], &[there]) && !opens(&[office(left_out), other], &[]));
        assert!(!opens(&[office(kept)], &[]) && !opens(&[], &[]));
        assert!(!opens(&[entry("nginx/put_allow/", "", Life::Directory)], &[]));
        // The directory itself names nobody, on neither side, and each other key says that not
        // everybody may.
        for value in ["", "10.0.0.0/8"] {
            let directory = entry("nginx/put_allow/", value, kept);
            assert!(!opens(std::slice::from_ref(&directory), &[]));
            let plan = Plan::new(vec![directory.clone()], &[], false);
            assert!(matches!(plan.steps().next(), Some((_, MigrationStep::Skip(_)))), "{plan:?}");
            assert!(opens(&[directory, office(left_out)], &[item("nginx/put_allow/", value)]));
        }
        assert!(opens(&[entry("nginx/put_allow/lan/", "", kept)], &[]));
        assert!(opens(&[entry("nginx/put_allow", "", Life::Lease)], &[]));
        assert!(!opens(&[office(Life::Lease)], &[item("nginx/put_allow", "")]));
    }

    #[test]
    fn what_is_the_routers() {
        for (key, value, life, is) in [
            ("nginx/balance", "ip_hash", Life::Unlimited, true),
            ("upstream/a", "10.0.0.1:80", Life::Lease, true),
            ("upstream/a/", "10.0.0.1:80", Life::Unlimited, true),
            ("upstream/", "x", Life::Unlimited, false),
            ("nginx/", "", Life::Unlimited, false),
            ("nginx/put_allow/", "", Life::Directory, false),
            ("firehose/nginx/balance", "ip_hash", Life::Unlimited, false),
        ] {
            assert_eq!(entry(key, value, life).is_routers(), is, "{key}");
        }
    }

    #[test]
    fn what_the_router_would_not_take_is_said_and_fit_for_a_line() {
        for (key, value) in [
            ("nginx/worker_processes", "many"),
            ("nginx/colour", "red"),
            ("nginx/put_allow", ""),
            ("nginx/accept_proxy", ""),
            ("nginx/max_conns", "many"),
            ("nginx/put_allow/office", "10.0.0.0/99"),
            ("upstream/a", "\u{1b}[31m"),
        ] {
            let plan = Plan::new(vec![entry(key, value, Life::Unlimited)], &[], false);
            let lines: Vec<_> = plan.lines().collect();
            assert!(lines.len() == 2 && lines[1].contains("would reject it"), "{lines:?}");
            // Whole: nothing of a line that has the key before it.
            assert!(
                lines[1].matches('"').count() % 2 == 0 && !lines[1].contains("rejected"),
                "{lines:?}"
            );
            assert!(!lines.concat().contains(char::is_control), "{lines:?}");
        }
        for (key, value) in
            [("nginx/max_conns", "5"), ("upstream/a", "10.0.0.1:80"), ("nginx/put_allow/::1", "")]
        {
            let plan = Plan::new(vec![entry(key, value, Life::Unlimited)], &[], false);
            assert_eq!(plan.lines().count(), 1, "{key}");
        }
    }
}
