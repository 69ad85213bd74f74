//! The list of an upstream's peers, as its state file has it.

use std::sync::Arc;

use peer_zone::{PeerSpec, Publisher};
use saved_state::{ListVersion, SavedSettings, SavedState};

use crate::watcher::{
    peer_specs,
    state::{Copying, Encode, Saved, SavedFile},
};

/// A list that was published.
#[derive(Clone)]
pub(super) struct SavedList {
    /// Counted up with each change of the peers.
    generation: u64,
    peers: Arc<[Arc<PeerSpec>]>,
    settings: Option<SavedSettings>,
}

impl SavedList {
    /// What is published now, with the settings of groups; the peers of `former`, if they are the
    /// same.
    pub(super) fn new(
        publisher: &Publisher,
        settings: Option<SavedSettings>,
        former: Option<Self>,
    ) -> Self {
        let generation = publisher.generation();
        let former = former.filter(|former| former.generation == generation);
        let peers = former.map_or_else(|| publisher.specs().collect(), |former| former.peers);
        Self { generation, peers, settings }
    }
}

impl Saved for SavedList {
    fn encode<'s>(&'s self, file: &'s SavedFile, version: ListVersion) -> Copying<'s> {
        let (cluster, prefix) = (file.cluster.clone(), file.prefix.clone());
        let ListVersion { cluster_id, revision, .. } = version;
        let Self { peers, settings, .. } = self.clone();
        let encode: Encode = Box::new(move || {
            // The peers with keys, as etcd has them.
            let peers = peers.iter().filter_map(|spec| peer_specs::peer(spec));
            let peers = peers.collect::<Vec<_>>().into();
            let revision = revision.cast_signed();
            SavedState { cluster, prefix, cluster_id, revision, peers, settings }.encode()
        });
        Box::pin(std::future::ready(Ok(encode)))
    }
}
