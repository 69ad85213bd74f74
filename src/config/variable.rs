//! A variable whose value is in etcd.

use nginx_syntax::milliseconds;
pub(crate) use nginx_syntax::number;

/// What `etcd_variable` says.
#[derive(Clone, Debug)]
pub(crate) struct VariableConf {
    /// With the dollar sign, as it is written.
    pub(crate) name: String,
    /// The name of a cluster; that there is one of this name is checked at the end of the
    /// configuration.
    pub(crate) cluster: String,
    /// The key.
    pub(crate) key: String,
    /// The value where the key has none.
    pub(crate) default: Option<String>,
    /// The value until etcd has said whether the key has one; as `default` where it is not set.
    pub(crate) initial: Option<String>,
    /// What every value is.
    pub(crate) kind: Kind,
    /// Where the directive stands: `in FILE:LINE`.
    pub(crate) place: String,
}

/// What the values of a variable are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anything.
    Text,
    /// See [`number`].
    Number,
    /// See [`time`].
    Time,
}

impl Kind {
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        match name {
            "text" => Some(Self::Text),
            "number" => Some(Self::Number),
            "time" => Some(Self::Time),
            _ => None,
        }
    }

    /// The same as it stands in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Time => "time",
        }
    }

    /// Whether a value is of this kind.
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

/// The milliseconds of a time as nginx's directives take it.
pub(crate) fn time(text: &str) -> Option<u64> {
    milliseconds(text).filter(|&time| time <= LONGEST_TIME.0)
}
