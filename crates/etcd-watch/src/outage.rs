//! What is told of an outage, and when: its beginning, and what keeps it from ending where that
//! changes.

use std::time::Duration;

use tokio::time::Instant;

use crate::trouble::{Kind, Trouble};
use crate::update::Cause;

/// After how long an outage is told of again whose trouble is another one than what was told, but
/// not one that somebody must mend elsewhere than the one told. Doubled each time, so that
/// endpoints which fail each in its own way do not fill a log.
const FIRST_REPEAT_PAUSE: Duration = Duration::from_secs(10);

/// The longest such time.
const LONGEST_REPEAT_PAUSE: Duration = Duration::from_secs(600);

/// As many topics as an outage has at most; there are fewer kinds, and a file is seldom wrong in
/// more than three ways.
const MAX_TOPICS: usize = 64;

/// What trouble is about. Etcd's words differ from attempt to attempt and from endpoint to
/// endpoint; those about a file are what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Topic {
    kind: Kind,
    file: Option<String>,
}

impl Topic {
    fn of(trouble: &Trouble) -> Self {
        let kind = trouble.kind;
        Self { kind, file: (kind == Kind::File).then(|| trouble.said.clone()) }
    }
}

/// An outage that goes on.
#[derive(Debug)]
pub(crate) struct Outage {
    /// What began it.
    pub(crate) cause: Cause,
    /// What was told of last.
    told: Topic,
    told_at: Instant,
    /// All that was told of.
    all_told: Vec<Topic>,
    repeat_pause: Duration,
    /// What of the round over the endpoints that goes on is most worth telling.
    round: Option<Trouble>,
}

impl Outage {
    /// An outage that begins, and is told of, with this.
    pub(crate) fn begin(trouble: &Trouble) -> Self {
        Self {
            cause: trouble.cause,
            told: Topic::of(trouble),
            told_at: Instant::now(),
            all_told: vec![Topic::of(trouble)],
            repeat_pause: FIRST_REPEAT_PAUSE,
            round: None,
        }
    }

    /// Takes note of further trouble, and hands out what is to be told, if anything is.
    pub(crate) fn goes_on(&mut self, trouble: Trouble, is_round_complete: bool) -> Option<Trouble> {
        if self.round.as_ref().is_none_or(|other| other.kind <= trouble.kind) {
            self.round = Some(trouble);
        }
        let trouble = if is_round_complete { self.round.take()? } else { return None };
        let topic = Topic::of(&trouble);
        if topic == self.told {
            return None;
        }
        let is_elsewhere = !(topic.kind.is_away() && self.told.kind.is_away());
        let is_new = !self.all_told.contains(&topic) && self.all_told.len() < MAX_TOPICS;
        if !(is_elsewhere && is_new) {
            if self.told_at.elapsed() < self.repeat_pause {
                return None;
            }
            self.repeat_pause = (self.repeat_pause * 2).min(LONGEST_REPEAT_PAUSE);
        }
        if is_new {
            self.all_told.push(topic.clone());
        }
        self.told = topic;
        self.told_at = Instant::now();
        Some(trouble)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::{FIRST_REPEAT_PAUSE, Outage};
    use crate::trouble::{Kind, Trouble};
    use crate::update::Cause;

    fn trouble(kind: Kind) -> Trouble {
        Trouble::endpoint(Cause::Unreachable, kind, "said")
    }

    fn report_trouble(outage: &mut Outage, kind: Kind) -> Option<Kind> {
        outage.goes_on(trouble(kind), true).map(|trouble| trouble.kind)
    }

    #[tokio::test(start_paused = true)]
    async fn another_kind_is_told_once() {
        let mut outage = Outage::begin(&trouble(Kind::Broken));
        assert_eq!(report_trouble(&mut outage, Kind::ConnectionRefused), None);
        assert_eq!(report_trouble(&mut outage, Kind::LoginFailed), Some(Kind::LoginFailed));
        assert_eq!(report_trouble(&mut outage, Kind::LoginFailed), None);
        assert_eq!(
            report_trouble(&mut outage, Kind::ConnectionRefused),
            Some(Kind::ConnectionRefused)
        );
        assert_eq!(report_trouble(&mut outage, Kind::LoginFailed), None);
        advance(FIRST_REPEAT_PAUSE).await;
        assert_eq!(report_trouble(&mut outage, Kind::ConnectionRefused), None);
        assert_eq!(report_trouble(&mut outage, Kind::LoginFailed), Some(Kind::LoginFailed));
        advance(FIRST_REPEAT_PAUSE).await;
        assert_eq!(report_trouble(&mut outage, Kind::ConnectionRefused), None);
        advance(FIRST_REPEAT_PAUSE).await;
        assert_eq!(
            report_trouble(&mut outage, Kind::ConnectionRefused),
            Some(Kind::ConnectionRefused)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_with_a_file_is_told() {
        let file = |said| Trouble::refused(Cause::Unreachable, Kind::File, said);
        let mut outage = Outage::begin(&file("password_file \"a\" cannot be read"));
        assert!(outage.goes_on(file("password_file \"a\" cannot be read"), true).is_none());
        assert!(outage.goes_on(file("password_file \"a\" contains no password"), true).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_round_the_most_telling() {
        let mut outage = Outage::begin(&trouble(Kind::Broken));
        for kind in [Kind::ConnectionRefused, Kind::ExpiredCertificate] {
            assert!(outage.goes_on(trouble(kind), false).is_none());
        }
        assert_eq!(report_trouble(&mut outage, Kind::Late), Some(Kind::ExpiredCertificate));
    }
}
