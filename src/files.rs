//! Files that the watcher needs and that perhaps only root may touch: certificates, keys,
//! passwords, state.
//!
//! nginx's master reads its own at its start, as root. These must be read again while nginx runs,
//! by a worker who is another user; so where that is the case the master forks a process for it.

mod process;

use std::{path::Path, sync::Arc};

use etcd_watch::ReadFile;
use ngx::{
    core::{CoreModuleMainConf, NgxCoreModule},
    ffi::{NGX_LOG_ALERT, ngx_cycle_t, ngx_test_config},
};
use privileged_files::{Access, Client, Table, channel};

use crate::{config::ClusterConf, nginx::log};

/// The files that a configuration names: those that its clusters read, and those of `state=`.
fn table<'a>(
    clusters: impl Iterator<Item = &'a ClusterConf>,
    state_files: impl Iterator<Item = &'a Path>,
) -> Table {
    let mut table = Table::new();
    for ClusterConf { config, .. } in clusters {
        let (tls, login) = (&config.tls, &config.login);
        let identity =
            tls.identity.iter().flat_map(|identity| [&identity.certificate, &identity.key]);
        let password = login.iter().map(|login| &login.password_file);
        for file in tls.trusted_certificate.iter().chain(identity).chain(password) {
            table.add(file, Access::Read);
        }
    }
    for file in state_files {
        table.add(file, Access::Replace);
    }
    table
}

/// What a cycle's workers are to have its files from. Called in the process that is or becomes the
/// master, with the cycle that is about to start, and what its configuration names.
pub(crate) fn start<'a>(
    cycle: &ngx_cycle_t,
    clusters: impl Iterator<Item = &'a ClusterConf>,
    state_files: impl Iterator<Item = &'a Path>,
) -> Client {
    let table = table(clusters, state_files);
    if table.is_empty() || !needs_process(cycle) {
        return Client::direct(table);
    }
    let started = channel().and_then(|(own, others)| {
        process::start(own, &table)?;
        Ok(others)
    });
    match started {
        Ok(socket) => Client::over(Arc::new(socket), table),
        Err(error) => {
            let message = module_messages::files_process_not_started(error);
            log::to(NGX_LOG_ALERT, cycle.log, &format!("etcd: {message}"));
            Client::direct(table)
        }
    }
}

/// Whether workers may do less than this process.
fn needs_process(cycle: &ngx_cycle_t) -> bool {
    // SAFETY: nginx sets it at its start.
    let is_test = unsafe { ngx_test_config != 0 };
    // SAFETY: the call has no conditions.
    let is_root = unsafe { libc::geteuid() == 0 };
    // Without a master there are no workers either, and nobody gives his rights up.
    let have_workers_less =
        NgxCoreModule::main_conf(cycle).is_some_and(|core| core.master != 0 && core.user != 0);
    is_root && have_workers_less && !is_test
}

/// How etcd's files are read.
pub(crate) struct EtcdFiles(pub(crate) Client);

impl etcd_watch::Files for EtcdFiles {
    fn read(&self, file: &Path) -> ReadFile {
        let (client, file) = (self.0.clone(), file.to_owned());
        Box::pin(async move { client.read(&file).await })
    }
}
