//! What stands above the samples of a metric.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number that rises and falls.
    Gauge,
    /// A number that only increases until it is reset.
    Counter,
    /// Numbers of observations up to each of several bounds.
    Histogram,
}

impl Kind {
    /// Its name in both formats.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        }
    }
}

/// What stands above the samples of a metric.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heading {
    /// Without `_total`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: Option<&'static str>,
    pub(super) help: &'static str,
}

/// Which of the two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// The text format of Prometheus.
    Prometheus,
    /// OpenMetrics.
    OpenMetrics,
}
