//! The balancing methods, and how they are written.

use crate::{LeastTime, MethodError, ResponseTime};

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
                Self::by_time(time, rest)
            }
            // The former name.
            ["least_time", rest @ ..] | ["peak_ewma", rest @ ..] => (Self::PeakEwma, rest),
            [method, ..] => return Err(MethodError::Unknown((*method).to_owned())),
            [] => return Err(MethodError::NoMethod),
        };
        Self::without_more(method, args, rest)
    }

    /// As [`parse`](Self::parse), in nginx's stream: `least_time` goes by other times, and there is
    /// no `ip_hash`.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_in_stream(args: &[&str]) -> Result<Self, MethodError> {
        match args {
            ["ip_hash", ..] => Err(MethodError::IpHashInStream),
            ["least_time", time, rest @ ..] => {
                let time = match *time {
                    "connect" => ResponseTime::Connect,
                    "first_byte" => ResponseTime::FirstByte,
                    "last_byte" => ResponseTime::LastByte,
                    _ => return Err(MethodError::LeastTimeInStream),
                };
                let (method, rest) = Self::by_time(time, rest);
                Self::without_more(method, args, rest).map_err(|_| MethodError::LeastTimeInStream)
            }
            ["least_time"] => Err(MethodError::LeastTimeInStream),
            _ => Self::parse(args).map_err(|error| match error {
                MethodError::NoMethod => MethodError::UnknownInStream(None),
                MethodError::Unknown(method) => MethodError::UnknownInStream(Some(method)),
                error => error,
            }),
        }
    }

    /// `least_time`, with what follows the time and `inflight`.
    fn by_time<'a, 'b>(time: ResponseTime, rest: &'a [&'b str]) -> (Self, &'a [&'b str]) {
        let is_inflight = rest.first() == Some(&"inflight");
        let method = Self::LeastTime(LeastTime { time, is_inflight });
        (method, &rest[usize::from(is_inflight)..])
    }

    /// The method, if its arguments have no `rest`.
    fn without_more(method: Self, args: &[&str], rest: &[&str]) -> Result<Self, MethodError> {
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
            Self::LeastTime(LeastTime { time, is_inflight: false }) => match time {
                ResponseTime::Header => "least_time header",
                ResponseTime::Connect => "least_time connect",
                ResponseTime::FirstByte => "least_time first_byte",
                ResponseTime::LastByte => "least_time last_byte",
            },
            Self::LeastTime(LeastTime { time, is_inflight: true }) => match time {
                ResponseTime::Header => "least_time header inflight",
                ResponseTime::Connect => "least_time connect inflight",
                ResponseTime::FirstByte => "least_time first_byte inflight",
                ResponseTime::LastByte => "least_time last_byte inflight",
            },
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

    fn parse_in_stream(text: &str) -> Result<Method, String> {
        let args: Vec<&str> = text.split_whitespace().collect();
        Method::parse_in_stream(&args).map_err(|error| error.to_string())
    }

    #[test]
    fn methods_of_stream_are_read() {
        for (text, method) in [
            ("round_robin", Method::RoundRobin),
            ("random two", Method::RandomTwo),
            ("hash $remote_addr consistent", Method::HashConsistent),
            ("peak_ewma", Method::PeakEwma),
            ("least_time connect", least_time(ResponseTime::Connect, false)),
            ("least_time first_byte inflight", least_time(ResponseTime::FirstByte, true)),
            ("least_time last_byte", least_time(ResponseTime::LastByte, false)),
        ] {
            assert_eq!(parse_in_stream(text), Ok(method), "{text}");
            if text.starts_with("least_time") {
                assert_eq!(method.name(), text);
            }
        }
    }

    #[test]
    fn what_stream_has_not_is_refused() {
        for (text, advice) in [
            ("", "no method: it must be \"round_robin\", "),
            ("fastest", "unknown method \"fastest\": it must be \"round_robin\", "),
            ("ip_hash", "use \"hash $remote_addr consistent\""),
            ("least_time", "(\"connect\" | \"first_byte\" | \"last_byte\")"),
            ("least_time header", "(\"connect\" | \"first_byte\" | \"last_byte\")"),
            ("least_time connect 5", "(\"connect\" | \"first_byte\" | \"last_byte\")"),
        ] {
            let error = parse_in_stream(text).expect_err("it is refused");
            assert!(error.contains(advice) && !error.contains("ip_hash\","), "{text}: {error}");
        }
    }

    #[test]
    fn former_name_says_what_to_write() {
        let hint = Method::former_name(&["least_time"]).expect("a hint");
        assert!(hint.contains("\"peak_ewma\"") && hint.contains("\"least_time header\""), "{hint}");
    }

    #[test]
    fn messages_are_worded_so() {
        let methods = crate::method_error::METHODS;
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
