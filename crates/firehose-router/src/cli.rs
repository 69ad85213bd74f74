//! What stands on the command line.

mod flags_first;

use clap::{Parser, Subcommand};

pub(crate) use self::flags_first::flags_first;
use crate::{
    announce::AnnounceOptions, bound::BoundOptions, check_value::CheckValueOptions,
    healthcheck::HealthcheckOptions, migrate::MigrateOptions, nodes::NodesOptions,
    routes::RoutesOptions, serve::ServeOptions, services::ServicesOptions, status::StatusOptions,
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
    /// Show the state of routers: their upstreams, peers, last changes, and what is wrong.
    ///
    /// The exit code is 0 if all is well, 1 if something is wrong, and 2 if a router does not
    /// answer or a flag is wrong.
    Status(Box<StatusOptions>),
    /// List and change the nodes' keys in etcd.
    ///
    /// A change is made only if nobody else has changed the key in between.
    Nodes(Box<NodesOptions>),
    /// List and change the keys of an etcd_map, such as those that route hosts to services.
    ///
    /// A change is made only if nobody else has changed the key in between.
    Routes(Box<RoutesOptions>),
    /// List and remove services, and set what each has of its own: the keys of an upstream with
    /// etcd_group, by service.
    Services(Box<ServicesOptions>),
    /// Say what the router makes of a value, or why it rejects it.
    ///
    /// The exit code is 0 if the value is valid, 1 if it is rejected, and 2 if a flag is wrong.
    CheckValue(CheckValueOptions),
    /// Check whether the router on this machine answers, for the health check of a container.
    Healthcheck(HealthcheckOptions),
    /// Run a program that ends with its parent.
    #[command(name = crate::bound::NAME, hide = true)]
    RunBound(BoundOptions),
}

#[cfg(test)]
mod completions;
#[cfg(test)]
mod documentation;

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::Cli;

    /// What is run by hand, on a command line.
    const BY_HAND: [&str; 6] = ["migrate", "status", "nodes", "routes", "services", "check-value"];

    /// In a container and in a unit there is nothing but variables. Hidden commands are not for
    /// users.
    #[test]
    fn every_flag_has_a_variable() {
        let cli = Cli::command();
        let is_for_units =
            |task: &&Command| !BY_HAND.contains(&task.get_name()) && !task.is_hide_set();
        for task in cli.get_subcommands().filter(is_for_units) {
            for flag in task.get_arguments().filter(|flag| flag.get_long().is_some()) {
                assert!(flag.get_env().is_some(), "{}: --{}", task.get_name(), flag.get_id());
            }
        }
    }
}
