//! What the log says of the node, of its key, and of the command.

use std::{fmt::Display, time::Duration};

use nix::sys::signal::Signal;

/// The node passes its checks.
pub(super) fn answers(value: &str) -> String {
    format!("the node answers: {value}")
}

/// The node passes its checks at another address.
pub(super) fn has_moved(value: &str) -> String {
    format!("the node has another address: {value}")
}

/// The node has not passed a check since the start.
pub(super) fn does_not_answer_yet(reason: impl Display) -> String {
    format!("the node does not answer yet: {reason}")
}

/// The node could not be checked since the start.
pub(super) fn not_announced_yet(reason: impl Display) -> String {
    format!("the node is not announced yet: {reason}")
}

/// The node fails its checks.
pub(super) fn does_not_answer(reason: impl Display) -> String {
    format!("the node does not answer: {reason}")
}

/// The container of the node is gone.
pub(super) fn container_is_gone(reason: impl Display) -> String {
    format!("the node is removed, since its container is gone: {reason}")
}

/// The node cannot be checked.
pub(super) fn stays_announced(reason: impl Display) -> String {
    format!("{reason}: the node stays announced")
}

/// A lookup, called `name`, has no answer within `limit`.
pub(super) fn no_answer_within(name: &str, limit: Duration) -> String {
    format!("{name} does not answer within {limit:?}")
}

/// A lookup has no answer, and the one before is used.
pub(super) fn last_address_used(reason: impl Display, last: impl Display) -> String {
    format!("{reason}: the node is checked where it was last, at {last}")
}

/// A lookup has an answer again.
pub(super) fn answers_again(name: &str) -> String {
    format!("{name} answers again")
}

/// A name has no address.
pub(super) fn not_resolved(name: &str, reason: impl Display) -> String {
    format!("{name} cannot be resolved: {reason}")
}

/// This host would have no address of its own to reach `target`.
pub(super) fn own_address_unknown(target: &str, error: impl Display) -> String {
    format!(
        "the address of this host is unknown (no route to {target}: {error}): set it with --host"
    )
}

/// A check lacks what this host would need for it.
pub(super) const CHECK_NOT_MADE: &str = "a check cannot be made: this host has run out of file \
                                         descriptors, memory or ports";

/// The key is in etcd.
pub(super) fn key_is_set(key: &str, value: &str) -> String {
    format!("key \"{key}\" is set to \"{value}\"")
}

/// The key is no longer in etcd.
pub(super) fn key_is_removed(key: &str) -> String {
    format!("key \"{key}\" is removed")
}

/// Somebody has removed the key.
pub(super) fn key_was_lost(key: &str) -> String {
    format!("key \"{key}\" was lost: it is set again")
}

/// Somebody has changed parameters of the key, to `value`.
pub(super) fn key_was_changed(key: &str, value: &str) -> String {
    format!(
        "key \"{key}\" was changed by another client to \"{value}\": kept until the address \
         changes or the key is lost"
    )
}

/// The key is somebody else's, and has `value`. `was_ours`: until now it was this announcer's.
/// `has_lease`: it is under a lease.
pub(super) fn key_is_held(key: &str, was_ours: bool, has_lease: bool, value: &str) -> String {
    let how = if was_ours { "was taken over" } else { "is held" };
    let who = if has_lease { "another announcer" } else { "somebody, without a lease" };
    format!(
        "key \"{key}\" {how} by {who} (value \"{value}\"): waiting until it is removed \
        (--take-over \
         takes it over at once)"
    )
}

/// The key, which had `value`, is taken over, as `--take-over` says.
pub(super) fn key_is_taken_over(key: &str, value: &str) -> String {
    format!("key \"{key}\" is taken over from another announcer, which had set it to \"{value}\"")
}

/// The key is taken over, since the other announcer has died.
pub(super) fn abandoned_key_is_taken_over(key: &str) -> String {
    format!("key \"{key}\" is taken over: its announcer has not renewed its lease")
}

/// etcd does not have the lease any more.
pub(super) fn lease_has_expired(key: &str) -> String {
    format!("the lease of key \"{key}\" has expired: requesting another")
}

/// etcd does not answer, or rejects.
pub(super) fn key_cannot_be_kept(key: &str, reason: impl Display) -> String {
    format!("key \"{key}\" cannot be kept: {reason}; retrying")
}

/// etcd answers again.
pub(super) fn key_is_kept_again(key: &str) -> String {
    format!("key \"{key}\" is kept again")
}

/// The lease cannot be revoked, which is tried again.
pub(super) fn key_cannot_be_removed_yet(key: &str, reason: impl Display) -> String {
    format!("key \"{key}\" cannot be removed yet: {reason}")
}

/// The lease could not be revoked in time. It lasts for `ttl` seconds at most.
pub(super) fn key_not_removed(key: &str, ttl: i64) -> String {
    format!(
        "key \"{key}\" could not be removed; etcd removes it when its lease expires, within {ttl} s"
    )
}

/// A signal has come before the node was announced.
pub(super) fn exits(signal: Signal) -> String {
    format!("{signal} received: exiting, the node was not announced")
}

/// A signal ends the program.
pub(super) fn shuts_down(signal: Signal) -> String {
    format!("{signal} received: shutting down")
}

/// The node gets no new sessions for a while before its key is removed.
pub(super) fn drains(time: Duration) -> String {
    format!("the node is marked \"drain\" for {time:?}; another signal skips the wait")
}

/// The command cannot be started.
pub(super) fn command_not_started(name: &str, error: impl Display) -> String {
    format!("the command \"{name}\" cannot be started: {error}")
}

/// The command has ended in this way.
pub(super) fn command_ended(how: &str) -> String {
    format!("the command {how}")
}

/// The command does not end after `SIGTERM`.
pub(super) fn command_is_killed(limit: Duration) -> String {
    format!("the command does not end within {limit:?}: it is killed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(table: &[(String, &str)]) {
        for (message, expected) in table {
            assert_eq!(message, expected);
        }
    }

    #[test]
    fn messages_about_the_node() {
        let second = Duration::from_secs(1);
        check(&[
            (answers("10.0.0.7:80"), "the node answers: 10.0.0.7:80"),
            (has_moved("10.0.0.8:80"), "the node has another address: 10.0.0.8:80"),
            (does_not_answer_yet("reset"), "the node does not answer yet: reset"),
            (not_announced_yet("no answer"), "the node is not announced yet: no answer"),
            (does_not_answer("reset"), "the node does not answer: reset"),
            (
                container_is_gone("there is no container \"a\""),
                "the node is removed, since its container is gone: there is no container \"a\"",
            ),
            (stays_announced("no answer"), "no answer: the node stays announced"),
            (
                no_answer_within("name resolution of a:80", second),
                "name resolution of a:80 does not answer within 1s",
            ),
            (
                last_address_used("no answer", "10.0.0.7:80"),
                "no answer: the node is checked where it was last, at 10.0.0.7:80",
            ),
            (answers_again("Docker at unix:/a"), "Docker at unix:/a answers again"),
            (not_resolved("a:80", "no address"), "a:80 cannot be resolved: no address"),
            (
                own_address_unknown("etcd:2379", "unreachable"),
                "the address of this host is unknown (no route to etcd:2379: unreachable): set it \
                 with --host",
            ),
            (
                CHECK_NOT_MADE.to_owned(),
                "a check cannot be made: this host has run out of file descriptors, memory or \
                ports",
            ),
        ]);
    }

    #[test]
    fn messages_about_the_key() {
        let waits = "waiting until it is removed (--take-over takes it over at once)";
        check(&[
            (key_is_set("/k", "a:80"), "key \"/k\" is set to \"a:80\""),
            (key_is_removed("/k"), "key \"/k\" is removed"),
            (key_was_lost("/k"), "key \"/k\" was lost: it is set again"),
            (
                key_was_changed("/k", "a:80 drain"),
                "key \"/k\" was changed by another client to \"a:80 drain\": kept until the \
                 address changes or the key is lost",
            ),
            (
                key_is_held("/k", false, true, "b:80"),
                &format!("key \"/k\" is held by another announcer (value \"b:80\"): {waits}"),
            ),
            (
                key_is_held("/k", true, false, "b:80"),
                &format!(
                    "key \"/k\" was taken over by somebody, without a lease (value \"b:80\"): \
                    {waits}"
                ),
            ),
            (
                key_is_taken_over("/k", "b:80"),
                "key \"/k\" is taken over from another announcer, which had set it to \"b:80\"",
            ),
            (
                abandoned_key_is_taken_over("/k"),
                "key \"/k\" is taken over: its announcer has not renewed its lease",
            ),
            (lease_has_expired("/k"), "the lease of key \"/k\" has expired: requesting another"),
            (
                key_cannot_be_kept("/k", "no answer"),
                "key \"/k\" cannot be kept: no answer; retrying",
            ),
            (key_is_kept_again("/k"), "key \"/k\" is kept again"),
            (
                key_cannot_be_removed_yet("/k", "no answer"),
                "key \"/k\" cannot be removed yet: no answer",
            ),
            (
                key_not_removed("/k", 60),
                "key \"/k\" could not be removed; etcd removes it when its lease expires, within \
                60 \
                 s",
            ),
        ]);
    }

    #[test]
    fn messages_about_the_end_and_the_command() {
        let signal = Signal::SIGTERM;
        check(&[
            (exits(signal), "SIGTERM received: exiting, the node was not announced"),
            (shuts_down(signal), "SIGTERM received: shutting down"),
            (
                drains(Duration::from_secs(10)),
                "the node is marked \"drain\" for 10s; another signal skips the wait",
            ),
            (
                command_not_started("node", "not found"),
                "the command \"node\" cannot be started: not found",
            ),
            (command_ended("exited with code 1"), "the command exited with code 1"),
            (
                command_is_killed(Duration::from_millis(1500)),
                "the command does not end within 1.5s: it is killed",
            ),
        ]);
    }
}
