//! What stands on the command line.

use clap::{Parser, Subcommand};

use crate::{
    announce::AnnounceOptions, bound::BoundOptions, healthcheck::HealthcheckOptions,
    migrate::MigrateOptions, serve::ServeOptions,
};

/// Routes HTTP and WebSocket to Firehose servers, taken live from etcd.
///
/// `serve` is the router: it runs nginx, whose upstream peers are the keys below
/// /firehose/upstream/. `announce` runs beside a Firehose server and keeps its key in etcd for as
/// long as the server answers.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Run the router: nginx, with its nodes and settings live from etcd.
    Serve(Box<ServeOptions>),
    /// Announce a Firehose server in etcd for as long as it answers.
    Announce(Box<AnnounceOptions>),
    /// Copy settings, and nodes without a lease, from one etcd to another or from API v2.
    ///
    /// Without --yes nothing is written, only shown. Keys that the target has with the same value
    /// are not written again. The flags below "etcd" are for --to.
    Migrate(Box<MigrateOptions>),
    /// Check whether the router on this machine answers, for the health check of a container.
    Healthcheck(HealthcheckOptions),
    /// Run a program that ends with its parent.
    #[command(name = crate::bound::NAME, hide = true)]
    RunBound(BoundOptions),
}

#[cfg(test)]
mod documentation;

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::Cli;

    /// In a container and in a unit there is nothing but variables; `migrate` is run by hand, once.
    /// Hidden commands are not for users.
    #[test]
    fn every_flag_has_a_variable() {
        let cli = Cli::command();
        let is_for_units = |task: &&Command| task.get_name() != "migrate" && !task.is_hide_set();
        for task in cli.get_subcommands().filter(is_for_units) {
            for flag in task.get_arguments().filter(|flag| flag.get_long().is_some()) {
                assert!(flag.get_env().is_some(), "{}: --{}", task.get_name(), flag.get_id());
            }
        }
    }
}
