//! The balancing methods, and how they are written.

use thiserror::Error;

use crate::{LeastTime, ResponseTime};

/// What may be written as a method, for the message about something else.
const METHODS: &str = "\"round_robin\", \"least_conn\", \"random\" [\"two\" [\"least_conn\"]], \
                       \"hash\" KEY [\"consistent\"], \"ip_hash\", \"least_time\" (\"header\" | \
                       \"last_byte\") [\"inflight\"] or \"peak_ewma\"";

/// How `random` is written.
const RANDOM: &str = "\"random\" [\"two\" [\"least_conn\"]]";

/// How `hash` is written.
const HASH: &str = "\"hash\" KEY [\"consistent\"]";

/// How `least_time` is written.
const LEAST_TIME: &str = "\"least_time\" (\"header\" | \"last_byte\") [\"inflight\"]";

/// How a peer is chosen; the names are nginx's, where nginx has the method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Smooth and weighted.
    #[default]
    RoundRobin,
    /// The peer with the fewest open connections for its weight.
    LeastConn,
    /// Any, by weight.
    Random,
    /// Of two at random, by weight, the one with fewer open connections for its weight.
    RandomTwo,
    /// The peer with the least estimated time for its weight: its average response time multiplied
    /// by its open connections plus one.
    LeastTime(LeastTime),
    /// Of two at random, by weight, the one that answers sooner, by its recent response times and
    /// open connections.
    PeakEwma,
    /// By a key, which keeps its peer for as long as the peers stay the same.
    Hash,
    /// By a key, most of which keep their peers when one comes or goes (ketama).
    HashConsistent,
    /// By the client's address.
    IpHash,
}

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
            Self::Unknown(method) => format!("unknown method \"{method}\""),
            Self::NoKey => "\"hash\" has no key".to_owned(),
            Self::RandomTwoBy(argument) => {
                format!("\"random two {argument}\" is not supported")
            }
            Self::Parameter { method, argument } => {
                format!("invalid parameter \"{argument}\" of \"{method}\"")
            }
        }
    }

    /// What can be written instead.
    pub fn hint(&self) -> String {
        match self {
            Self::NoMethod | Self::Unknown(_) => format!("it must be {METHODS}"),
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

impl Method {
    /// The method that the arguments of a directive name, as `hash $request_uri consistent` does:
    /// `["hash", "$request_uri", "consistent"]`. The key of `hash` is the second argument, which
    /// is not looked at but for being there.
    ///
    /// # Errors
    ///
    /// No method, an unknown one, or one with arguments that it does not take.
    pub fn parse(args: &[&str]) -> Result<Self, MethodError> {
        let (method, rest) = match args {
            ["round_robin", rest @ ..] => (Self::RoundRobin, rest),
            ["least_conn", rest @ ..] => (Self::LeastConn, rest),
            ["random", "two", argument, ..] if argument.split('=').next() == Some("least_time") => {
                return Err(MethodError::RandomTwoBy((*argument).to_owned()));
            }
            ["random", "two", "least_conn", rest @ ..] | ["random", "two", rest @ ..] => {
                (Self::RandomTwo, rest)
            }
            ["random", rest @ ..] => (Self::Random, rest),
            ["hash"] | ["hash", "", ..] => return Err(MethodError::NoKey),
            ["hash", _, "consistent", rest @ ..] => (Self::HashConsistent, rest),
            ["hash", _, rest @ ..] => (Self::Hash, rest),
            ["ip_hash", rest @ ..] => (Self::IpHash, rest),
            ["least_time", time @ ("header" | "last_byte"), rest @ ..] => {
                let time =
                    if *time == "header" { ResponseTime::Header } else { ResponseTime::LastByte };
                let is_inflight = rest.first() == Some(&"inflight");
                let method = Self::LeastTime(LeastTime { time, is_inflight });
                (method, &rest[usize::from(is_inflight)..])
            }
            // The former name.
            ["least_time", rest @ ..] | ["peak_ewma", rest @ ..] => (Self::PeakEwma, rest),
            [method, ..] => return Err(MethodError::Unknown((*method).to_owned())),
            [] => return Err(MethodError::NoMethod),
        };
        match rest.first() {
            Some(argument) => Err(MethodError::Parameter {
                method: args[0].to_owned(),
                argument: (*argument).to_owned(),
            }),
            None => Ok(method),
        }
    }

    /// What is to be said of arguments that name a method as earlier versions did; they are valid.
    pub fn former_name(args: &[&str]) -> Option<&'static str> {
        (args == ["least_time"]).then_some(
            "\"least_time\" without a parameter is the former name of \"peak_ewma\": write \
             \"peak_ewma\", or \"least_time header\" or \"least_time last_byte\" for nginx's \
             method",
        )
    }

    /// Its name, as in `etcd_balance` but for the key of `hash`.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::LeastConn => "least_conn",
            Self::Random => "random",
            Self::RandomTwo => "random two",
            Self::LeastTime(LeastTime { time: ResponseTime::Header, is_inflight: false }) => {
                "least_time header"
            }
            Self::LeastTime(LeastTime { time: ResponseTime::Header, is_inflight: true }) => {
                "least_time header inflight"
            }
            Self::LeastTime(LeastTime { time: ResponseTime::LastByte, is_inflight: false }) => {
                "least_time last_byte"
            }
            Self::LeastTime(LeastTime { time: ResponseTime::LastByte, is_inflight: true }) => {
                "least_time last_byte inflight"
            }
            Self::PeakEwma => "peak_ewma",
            Self::Hash => "hash",
            Self::HashConsistent => "hash consistent",
            Self::IpHash => "ip_hash",
        }
    }

    /// By what it estimates, if it is `least_time`.
    #[inline]
    pub fn least_time(self) -> Option<LeastTime> {
        match self {
            Self::LeastTime(least_time) => Some(least_time),
            _ => None,
        }
    }

    /// Whether it goes by a key that is made of the request's variables.
    pub fn needs_key(self) -> bool {
        matches!(self, Self::Hash | Self::HashConsistent)
    }

    /// Whether it picks by a key or by the client's address.
    #[inline]
    pub fn goes_by_request(self) -> bool {
        matches!(self, Self::Hash | Self::HashConsistent | Self::IpHash)
    }

    /// Whether there is one peer to look at first, or one of two that are drawn, which gets the
    /// request if nothing is against it; `least_time` compares all.
    #[inline]
    pub fn looks_at_few(self) -> bool {
        !matches!(self, Self::LeastTime(_))
    }

    /// Whether it picks by how long peers take to answer.
    #[inline]
    pub fn goes_by_times(self) -> bool {
        matches!(self, Self::LeastTime(_) | Self::PeakEwma)
    }

    /// Whether it picks by ranges of a hash, as [`in_range`](crate::in_range) does.
    pub fn needs_ranges(self) -> bool {
        matches!(self, Self::Hash | Self::IpHash)
    }

    /// Whether it picks on a ring of [`points`](crate::points).
    pub fn needs_ring(self) -> bool {
        self == Self::HashConsistent
    }
}

#[cfg(test)]
mod tests {
    use super::{LeastTime, Method, ResponseTime};

    fn least_time(time: ResponseTime, is_inflight: bool) -> Method {
        Method::LeastTime(LeastTime { time, is_inflight })
    }

    fn parse(text: &str) -> Result<Method, String> {
        let args: Vec<&str> = text.split_whitespace().collect();
        Method::parse(&args).map_err(|error| error.to_string())
    }

    #[test]
    fn methods_are_read() {
        for (text, method) in [
            ("round_robin", Method::RoundRobin),
            ("least_conn", Method::LeastConn),
            ("random", Method::Random),
            ("random two", Method::RandomTwo),
            ("random two least_conn", Method::RandomTwo),
            ("least_time header", least_time(ResponseTime::Header, false)),
            ("least_time header inflight", least_time(ResponseTime::Header, true)),
            ("least_time last_byte", least_time(ResponseTime::LastByte, false)),
            ("least_time last_byte inflight", least_time(ResponseTime::LastByte, true)),
            ("peak_ewma", Method::PeakEwma),
            ("least_time", Method::PeakEwma),
            ("hash $request_uri", Method::Hash),
            ("hash $request_uri consistent", Method::HashConsistent),
            ("hash consistent", Method::Hash),
            ("ip_hash", Method::IpHash),
        ] {
            assert_eq!(parse(text), Ok(method), "{text}");
            assert_eq!(method.needs_key(), text.starts_with("hash"), "{text}");
            assert_eq!(method.goes_by_request(), text.contains("hash"), "{text}");
        }
    }

    /// Those that are shown can be written.
    #[test]
    fn names_are_read_as_their_methods() {
        for name in [
            "round_robin",
            "random two",
            "least_time header",
            "least_time header inflight",
            "least_time last_byte",
            "least_time last_byte inflight",
            "peak_ewma",
        ] {
            assert_eq!(parse(name).map(Method::name), Ok(name));
            assert_eq!(Method::former_name(&name.split(' ').collect::<Vec<_>>()), None);
        }
    }

    #[test]
    fn former_name_says_what_to_write() {
        let hint = Method::former_name(&["least_time"]).expect("a hint");
        assert!(hint.contains("\"peak_ewma\"") && hint.contains("\"least_time header\""), "{hint}");
    }

    #[test]
    fn messages_are_worded_so() {
        let methods = super::METHODS;
        for (text, message) in [
            ("", format!("no method: it must be {methods}")),
            ("fastest", format!("unknown method \"fastest\": it must be {methods}")),
            ("hash", "\"hash\" has no key: it must be \"hash\" KEY [\"consistent\"]".to_owned()),
            (
                "ip_hash x",
                "invalid parameter \"x\" of \"ip_hash\": \"ip_hash\" has no parameters".to_owned(),
            ),
            (
                "hash $a ketama",
                "invalid parameter \"ketama\" of \"hash\": it must be \"hash\" KEY \
                 [\"consistent\"]"
                    .to_owned(),
            ),
            (
                "random three",
                "invalid parameter \"three\" of \"random\": it must be \"random\" [\"two\" \
                 [\"least_conn\"]]"
                    .to_owned(),
            ),
            (
                "random two x",
                "invalid parameter \"x\" of \"random\": it must be \"random\" [\"two\" \
                 [\"least_conn\"]]"
                    .to_owned(),
            ),
            (
                "random two least_time=header",
                "\"random two least_time=header\" is not supported: \"random two\" takes \
                 \"least_conn\" only; \"peak_ewma\" chooses between two by their times, \
                 \"least_time\" among all"
                    .to_owned(),
            ),
            (
                "least_time 5",
                "invalid parameter \"5\" of \"least_time\": it must be \"least_time\" (\"header\" \
                 | \"last_byte\") [\"inflight\"]"
                    .to_owned(),
            ),
            (
                "least_time header inflight now",
                "invalid parameter \"now\" of \"least_time\": it must be \"least_time\" \
                 (\"header\" | \"last_byte\") [\"inflight\"]"
                    .to_owned(),
            ),
            (
                "peak_ewma header",
                "invalid parameter \"header\" of \"peak_ewma\": \"peak_ewma\" has no parameters"
                    .to_owned(),
            ),
        ] {
            assert_eq!(parse(text), Err(message), "{text}");
        }
    }
}
