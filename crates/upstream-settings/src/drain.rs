//! `etcd_drain`, and `drain` of a group.

use directive_table::{Args, ConfError, directive};
use nginx_syntax::milliseconds;
use peer_zone::{Closing, DrainReasons};

/// The longest time of a drain, in milliseconds, that a group can have of its own: 12 days, which a
/// word of the shared memory holds.
const LONGEST: u64 = 12 * 24 * 60 * 60 * 1_000;

/// The reasons of `on=`: `remove,drain,check`, each at most once.
pub fn drain_reasons(value: &str) -> Option<DrainReasons> {
    let mut reasons = DrainReasons { removed: false, drain: false, check: false };
    for word in value.split(',') {
        let reason = match word {
            "remove" => &mut reasons.removed,
            "drain" => &mut reasons.drain,
            "check" => &mut reasons.check,
            _ => return None,
        };
        if std::mem::replace(reason, true) {
            return None;
        }
    }
    Some(reasons)
}

/// A time of a group's drain, in milliseconds.
pub fn drain_time(value: &str) -> Option<u64> {
    milliseconds(value).filter(|&time| time <= LONGEST)
}

/// Reads the arguments of `etcd_drain` for a group. What a variable would say is the default.
pub(crate) fn read(args: &Args<'_>) -> Result<Closing, ConfError> {
    let time = |name: &str| -> Result<u64, ConfError> {
        let expects = "a time of up to 12d";
        let value = args.value(name).unwrap_or_default();
        drain_time(value)
            .ok_or_else(|| directive("etcd_drain").invalid_value_of(name, value, expects))
    };
    Ok(Closing {
        after: time("timeout")?,
        spread: time("spread")?,
        on: args.need("on", drain_reasons)?,
    })
}
