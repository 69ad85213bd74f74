//! What several followers of one cluster report of an outage, in as few messages as say it.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};

use crate::messages;
use crate::update::Cause;

/// How long reports that keys cannot be watched wait for those of other keys. All follow one
/// connection, so that most come in the same moment.
const LOST_WINDOW: Duration = Duration::from_secs(1);

/// How long reports of an outage that goes on, or ends, wait for those of other keys that are lost:
/// as long as the longest wait before an attempt.
const LATER_WINDOW: Duration = Duration::from_secs(5);

/// As many keys and prefixes as a message names; it counts the others.
const MAX_NAMED: usize = 4;

/// What is followed: a prefix, or a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// How messages call it: `prefix "/a/"`.
    pub keys: String,
    /// What its keys are, in the plural: `peers`.
    pub noun: &'static str,
}

/// What a follower reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutageReport {
    /// The keys cannot be watched.
    Lost {
        /// The keys.
        watched: Watched,
        /// This was reported before, for another reason.
        is_still: bool,
        /// As in [`Update::Lost`](crate::Update::Lost).
        cause: Cause,
        /// Likewise.
        reason: String,
    },
    /// The keys are watched again.
    Restored {
        /// The keys.
        watched: Watched,
        /// The revision from which they are watched.
        revision: i64,
    },
}

/// A message for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutageMessage {
    /// Whether keys cannot be watched; otherwise they are watched again.
    pub is_lost: bool,
    /// The text, in one line.
    pub text: String,
}

/// Logs what is reported until all senders are gone: one message for all keys to which the same
/// happens at about the same time.
pub async fn log_outages(
    mut reports: UnboundedReceiver<OutageReport>,
    mut log: impl FnMut(OutageMessage),
) {
    let mut gathered = Gathered::default();
    while let Some(report) = reports.recv().await {
        let began = Instant::now();
        gathered.add(report);
        while !gathered.is_complete() {
            match timeout_at(began + gathered.window(), reports.recv()).await {
                Ok(Some(report)) => gathered.add(report),
                Ok(None) | Err(_) => break,
            }
        }
        gathered.take_messages().into_iter().for_each(&mut log);
    }
}

/// Reports that are to be logged, and which keys are lost.
#[derive(Debug, Default)]
struct Gathered {
    groups: Vec<Group>,
    lost: BTreeSet<String>,
}

/// Reports that one message is made of.
#[derive(Debug)]
struct Group {
    first: OutageReport,
    watched: Vec<Watched>,
}

impl Gathered {
    fn add(&mut self, report: OutageReport) {
        let watched = match &report {
            OutageReport::Lost { watched, .. } => {
                self.lost.insert(watched.keys.clone());
                watched.clone()
            }
            OutageReport::Restored { watched, .. } => {
                self.lost.remove(&watched.keys);
                watched.clone()
            }
        };
        match self.groups.iter_mut().find(|group| is_alike(&group.first, &report)) {
            Some(group) => group.watched.push(watched),
            None => self.groups.push(Group { first: report, watched: vec![watched] }),
        }
    }

    /// Whether there is nothing to wait for: all that was lost is watched again.
    fn is_complete(&self) -> bool {
        self.lost.is_empty()
    }

    fn window(&self) -> Duration {
        let begins = self
            .groups
            .iter()
            .any(|group| matches!(group.first, OutageReport::Lost { is_still: false, .. }));
        if begins { LOST_WINDOW } else { LATER_WINDOW }
    }

    fn take_messages(&mut self) -> Vec<OutageMessage> {
        std::mem::take(&mut self.groups).iter().map(Group::message).collect()
    }
}

impl Group {
    fn message(&self) -> OutageMessage {
        let keys = self.keys();
        match &self.first {
            OutageReport::Lost { is_still, cause, reason, .. } => OutageMessage {
                is_lost: true,
                text: messages::lost(&keys, *is_still, *cause, reason, &self.nouns()),
            },
            OutageReport::Restored { revision, .. } => {
                OutageMessage { is_lost: false, text: messages::restored(&keys, *revision) }
            }
        }
    }

    /// `prefix "/a/", key "/b" and 3 more`.
    fn keys(&self) -> String {
        let names: Vec<&str> = self.watched.iter().map(|watched| watched.keys.as_str()).collect();
        match names.len() {
            count if count > MAX_NAMED => {
                format!("{} and {} more", names[..MAX_NAMED].join(", "), count - MAX_NAMED)
            }
            _ => enumerate(&names),
        }
    }

    /// `peers and values`.
    fn nouns(&self) -> String {
        let mut nouns: Vec<&str> = Vec::new();
        for Watched { noun, .. } in &self.watched {
            if !nouns.contains(noun) {
                nouns.push(noun);
            }
        }
        enumerate(&nouns)
    }
}

/// `a`, `a and b`, `a, b and c`.
fn enumerate(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

/// Whether one message can say both.
fn is_alike(one: &OutageReport, other: &OutageReport) -> bool {
    match (one, other) {
        (
            OutageReport::Lost { is_still, cause, reason, .. },
            OutageReport::Lost {
                is_still: other_still,
                cause: other_cause,
                reason: other_reason,
                ..
            },
        ) => {
            is_still == other_still
                && cause == other_cause
                && advice(reason) == advice(other_reason)
        }
        (OutageReport::Restored { .. }, OutageReport::Restored { .. }) => true,
        _ => false,
    }
}

/// What is wrong and what mends it, without what the failed call said, which differs from one key
/// to the next: see [`reason`](crate::advice::reason).
fn advice(reason: &str) -> &str {
    reason.split_once(" (").map_or(reason, |(advice, _)| advice)
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;
    use tokio::time::advance;

    use super::{LATER_WINDOW, LOST_WINDOW, OutageMessage, OutageReport, Watched, log_outages};
    use crate::update::Cause;

    fn watched(keys: &str, noun: &'static str) -> Watched {
        Watched { keys: keys.to_owned(), noun }
    }

    fn lost(keys: &str, noun: &'static str, reason: &str) -> OutageReport {
        let (watched, reason) = (watched(keys, noun), reason.to_owned());
        OutageReport::Lost { watched, is_still: false, cause: Cause::Unreachable, reason }
    }

    fn restored(keys: &str, revision: i64) -> OutageReport {
        OutageReport::Restored { watched: watched(keys, "peers"), revision }
    }

    /// The messages about reports that come so many milliseconds after each other.
    async fn messages(reports: Vec<(u64, OutageReport)>) -> Vec<String> {
        let (sender, receiver) = unbounded_channel();
        let sending = async move {
            for (wait, report) in reports {
                tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
                sender.send(report).expect("received");
            }
        };
        let mut logged = Vec::new();
        let logging = log_outages(receiver, |OutageMessage { is_lost, text }| {
            assert_eq!(is_lost, text.contains("cannot watch"), "{text}");
            logged.push(text);
        });
        tokio::join!(sending, logging);
        logged
    }

    #[tokio::test(start_paused = true)]
    async fn one_outage_of_many_keys_is_two_messages() {
        let reason = |call: &str| format!("nothing listens at http://e: start etcd ({call}: no)");
        let mut reports = vec![
            (0, lost("prefix \"/a/\"", "peers", &reason("watch"))),
            (10, lost("key \"/b\"", "values", &reason("list"))),
        ];
        let others = ["\"/c/\"", "\"/d/\"", "\"/e/\"", "\"/f/\""];
        for prefix in others {
            reports.push((5, lost(&format!("prefix {prefix}"), "peers", &reason("watch"))));
        }
        reports.push((60_000, restored("prefix \"/a/\"", 7)));
        reports.push((1_500, restored("key \"/b\"", 8)));
        for prefix in others {
            reports.push((200, restored(&format!("prefix {prefix}"), 8)));
        }
        assert_eq!(
            messages(reports).await,
            [
                "cannot watch prefix \"/a/\", key \"/b\", prefix \"/c/\", prefix \"/d/\" and 2 \
                 more (unreachable: nothing listens at http://e: start etcd (watch: no)); current \
                 peers and values are kept",
                "watching prefix \"/a/\", key \"/b\", prefix \"/c/\", prefix \"/d/\" and 2 more \
                 again at revision 7",
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn another_reason_is_another_message() {
        let reports = vec![
            (0, lost("prefix \"/a/\"", "peers", "nothing listens at http://e (list: no)")),
            (0, lost("key \"/b\"", "values", "permission denied (list: no)")),
        ];
        assert_eq!(
            messages(reports).await,
            [
                "cannot watch prefix \"/a/\" (unreachable: nothing listens at http://e (list: \
                 no)); current peers are kept",
                "cannot watch key \"/b\" (unreachable: permission denied (list: no)); current \
                 values are kept",
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_waits_for_others_no_longer_than_the_window() {
        let (sender, receiver) = unbounded_channel();
        let (logged, mut texts) = unbounded_channel();
        tokio::spawn(log_outages(receiver, move |message| {
            logged.send(message.text).expect("received");
        }));
        sender.send(lost("prefix \"/a/\"", "peers", "why")).expect("received");
        sender.send(lost("prefix \"/b/\"", "peers", "why")).expect("received");
        advance(LOST_WINDOW / 2).await;
        assert!(texts.try_recv().is_err());
        advance(LOST_WINDOW).await;
        let text = texts.recv().await.expect("a message");
        assert!(text.contains("prefix \"/a/\" and prefix \"/b/\""), "{text}");
        // One of both comes back, the other does not.
        sender.send(restored("prefix \"/b/\"", 5)).expect("received");
        advance(LATER_WINDOW / 2).await;
        assert!(texts.try_recv().is_err());
        advance(LATER_WINDOW).await;
        let text = texts.recv().await.expect("a message");
        assert_eq!(text, "watching prefix \"/b/\" again at revision 5");
    }

    #[tokio::test(start_paused = true)]
    async fn another_reason_of_all_keys_is_one_message() {
        let still = |keys: &str| match lost(keys, "peers", "no quorum") {
            OutageReport::Lost { watched, cause, reason, .. } => {
                OutageReport::Lost { watched, is_still: true, cause, reason }
            }
            report => report,
        };
        let (a, b) = ("prefix \"/a/\"", "prefix \"/b/\"");
        let reports = vec![
            (0, lost(a, "peers", "why")),
            (0, lost(b, "peers", "why")),
            (11_000, still(a)),
            (2_500, still(b)),
        ];
        let messages = messages(reports).await;
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert!(messages[1].starts_with("still cannot watch prefix \"/a/\" and"), "{messages:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_gathered_is_logged_if_the_followers_end() {
        assert_eq!(messages(vec![(0, lost("key \"/b\"", "values", "why"))]).await.len(), 1);
    }
}
