//! Many sessions at once.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use crate::{End, Ending, Result, Session, ensure};

/// Sessions that are being opened at the same time: each is three messages, and listeners' backlogs
/// are finite.
const TOGETHER: usize = 64;
/// How many of those who differ a message shows.
const SHOWN: usize = 3;

/// Sessions that were opened together.
#[derive(Debug, Default)]
pub struct Fleet {
    sessions: Vec<Session>,
}

impl Fleet {
    /// Opens `count` sessions at `path?session=0`, `path?session=1`, …
    ///
    /// # Errors
    ///
    /// When one of them cannot be opened.
    pub async fn open(address: &str, path: &str, count: usize) -> Result<Self> {
        let openings = (0..count).map(|number| {
            let path = format!("{path}?session={number}");
            async move { Session::open(address, &path).await }
        });
        Ok(Self { sessions: stream::iter(openings).buffered(TOGETHER).try_collect().await? })
    }

    /// All of them, ended or not, in the order of their numbers.
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// Those with a node, in a fleet of their own, and the rest.
    pub fn split(self, node: &str) -> (Self, Self) {
        let (own, others) = self.sessions.into_iter().partition(|session| session.node() == node);
        (Self { sessions: own }, Self { sessions: others })
    }

    /// How many have not ended.
    pub fn open_sessions(&self) -> usize {
        self.sessions.iter().filter(|session| session.is_open()).count()
    }

    /// How those that have ended did, earliest first.
    pub fn ends(&self) -> Vec<End> {
        let mut ends: Vec<_> =
            self.sessions.iter().filter_map(|session| session.record().end).collect();
        ends.sort_by_key(|end| end.at);
        ends
    }

    /// Every `nth` one sends something each time `every` has passed, as clients do that do not know
    /// that they are to be closed.
    pub fn chatter(&self, nth: usize, every: Duration) {
        for session in self.sessions.iter().step_by(nth) {
            session.chatter(every);
        }
    }

    /// Waits for the end of all, and gives the ends, earliest first.
    ///
    /// # Errors
    ///
    /// When some have not ended by the deadline.
    pub async fn ended(&self, deadline: Duration) -> Result<Vec<End>> {
        let by = Instant::now() + deadline;
        for session in &self.sessions {
            let left = by.saturating_duration_since(Instant::now());
            let ended = session.ended(left).await;
            ended.map_err(|error| {
                format!("{} of {} are open: {error}", self.open_sessions(), self.sessions.len())
            })?;
        }
        Ok(self.ends())
    }

    /// Waits until all have received the broadcast with this number.
    ///
    /// # Errors
    ///
    /// When one does not soon.
    pub async fn received(&self, number: u64) -> Result<()> {
        for session in &self.sessions {
            session.received(number).await?;
        }
        Ok(())
    }

    /// Lets all say something and waits until it has come back to each.
    ///
    /// # Errors
    ///
    /// When it does not come back to one.
    pub async fn echo(&self, text: &str) -> Result<()> {
        let echoes = self.sessions.iter().map(|session| session.echo(text));
        stream::iter(echoes).buffer_unordered(TOGETHER).try_collect().await
    }

    /// Fails unless each is open, or has ended by an end of file, and what came was in order.
    ///
    /// # Errors
    ///
    /// How many differ, and some of them.
    pub fn in_order(&self) -> Result<()> {
        let records =
            self.sessions.iter().map(|session| (session.path(), session.node(), session.record()));
        let wrong: Vec<_> = records
            .filter(|(.., record)| {
                let ended_well = record.end.as_ref().is_none_or(|end| end.how == Ending::Eof);
                !ended_well || record.disorder.is_some()
            })
            .collect();
        let shown = &wrong[..wrong.len().min(SHOWN)];
        ensure!(wrong.is_empty(), "{} of {}: {shown:?}", wrong.len(), self.sessions.len());
        Ok(())
    }

    /// Closes all that are open in order, as clients that leave.
    ///
    /// # Errors
    ///
    /// When one was cut before.
    pub async fn close(self) -> Result<()> {
        let open = self.sessions.into_iter().filter(Session::is_open);
        stream::iter(open.map(Session::close)).buffer_unordered(TOGETHER).try_collect().await
    }
}
