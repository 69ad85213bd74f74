//! The peers that an upstream starts with where there are no others: those of its state file.

use std::{collections::HashMap, path::Path};

use ngx::ffi::{NGX_LOG_ERR, NGX_LOG_NOTICE, ngx_log_t};
use peer_zone::PeerSpec;
use saved_state::{SavedState, messages};

use super::{
    peer_specs::{Names, describe},
    report::{Report, StateFile},
};
use crate::{
    config::{Etcd, UpstreamConf},
    nginx::log,
};

/// What a state file has given.
pub(super) struct SavedPeers {
    pub(super) peers: Vec<PeerSpec>,
    /// The cluster's id, and the revision up to which every change is applied; `None` where there
    /// is no good file.
    pub(super) origin: Option<(u64, u64)>,
    /// What the status is to say of it, if anything.
    pub(super) report: Option<Report>,
}

/// Reads the upstream's state file, if it has one. A file that is ignored never keeps nginx from
/// its start: a line says so.
pub(super) fn load_peers(conf: &UpstreamConf, log: *mut ngx_log_t) -> SavedPeers {
    let none = SavedPeers { peers: Vec::new(), origin: None, report: None };
    let Some(etcd) = &conf.etcd else { return none };
    let Some(file) = &etcd.options.state else { return none };
    match read(file, etcd) {
        Ok(None) => none,
        Ok(Some(state)) => {
            let revision = state.revision.unsigned_abs();
            SavedPeers {
                peers: desired(&state, conf, etcd),
                origin: Some((state.cluster_id, revision)),
                report: Some(report(file, Some(revision), None)),
            }
        }
        Err(reason) => {
            let text = messages::ignored(&file.display().to_string(), &reason);
            let message = format!("etcd: upstream \"{}\": {text}", etcd.upstream);
            log::to(NGX_LOG_ERR, log, &message);
            SavedPeers { report: Some(report(file, None, Some(reason))), ..none }
        }
    }
}

/// Says that the peers of the file are in the zone.
pub(super) fn log_loaded(conf: &UpstreamConf, count: usize, revision: u64, log: *mut ngx_log_t) {
    let Some(etcd) = &conf.etcd else { return };
    let Some(file) = &etcd.options.state else { return };
    let what = format!("{count} peers");
    let text = messages::loaded(&what, revision, &file.display().to_string());
    let message = format!("etcd: upstream \"{}\": {text}", etcd.upstream);
    log::to(NGX_LOG_NOTICE, log, &message);
}

fn read(file: &Path, etcd: &Etcd) -> Result<Option<SavedState>, String> {
    let Some(state) = saved_state::load(file).map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    state.check_for(&etcd.cluster, &etcd.prefix).map_err(|error| error.to_string())?;
    Ok(Some(state))
}

/// The peers that the upstream may have, as the zone takes them.
fn desired(state: &SavedState, conf: &UpstreamConf, etcd: &Etcd) -> Vec<PeerSpec> {
    let groups = conf.group.as_ref().map(|group| group.by.clone());
    let prefix = etcd.prefix.as_str().into();
    let names = Names { prefix, naming: conf.naming(), groups, defaults: HashMap::new() };
    let reading = conf.reading();
    let permitted = state.peers.iter().filter(|peer| {
        conf.allow.permits(&peer.address)
            && reading.wants(&peer.labels, peer.source.scheme.as_deref())
    });
    // They joined long ago.
    permitted.map(|peer| describe(peer.clone(), 0, &names)).collect()
}

fn report(file: &Path, revision: Option<u64>, trouble: Option<String>) -> Report {
    let file = file.display().to_string();
    Report { state: Some(StateFile { file, revision, trouble }), ..Report::default() }
}
