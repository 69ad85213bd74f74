//! The values of live variables, as their state file has them.

use std::sync::Arc;

use etcd_watch::Origin;
use saved_state::{ListVersion, MAX_LENGTH, SavedMap, StateError};

use tokio::task::yield_now;

use super::state::{Copying, Encode, Saved, SavedFile, StateOffer};
use crate::{live::LiveMemory, zones::report::StateFile};

/// What the entries take in shared memory for each byte that they take in the file, at most: one of
/// a key and a value of a byte each takes a cell of 32 bytes, and a line of 24.
const MEMORY_PER_BYTE: usize = 2;

/// Chains that are copied before other tasks have their turn: less than a millisecond's work.
const AT_A_TIME: usize = 512;

/// The way from the values to their file, if they have one.
pub(super) struct SavedValues {
    memory: LiveMemory,
    state: Option<StateOffer>,
}

/// The entries of a table.
struct Table(LiveMemory);

impl SavedValues {
    /// What a predecessor has reported of the file still stands.
    pub(super) fn new(memory: LiveMemory, mut state: Option<StateOffer>) -> Self {
        if let Some(state) = &mut state {
            let (revision, trouble) = memory.state.saved();
            let file = state.report().file.clone();
            state.go_on_from(Some(&StateFile { file, revision, trouble }));
        }
        Self { memory, state }
    }

    /// Has the values kept that are published, which came from there.
    pub(super) fn offer(&self, origin: Option<Origin>) {
        let (Some(state), Some(origin)) = (&self.state, origin) else { return };
        let Origin { cluster_id, revision } = origin;
        let (generation, revision) = (self.memory.generation(), revision.unsigned_abs());
        let version = ListVersion { generation, cluster_id, revision };
        state.offer(version, || Arc::new(Table(self.memory)));
    }

    /// Waits until there is something new to say of the file. Cancel safe.
    pub(super) async fn reported(&mut self) {
        match &mut self.state {
            Some(state) => state.reported().await,
            None => std::future::pending().await,
        }
    }

    /// Says in the status what is new, with the right to write.
    pub(super) fn show_report(&mut self) {
        if let Some(state) = &mut self.state
            && state.take_report()
        {
            let StateFile { revision, trouble, .. } = state.report();
            self.memory.state.store_saved(*revision, trouble.as_deref());
        }
    }
}

impl Saved for Table {
    /// Each value is as it is at some moment: one that changes meanwhile brings another version.
    fn encode<'s>(&'s self, file: &'s SavedFile, version: ListVersion) -> Copying<'s> {
        Box::pin(self.copy(file, version))
    }
}

impl Table {
    async fn copy(&self, file: &SavedFile, version: ListVersion) -> Result<Encode, String> {
        let Self(memory) = self;
        if memory.bytes_used() > MAX_LENGTH * MEMORY_PER_BYTE {
            return Err(StateError::TooLong.to_string());
        }
        let mut entries = Vec::new();
        for first in (0..memory.chains()).step_by(AT_A_TIME) {
            let some = memory.entries_of(first..first + AT_A_TIME);
            entries.extend(some.map_err(|_| "its values change all the time".to_owned())?);
            yield_now().await;
        }
        let (cluster, prefix) = (file.cluster.clone(), file.prefix.clone());
        let ListVersion { cluster_id, revision, .. } = version;
        let revision = revision.cast_signed();
        Ok(Box::new(move || {
            entries.sort_unstable();
            SavedMap { cluster, prefix, cluster_id, revision, entries }.encode()
        }))
    }
}
