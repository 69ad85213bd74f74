//! A variable whose value is in etcd.

use nginx_syntax::milliseconds;
pub(crate) use nginx_syntax::number;

/// What `etcd_variable` sets.
#[derive(Clone, Debug)]
pub(crate) struct VariableConf {
    /// The variable's name with the dollar sign, as it is written.
    pub(crate) name: String,
    /// The name of a cluster; that there is one of this name is checked at the end of the
    /// configuration.
    pub(crate) cluster: String,
    /// The whole key, with up to 512 bytes.
    pub(crate) key: String,
    /// `default=`: the value while etcd does not have the key.
    pub(crate) default: Option<String>,
    /// `initial=`: the value until the first list of etcd; without it, that is `default`.
    pub(crate) initial: Option<String>,
    /// `type=`: the type of all values.
    pub(crate) kind: ValueType,
    /// Where the directive stands: `in FILE:LINE`.
    pub(crate) place: String,
}

impl VariableConf {
    /// Whether the other one says the same, at another place.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let Self { name, cluster, key, default, initial, kind, place: _ } = self;
        name.eq_ignore_ascii_case(&other.name)
            && (cluster, key) == (&other.cluster, &other.key)
            && (default, initial, kind) == (&other.default, &other.initial, &other.kind)
    }
}

/// The type of the values of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueType {
    /// `text`: anything.
    Text,
    /// `number`: see [`number`].
    Number,
    /// `time`: see [`time`].
    Time,
}

impl ValueType {
    /// The type of this name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        match name {
            "text" => Some(Self::Text),
            "number" => Some(Self::Number),
            "time" => Some(Self::Time),
            _ => None,
        }
    }

    /// Its name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Time => "time",
        }
    }

    /// Whether a value is of this type.
    pub(crate) fn takes(self, value: &str) -> bool {
        match self {
            Self::Text => true,
            Self::Number => number::<u32>(value).is_some(),
            Self::Time => time(value).is_some(),
        }
    }
}

/// The longest time of `type=time`, in milliseconds, and as it is written: what is told by the
/// zone's clock for drains, which goes round in more than a year, of which this leaves most.
pub(crate) const LONGEST_TIME: (u64, &str) = (90 * 24 * 3_600_000, "90d");

/// The milliseconds of a time as nginx's directives take it, up to [`LONGEST_TIME`].
pub(crate) fn time(text: &str) -> Option<u64> {
    milliseconds(text).filter(|&time| time <= LONGEST_TIME.0)
}
