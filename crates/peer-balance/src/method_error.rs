//! What is wrong with the arguments that name a balancing method.

use nginx_syntax::quoted;
use thiserror::Error;

/// What may be written as a method, for the message about something else.
pub(crate) const METHODS: &str = "\"round_robin\", \"least_conn\", \"random\" [\"two\" \
                                  [\"least_conn\"]], \"hash\" KEY [\"consistent\"], \
                                  \"ip_hash\", \"least_time\" (\"header\" | \"last_byte\") \
                                  [\"inflight\"] or \"peak_ewma\"";

/// The same in nginx's stream.
const STREAM_METHODS: &str = "\"round_robin\", \"least_conn\", \"random\" [\"two\" \
                              [\"least_conn\"]], \"hash\" KEY [\"consistent\"], \"least_time\" \
                              (\"connect\" | \"first_byte\" | \"last_byte\") [\"inflight\"] or \
                              \"peak_ewma\"";

/// How `random` is written.
const RANDOM: &str = "\"random\" [\"two\" [\"least_conn\"]]";

/// How `hash` is written.
const HASH: &str = "\"hash\" KEY [\"consistent\"]";

/// How `least_time` is written.
const LEAST_TIME: &str = "\"least_time\" (\"header\" | \"last_byte\") [\"inflight\"]";

/// The same in nginx's stream.
const STREAM_LEAST_TIME: &str =
    "\"least_time\" (\"connect\" | \"first_byte\" | \"last_byte\") [\"inflight\"]";

/// What is wrong with the arguments that name a method.
///
/// A message is a [`problem`](Self::problem), to which the reader adds where it is, and a
/// [`hint`](Self::hint).
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}: {}", self.problem(), self.hint())]
pub enum MethodError {
    /// There are no arguments.
    NoMethod,
    /// There is no such method.
    Unknown(String),
    /// `hash` without a key, or with an empty one.
    NoKey,
    /// `random two least_time` (of the commercial nginx), or with a parameter of that.
    RandomTwoBy(String),
    /// There is no such method, or none is given, in nginx's stream.
    UnknownInStream(Option<String>),
    /// `ip_hash` in nginx's stream, which has no such method.
    IpHashInStream,
    /// `least_time` in nginx's stream, without a time that sessions have.
    LeastTimeInStream,
    /// An argument behind a method that takes none, or no such one.
    Parameter {
        /// The method.
        method: String,
        /// The argument.
        argument: String,
    },
}

impl MethodError {
    /// What is wrong.
    pub fn problem(&self) -> String {
        match self {
            Self::NoMethod => "no method".to_owned(),
            Self::UnknownInStream(None) => "no method".to_owned(),
            Self::Unknown(method) | Self::UnknownInStream(Some(method)) => {
                format!("unknown method {}", quoted(method))
            }
            Self::IpHashInStream => "\"ip_hash\" cannot be used in \"stream\"".to_owned(),
            Self::LeastTimeInStream => "invalid time of \"least_time\" in \"stream\"".to_owned(),
            Self::NoKey => "\"hash\" has no key".to_owned(),
            Self::RandomTwoBy(argument) => {
                format!("{} is not supported", quoted(&format!("random two {argument}")))
            }
            Self::Parameter { method, argument } => {
                format!("invalid parameter {} of \"{method}\"", quoted(argument))
            }
        }
    }

    /// What can be written instead.
    pub fn hint(&self) -> String {
        match self {
            Self::NoMethod | Self::Unknown(_) => format!("it must be {METHODS}"),
            Self::UnknownInStream(_) => format!("it must be {STREAM_METHODS}"),
            Self::IpHashInStream => "use \"hash $remote_addr consistent\"".to_owned(),
            Self::LeastTimeInStream => format!("it must be {STREAM_LEAST_TIME}"),
            Self::NoKey => format!("it must be {HASH}"),
            Self::RandomTwoBy(_) => {
                "\"random two\" takes \"least_conn\" only; \"peak_ewma\" chooses \
                                     between two by their times, \"least_time\" among all"
                    .to_owned()
            }
            Self::Parameter { method, .. } => match method.as_str() {
                "random" => format!("it must be {RANDOM}"),
                "hash" => format!("it must be {HASH}"),
                "least_time" => format!("it must be {LEAST_TIME}"),
                method => format!("\"{method}\" has no parameters"),
            },
        }
    }
}
