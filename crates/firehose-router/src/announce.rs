//! `announce`: keeps a node's key in etcd for as long as the node answers.

mod address;
mod check;
mod command;
mod docker;
mod error;
mod keeper;
mod lookup;
mod messages;
mod node;
mod options;

use std::{convert::Infallible, process::ExitCode, time::Duration};

use nix::sys::signal::Signal;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

pub(crate) use self::options::AnnounceOptions;
use self::{
    command::Command,
    error::AnnounceError,
    keeper::{Keeper, KeySpec, RELEASE_TIMEOUT},
    node::Node,
};
use crate::signals::{Listener, SupervisorEvent};

/// What a wrong flag makes the program exit with, as clap has it.
const USAGE: u8 = 2;

/// Runs until told to end, or until the command has ended.
pub(crate) async fn run(options: Box<AnnounceOptions>) -> ExitCode {
    // Before anything that can wait: until there are handlers, signals end the program, or are lost
    // where it is the first process of a container.
    let mut listener = match Listener::new() {
        Ok(listener) => listener,
        Err(error) => return fail(&AnnounceError::Signals(error)),
    };
    let etcd = match options.etcd.clone().read() {
        Ok(etcd) => etcd,
        Err(error) => return fail(&error.into()),
    };
    // It may have to ask a name server.
    let making = tokio::task::spawn_blocking({
        let (options, etcd) = (options.clone(), etcd.clone());
        move || Node::new(&options, &etcd)
    });
    let node = tokio::select! {
        // Cancel safe: nothing is announced or started yet.
        biased;
        signal = listener.end_requested() => {
            tracing::info!("{}", messages::exits(signal));
            return ExitCode::SUCCESS;
        }
        node = making => node.unwrap_or_else(|error| Err(AnnounceError::Stopped(error))),
    };
    let node = match node {
        Ok(node) => node,
        Err(error) => return fail(&error),
    };
    let mut command = match Command::start(&options.command) {
        Ok(command) => command,
        Err((error, code)) => {
            let name =
                options.command.first().map(|name| name.display().to_string()).unwrap_or_default();
            tracing::error!("{}", messages::command_not_started(&name, error));
            return code;
        }
    };
    let key = format!("{}{}", etcd.upstream_prefix(), options.key);
    let (mut keeper, state) = Keeper::new(etcd.cluster(), key, options.ttl, options.take_over);
    let (want, wanted) = watch::channel(KeySpec::Absent);
    let announcing =
        Announcing { node, want, state, interval: options.check_interval, drain: options.drain };
    tokio::select! {
        // Cancel safe: what the keeper had under way when the node is to end is done or not done
        // under its lease, which is given back next; a lease that was being asked for has no key,
        // and runs out.
        () = announcing.announce_until_end(&mut listener, &mut command) => {}
        never = keeper.run(wanted) => match never {},
    }
    keeper.release().await;
    command.end(options.stop_timeout).await
}

fn fail(error: &AnnounceError) -> ExitCode {
    tracing::error!("{error}");
    ExitCode::from(USAGE)
}

struct Announcing {
    node: Node,
    want: watch::Sender<KeySpec>,
    state: watch::Receiver<KeySpec>,
    interval: Duration,
    drain: Duration,
}

impl Announcing {
    /// Announces the node as its checks say, until it is to end; then says "drain" for a while.
    async fn announce_until_end(self, listener: &mut Listener, command: &mut Command) {
        let Self { mut node, want, state, interval, drain } = self;
        {
            let checking = check_repeatedly(&mut node, &want, interval);
            tokio::pin!(checking);
            loop {
                tokio::select! {
                    // Cancel safe: a signal is taken in the poll that returns it, and the command's
                    // end is remembered. The checks are one future that goes on from turn to turn:
                    // whatever else happens, and however often, the check under way goes on. It is
                    // dropped as the node is to end.
                    happening = listener.next() => match happening {
                        SupervisorEvent::ChildEnded => command.reap_orphans(),
                        SupervisorEvent::Signal(signal @ (Signal::SIGTERM | Signal::SIGINT)) => {
                            tracing::info!("{}", messages::shuts_down(signal));
                            break;
                        }
                        SupervisorEvent::Signal(signal) => {
                            if !command.signal(signal) && signal == Signal::SIGQUIT {
                                break;
                            }
                        }
                    },
                    () = command.ended() => return,
                    never = &mut checking => match never {},
                }
            }
        }
        drain_node(want, state, drain, listener, command).await;
    }
}

/// Checks the node each `every`, and says what is to be announced.
async fn check_repeatedly(
    node: &mut Node,
    want: &watch::Sender<KeySpec>,
    every: Duration,
) -> Infallible {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let wanted = node.check().await.map_or(KeySpec::Absent, KeySpec::Present);
        want.send_if_modified(|before| std::mem::replace(before, wanted.clone()) != wanted);
    }
}

/// How long an answer of etcd's may take that is under way as the node is to end.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// The value of the key, where the node is announced. etcd has the key, and routers know the node,
/// a moment before etcd's answer says so here: that moment is waited for.
async fn announced_value(wanted: &KeySpec, state: &mut watch::Receiver<KeySpec>) -> Option<String> {
    let is_present = |state: &KeySpec| matches!(state, KeySpec::Present(_));
    if is_present(wanted) {
        // Where the answer does not come, the state says that there is no key.
        let _ = timeout(ANSWER_TIMEOUT, state.wait_for(is_present)).await;
    }
    match state.borrow_and_update().clone() {
        KeySpec::Present(value) => Some(value),
        KeySpec::Absent => None,
    }
}

/// Marks the key, so that the router sends nobody new, and waits until those who are there may have
/// gone, or nobody is waited for.
async fn drain_node(
    want: watch::Sender<KeySpec>,
    mut state: watch::Receiver<KeySpec>,
    drain: Duration,
    listener: &mut Listener,
    command: &mut Command,
) {
    if drain.is_zero() {
        return;
    }
    let wanted = want.borrow().clone();
    let Some(value) = announced_value(&wanted, &mut state).await else { return };
    let draining = KeySpec::Present(format!("{value} drain"));
    want.send_replace(draining.clone());
    let waiting = async {
        // Where etcd is away nobody hears of it, and there is nothing to wait for.
        let is_marked = state.wait_for(|state| *state == draining);
        if !matches!(timeout(RELEASE_TIMEOUT, is_marked).await, Ok(Ok(_))) {
            return;
        }
        tracing::info!("{}", messages::drains(drain));
        sleep(drain).await;
    };
    tokio::pin!(waiting);
    while !command.has_ended() {
        tokio::select! {
            // Cancel safe: as above, and the waiting is one future that goes on from turn to turn.
            () = &mut waiting => return,
            () = command.ended() => return,
            happening = listener.next() => match happening {
                SupervisorEvent::ChildEnded => command.reap_orphans(),
                SupervisorEvent::Signal(Signal::SIGTERM | Signal::SIGINT) => return,
                SupervisorEvent::Signal(signal) => drop(command.signal(signal)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_node_whose_key_is_being_written_is_drained() {
        let present = KeySpec::Present("10.0.0.7:80".to_owned());
        for (wanted, before, answer, expected) in [
            (&present, &present, None, true),
            (&present, &KeySpec::Absent, Some(ANSWER_TIMEOUT / 2), true),
            (&present, &KeySpec::Absent, Some(ANSWER_TIMEOUT * 2), false),
            (&KeySpec::Absent, &KeySpec::Absent, None, false),
            // What fails its checks goes on to be announced until that is written, too.
            (&KeySpec::Absent, &present, None, true),
        ] {
            let (sender, mut state) = watch::channel(before.clone());
            let answering = async {
                if let Some(after) = answer {
                    sleep(after).await;
                    sender.send_replace(present.clone());
                }
            };
            let (value, ()) = tokio::join!(announced_value(wanted, &mut state), answering);
            let case = format!("{wanted:?}, {before:?}, {answer:?}");
            assert_eq!(value.is_some(), expected, "{case}");
        }
    }
}
