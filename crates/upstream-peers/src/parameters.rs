//! nginx's parameters of a `server`.

use std::{fmt, sync::Arc};

use nginx_syntax::{number, seconds};
pub use peer_balance::{MAX_WEIGHT, Parameters};
use serde_json::Value as Json;
use thiserror::Error;

use crate::excerpt::Excerpt;

/// The longest `route`, in bytes: four times what nginx makes for a server without one, and more
/// than a node's name takes.
pub const MAX_ROUTE_LENGTH: usize = 128;

/// What a value, or `etcd_defaults`, sets of the [`Parameters`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// See [`Parameters::weight`].
    pub weight: Option<u32>,
    /// See [`Parameters::max_conns`].
    pub max_conns: Option<u32>,
    /// See [`Parameters::max_fails`].
    pub max_fails: Option<u32>,
    /// See [`Parameters::fail_timeout`].
    pub fail_timeout: Option<u32>,
    /// See [`Parameters::slow_start`].
    pub slow_start: Option<u32>,
    /// See [`Parameters::backup`].
    pub backup: Option<bool>,
    /// See [`Parameters::down`].
    pub down: Option<bool>,
    /// See [`Parameters::drain`].
    pub drain: Option<bool>,
    /// The name by which nginx's own `sticky` knows the peer: at most [`MAX_ROUTE_LENGTH`] bytes,
    /// all of them such as a cookie may have.
    pub route: Option<Arc<str>>,
}

/// What is wrong with a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParameterError {
    /// nginx has no such parameter, or not in this place.
    #[error("unknown parameter {0}")]
    Unknown(Excerpt),
    /// `weight` without `=5`.
    #[error("parameter \"{0}\" requires a value")]
    NoValue(&'static str),
    /// `backup=1`, which nginx's syntax does not have.
    #[error("parameter \"{0}\" takes no value")]
    TakesNoValue(&'static str),
    /// A value that is not of the parameter's type or outside of its range.
    #[error("invalid \"{name}\" {value}: it must be {expected}")]
    Invalid {
        /// The parameter.
        name: &'static str,
        /// What it is set to.
        value: Excerpt,
        /// What it may be set to.
        expected: &'static str,
    },
}

/// Where a parameter is kept, by its type.
enum Slot<'o> {
    Weight(&'o mut Option<u32>),
    Number(&'o mut Option<u32>),
    Time(&'o mut Option<u32>),
    Flag(&'o mut Option<bool>),
    Route(&'o mut Option<Arc<str>>),
}

/// All of them set.
impl From<Parameters> for Overrides {
    fn from(parameters: Parameters) -> Self {
        let Parameters {
            weight,
            max_conns,
            max_fails,
            fail_timeout,
            slow_start,
            backup,
            down,
            drain,
        } = parameters;
        Self {
            weight: Some(weight),
            max_conns: Some(max_conns),
            max_fails: Some(max_fails),
            fail_timeout: Some(fail_timeout),
            slow_start: Some(slow_start),
            backup: Some(backup),
            down: Some(down),
            drain: Some(drain),
            route: None,
        }
    }
}

impl Overrides {
    /// `defaults` with what is set here. A peer without a weight drains, whatever `drain` says.
    pub fn apply(&self, defaults: Parameters) -> Parameters {
        let weight = self.weight.unwrap_or(defaults.weight);
        Parameters {
            weight,
            max_conns: self.max_conns.unwrap_or(defaults.max_conns),
            max_fails: self.max_fails.unwrap_or(defaults.max_fails),
            fail_timeout: self.fail_timeout.unwrap_or(defaults.fail_timeout),
            slow_start: self.slow_start.unwrap_or(defaults.slow_start),
            backup: self.backup.unwrap_or(defaults.backup),
            down: self.down.unwrap_or(defaults.down),
            drain: weight == 0 || self.drain.unwrap_or(defaults.drain),
        }
    }

    /// Sets what one word of nginx's syntax says: `weight=5`, `fail_timeout=1m30s`, `backup`. Of
    /// several that set the same, the last one counts, as in nginx.
    ///
    /// # Errors
    ///
    /// A parameter that is unknown, or a value that it cannot have; nothing is set then.
    pub fn set_word(&mut self, word: &str) -> Result<(), ParameterError> {
        let (name, text) = match word.split_once('=') {
            Some((name, text)) => (name, Some(text)),
            None => (word, None),
        };
        let (name, slot) =
            self.slot(name).ok_or_else(|| ParameterError::Unknown(Excerpt::new(word)))?;
        match (slot, text) {
            (Slot::Flag(flag), None) => *flag = Some(true),
            (Slot::Flag(_), Some(_)) => return Err(ParameterError::TakesNoValue(name)),
            (_, None) => return Err(ParameterError::NoValue(name)),
            (slot, Some(text)) => {
                slot.set(text).map_err(|expected| invalid(name, text, expected))?
            }
        }
        Ok(())
    }

    /// Sets no value for the parameter `name`, so that the default applies.
    ///
    /// # Errors
    ///
    /// A parameter that is unknown.
    pub fn unset(&mut self, name: &str) -> Result<(), ParameterError> {
        let (_, slot) =
            self.slot(name).ok_or_else(|| ParameterError::Unknown(Excerpt::new(name)))?;
        match slot {
            Slot::Weight(slot) | Slot::Number(slot) | Slot::Time(slot) => *slot = None,
            Slot::Flag(flag) => *flag = None,
            Slot::Route(route) => *route = None,
        }
        Ok(())
    }

    /// Sets the parameter `name` to what a field of a JSON object says. Numbers may be strings of
    /// digits, times also numbers of seconds, flags also 1 and 0. Null sets nothing.
    ///
    /// Says whether there is such a parameter; otherwise nothing is set.
    ///
    /// # Errors
    ///
    /// A value that the parameter cannot have; nothing is set then.
    pub fn set_json(&mut self, name: &str, value: &Json) -> Result<bool, ParameterError> {
        let Some((name, slot)) = self.slot(name) else { return Ok(false) };
        let text = match value {
            Json::Null => return Ok(true),
            Json::String(text) => text.clone(),
            // Of these, a route would take the text for its own.
            Json::Bool(_) | Json::Array(_) | Json::Object(_) if matches!(slot, Slot::Route(_)) => {
                return Err(invalid(name, &value.to_string(), ROUTE));
            }
            // Numbers and flags as JSON are what they are as text; a list or an object is nothing
            // that a parameter takes.
            value => value.to_string(),
        };
        slot.set(&text).map_err(|expected| invalid(name, &text, expected))?;
        Ok(true)
    }

    /// The fields, as a JSON object names them, that are set.
    pub(crate) fn to_json(&self) -> impl Iterator<Item = (&'static str, Json)> {
        let numbers =
            self.numbers().into_iter().filter_map(|(name, number)| Some((name, number?.into())));
        let flags = self.flags().into_iter().filter_map(|(name, flag)| Some((name, flag?.into())));
        numbers.chain(flags).chain(self.route.as_deref().map(|route| ("route", route.into())))
    }

    /// Whether there is such a parameter, and it is a flag.
    pub(crate) fn has_flag(name: &str) -> bool {
        matches!(Self::default().slot(name), Some((_, Slot::Flag(_))))
    }

    fn slot(&mut self, name: &str) -> Option<(&'static str, Slot<'_>)> {
        Some(match name {
            "weight" => ("weight", Slot::Weight(&mut self.weight)),
            "max_conns" => ("max_conns", Slot::Number(&mut self.max_conns)),
            "max_fails" => ("max_fails", Slot::Number(&mut self.max_fails)),
            "fail_timeout" => ("fail_timeout", Slot::Time(&mut self.fail_timeout)),
            "slow_start" => ("slow_start", Slot::Time(&mut self.slow_start)),
            "backup" => ("backup", Slot::Flag(&mut self.backup)),
            "down" => ("down", Slot::Flag(&mut self.down)),
            "drain" => ("drain", Slot::Flag(&mut self.drain)),
            "route" => ("route", Slot::Route(&mut self.route)),
            _ => return None,
        })
    }

    fn numbers(&self) -> [(&'static str, Option<u32>); 5] {
        [
            ("weight", self.weight),
            ("max_conns", self.max_conns),
            ("max_fails", self.max_fails),
            ("fail_timeout", self.fail_timeout),
            ("slow_start", self.slow_start),
        ]
    }

    fn flags(&self) -> [(&'static str, Option<bool>); 3] {
        [("backup", self.backup), ("down", self.down), ("drain", self.drain)]
    }
}

impl fmt::Display for Overrides {
    /// In nginx's syntax, each with a space before it. That syntax has no word for a flag that is
    /// off.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, number) in self.numbers() {
            if let Some(number) = number {
                write!(formatter, " {name}={number}")?;
            }
        }
        if let Some(route) = &self.route {
            write!(formatter, " route={route}")?;
        }
        for (name, flag) in self.flags() {
            if flag == Some(true) {
                write!(formatter, " {name}")?;
            }
        }
        Ok(())
    }
}

impl Slot<'_> {
    /// Sets it to `text`, or says what was expected.
    fn set(self, text: &str) -> Result<(), &'static str> {
        match self {
            Slot::Weight(weight) => {
                let share = number(text).filter(|&share| share <= MAX_WEIGHT);
                *weight = Some(share.ok_or("a whole number from 0 to 65535")?);
            }
            Slot::Number(slot) => {
                *slot = Some(number(text).ok_or("a whole number below 4294967296")?)
            }
            Slot::Time(slot) => {
                let seconds = seconds(text).and_then(|seconds| u32::try_from(seconds).ok());
                *slot = Some(seconds.ok_or("a time in whole seconds, such as 10, 10s or 1m30s")?);
            }
            Slot::Flag(slot) => {
                *slot = Some(match text {
                    "true" | "1" => true,
                    "false" | "0" => false,
                    _ => return Err("true or false"),
                });
            }
            Slot::Route(route) => {
                *route = Some(Arc::from(Some(text).filter(|text| is_route(text)).ok_or(ROUTE)?))
            }
        }
        Ok(())
    }
}

/// What a route is.
const ROUTE: &str =
    "1 to 128 visible ASCII characters without quotation marks, commas, semicolons and backslashes";

/// What nginx can send in a cookie, and take back as it was: the `cookie-octet`s of RFC 6265.
fn is_route(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\');
    (1..=MAX_ROUTE_LENGTH).contains(&text.len()) && text.bytes().all(fits)
}

/// Whether a text is a number, also one that is no whole or no positive one.
pub(crate) fn is_number_text(text: &str) -> bool {
    // Not "inf" and "nan".
    let is_numeric = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    text.bytes().all(is_numeric) && text.parse::<f64>().is_ok()
}

fn invalid(name: &'static str, text: &str, expected: &'static str) -> ParameterError {
    ParameterError::Invalid { name, value: Excerpt::new(text), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(words: &str) -> Result<Overrides, ParameterError> {
        let mut overrides = Overrides::default();
        words.split(' ').try_for_each(|word| overrides.set_word(word))?;
        Ok(overrides)
    }

    #[test]
    fn words_set_their_parameters() {
        let all = "weight=65535 max_conns=7 max_fails=0 fail_timeout=1m30s slow_start=4294967295 \
                   backup down drain route=a=1";
        let overrides = set(all).expect("good");
        let parameters = Parameters {
            weight: 65535,
            max_conns: 7,
            max_fails: 0,
            fail_timeout: 90,
            slow_start: u32::MAX,
            backup: true,
            down: true,
            drain: true,
        };
        assert_eq!(overrides.apply(Parameters::default()), parameters);
        assert_eq!(Overrides::default().apply(parameters), parameters);
        assert_eq!(overrides.route.as_deref(), Some("a=1"));
        assert_eq!(set(overrides.to_string().trim_start()), Ok(overrides));
        assert_eq!(set("weight=1 weight=007").map(|overrides| overrides.weight), Ok(Some(7)));
    }

    #[test]
    fn what_is_unset_goes_by_the_default() {
        let mut overrides = set("weight=5 fail_timeout=3s drain route=a").expect("good");
        for name in ["weight", "fail_timeout", "drain", "route", "backup"] {
            assert_eq!(overrides.unset(name), Ok(()), "{name}");
        }
        assert_eq!(overrides, Overrides::default());
        let unknown = overrides.unset("resolve").map_err(|error| error.to_string());
        assert_eq!(unknown, Err("unknown parameter \"resolve\"".to_owned()));
    }

    #[test]
    fn without_a_weight_a_peer_drains() {
        let none = set("weight=0").expect("good");
        assert_eq!(none.to_string(), " weight=0");
        let parameters = none.apply(Parameters::default());
        assert_eq!((parameters.weight, parameters.drain), (0, true));
        let explicit = Overrides { drain: Some(false), ..none.clone() };
        assert!(explicit.apply(Parameters::default()).drain);
        assert!(!set("weight=1").expect("good").apply(Parameters::default()).drain);
        // One that does not say so goes by the others' default, and says what it has come to.
        let parameters = Overrides::default().apply(parameters);
        assert!(parameters.drain);
        assert_eq!(Overrides::from(parameters).apply(Parameters::default()), parameters);
    }

    #[test]
    fn bad_words_are_rejected() {
        for (word, message) in [
            ("weight", "parameter \"weight\" requires a value"),
            ("weight=", "invalid \"weight\" \"\": it must be a whole number from 0 to 65535"),
            (
                "weight=65536",
                "invalid \"weight\" \"65536\": it must be a whole number from 0 to 65535",
            ),
            ("weight=+1", "invalid \"weight\" \"+1\": it must be a whole number from 0 to 65535"),
            (
                "max_conns=4294967296",
                "invalid \"max_conns\" \"4294967296\": it must be a whole number below 4294967296",
            ),
            (
                "max_fails=-1",
                "invalid \"max_fails\" \"-1\": it must be a whole number below 4294967296",
            ),
            ("backup=1", "parameter \"backup\" takes no value"),
            ("route", "parameter \"route\" requires a value"),
            (
                "route=",
                "invalid \"route\" \"\": it must be 1 to 128 visible ASCII characters without \
                 quotation marks, commas, semicolons and backslashes",
            ),
            (
                "route=a,b",
                "invalid \"route\" \"a,b\": it must be 1 to 128 visible ASCII characters without \
                 quotation marks, commas, semicolons and backslashes",
            ),
            ("Weight=1", "unknown parameter \"Weight=1\""),
            ("resolve", "unknown parameter \"resolve\""),
            ("", "unknown parameter \"\""),
        ] {
            let mut overrides = Overrides::default();
            assert_eq!(
                overrides.set_word(word).map_err(|error| error.to_string()),
                Err(message.to_owned())
            );
            assert_eq!(overrides, Overrides::default(), "{word}");
        }
    }
}
