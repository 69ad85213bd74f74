//! All metrics, in the order in which they are written.

use super::{
    heading::{Heading, Kind},
    sample::Samples,
};
use crate::{Head, Live, Peer, Upstream};

/// What a metric is of, and how its samples are written.
#[derive(Clone, Copy)]
pub enum Source {
    /// nginx, or the worker that answers.
    Head(fn(&Head, &mut Samples<'_>)),
    /// An upstream.
    Upstream(fn(&Upstream, &mut Samples<'_>)),
    /// An upstream, with what the watcher reports.
    Report(fn(&Upstream, &mut Samples<'_>)),
    /// The numbers of an upstream's peers by state.
    Counts,
    /// A peer.
    Peer(fn(&Peer<'_>, &mut Samples<'_>)),
    /// A variable of `etcd_variable`.
    Variable(fn(&Live, &mut Samples<'_>)),
    /// A variable of `etcd_geo`.
    Networks(fn(&Live, &mut Samples<'_>)),
    /// A variable of `etcd_map`.
    Map(fn(&Live, &mut Samples<'_>)),
}

/// A metric.
pub struct Family {
    /// Its name; without `_total`, which the samples of a counter have at the end.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its unit, with which the name ends.
    pub unit: Option<&'static str>,
    /// Its labels beside those of its [`Source`], separated by commas.
    pub labels: &'static str,
    /// What it says.
    pub help: &'static str,
    /// What it is of.
    pub source: Source,
}

impl core::fmt::Debug for Family {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(self.name)
    }
}

impl Family {
    /// What stands above its samples.
    pub(super) fn heading(&self) -> Heading {
        let Self { name, kind, unit, help, .. } = *self;
        Heading { name, kind, unit, help }
    }

    /// The name that its samples have; of a histogram the one that they begin with.
    pub fn full_name(&self) -> String {
        let suffix = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{}{suffix}", self.name)
    }

    /// All its labels but `le`, separated by commas.
    pub fn all_labels(&self) -> String {
        let of_source = match self.source {
            Source::Head(_) => "",
            Source::Upstream(_) | Source::Report(_) | Source::Counts => "upstream",
            Source::Peer(_) => "upstream, peer, address",
            Source::Variable(_) | Source::Networks(_) | Source::Map(_) => "name",
        };
        let both = [of_source, self.labels].into_iter().filter(|labels| !labels.is_empty());
        both.collect::<Vec<_>>().join(", ")
    }
}

pub(super) const fn gauge(name: &'static str, help: &'static str, source: Source) -> Family {
    Family { name, kind: Kind::Gauge, unit: None, labels: "", help, source }
}

pub(super) const fn counter(name: &'static str, help: &'static str, source: Source) -> Family {
    Family { kind: Kind::Counter, ..gauge(name, help, source) }
}

pub(super) const fn histogram(name: &'static str, help: &'static str, source: Source) -> Family {
    Family { kind: Kind::Histogram, ..gauge(name, help, source) }.in_unit("seconds")
}

impl Family {
    pub(super) const fn in_unit(self, unit: &'static str) -> Self {
        Self { unit: Some(unit), ..self }
    }

    pub(super) const fn by(self, labels: &'static str) -> Self {
        Self { labels, ..self }
    }
}
