//! Writes of others, as etcd tells of them.

use std::collections::VecDeque;
use std::time::Instant;

use etcd_client::{EventType, WatchOptions, WatchStream};

use crate::{Etcd, Result};

/// A key that was written or deleted.
#[derive(Clone, Debug)]
pub struct Write {
    /// The whole key.
    pub key: String,
    /// The value, or none for a key that is gone.
    pub value: Option<String>,
    /// The revision of the write.
    pub revision: i64,
    /// When etcd told of it: a moment after the write.
    pub seen: Instant,
}

/// The writes below a prefix from now on.
#[derive(Debug)]
pub struct Writes {
    stream: WatchStream,
    held: VecDeque<Write>,
}

impl Etcd {
    /// Begins to listen for writes below a prefix: those that come after this call has returned.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn writes(&self, prefix: &str) -> Result<Writes> {
        let options = WatchOptions::new().with_prefix();
        let mut stream = self.client()?.watch(prefix, Some(options)).await?;
        // The first message says that the watch is there.
        stream.message().await?;
        Ok(Writes { stream, held: VecDeque::new() })
    }
}

impl Writes {
    /// The next one; waits for it.
    ///
    /// # Errors
    ///
    /// Those of etcd, and the end of the watch.
    pub async fn next(&mut self) -> Result<Write> {
        loop {
            if let Some(write) = self.held.pop_front() {
                return Ok(write);
            }
            let message = self.stream.message().await?.ok_or("the watch has ended")?;
            let seen = Instant::now();
            for event in message.events() {
                let pair = event.kv().ok_or("an event without a key")?;
                let is_put = event.event_type() == EventType::Put;
                self.held.push_back(Write {
                    key: pair.key_str()?.to_owned(),
                    value: is_put.then(|| pair.value_str().map(str::to_owned)).transpose()?,
                    revision: pair.mod_revision(),
                    seen,
                });
            }
        }
    }
}
