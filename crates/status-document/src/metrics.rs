//! The document as metrics: the text format of Prometheus, version 0.0.4, and OpenMetrics 1.0.

mod families;
mod heading;
mod labels;
mod sample;
mod table;

use core::array;
use std::iter::Flatten;

use self::labels::Labels;
pub use self::{
    families::metrics,
    heading::{Exposition, Kind},
    sample::Samples,
    table::{Family, Source},
};
use crate::{Counts, Head, Live, Over, Parts, Pass, Peer, Rows, State, Upstream, Writer};

/// Writes the document as metrics. All samples of a metric stand together in both formats, so that
/// each metric takes a pass.
#[derive(Debug)]
pub struct MetricsWriter {
    exposition: Exposition,
    has_rows: bool,
    /// The families that have not been written.
    left: Flatten<array::IntoIter<&'static [Family], 4>>,
    family: &'static Family,
    /// Whether the family's HELP and TYPE have been written.
    has_begun: bool,
    /// Labels that all samples of the present upstream or peer have.
    labels: Labels,
    time_bounds: [f64; 7],
    publication_bounds: [f64; 7],
}

impl MetricsWriter {
    /// With the metrics of each peer, or without.
    pub fn new(exposition: Exposition, has_rows: bool) -> Self {
        Self {
            exposition,
            has_rows,
            left: families::OTHERS.into_iter().flatten(),
            family: &families::OF_HEAD[0],
            has_begun: false,
            labels: Labels::default(),
            time_bounds: [0.0; 7],
            publication_bounds: [0.0; 7],
        }
    }

    /// Calls `write` with what takes samples of the present family.
    fn samples(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Samples<'_>)) {
        let mut samples = Samples {
            out,
            exposition: self.exposition,
            heading: self.family.heading(),
            labels: &self.labels,
            time_bounds: &self.time_bounds,
            publication_bounds: &self.publication_bounds,
            has_begun: self.has_begun,
        };
        write(&mut samples);
        self.has_begun = samples.has_begun;
    }

    fn begin_family(&mut self, family: &'static Family) {
        (self.family, self.has_begun) = (family, false);
    }
}

impl Writer for MetricsWriter {
    fn begin(&mut self, head: &Head, out: &mut Vec<u8>) {
        self.time_bounds = head.time_bounds;
        self.publication_bounds = head.publication_bounds;
        for family in families::OF_HEAD {
            if let Source::Head(write) = family.source {
                self.begin_family(family);
                self.samples(out, |samples| write(head, samples));
            }
        }
    }

    fn next_pass(&mut self, out: &mut Vec<u8>) -> Option<Pass> {
        while let Some(family) = self.left.next() {
            self.begin_family(family);
            let (over, parts, rows) = match self.family.source {
                Source::Upstream(_) => (Over::Upstreams, Parts::FEW, Rows::None),
                Source::Report(_) => {
                    (Over::Upstreams, Parts { report: true, ..Parts::FEW }, Rows::None)
                }
                Source::Counts => (Over::Upstreams, Parts::FEW, Rows::Count),
                Source::Peer(_) if self.has_rows => (Over::Upstreams, Parts::FEW, Rows::Write),
                Source::Variable(_) => (Over::Variables, Parts::FEW, Rows::None),
                Source::Networks(_) => (Over::Networks, Parts::FEW, Rows::None),
                Source::Map(_) => (Over::Maps, Parts::FEW, Rows::None),
                Source::Head(_) | Source::Peer(_) => continue,
            };
            return Some(Pass { over, parts, rows });
        }
        if self.exposition == Exposition::OpenMetrics {
            out.extend_from_slice(b"# EOF\n");
        }
        None
    }

    fn upstream(&mut self, upstream: &Upstream, out: &mut Vec<u8>) {
        self.labels.clear();
        self.labels.add("upstream", &upstream.name);
        if let Source::Upstream(write) | Source::Report(write) = self.family.source {
            self.samples(out, |samples| write(upstream, samples));
        }
    }

    fn peer(&mut self, peer: &Peer<'_>, out: &mut Vec<u8>) {
        let Source::Peer(write) = self.family.source else { return };
        let of_upstream = self.labels.mark();
        self.labels.add("peer", peer.key.as_deref().unwrap_or_default());
        self.labels.add("address", &peer.address);
        if peer.number > 1 {
            self.labels.add("number", &peer.number.to_string());
        }
        self.samples(out, |samples| write(peer, samples));
        self.labels.return_to(of_upstream);
    }

    fn end_upstream(&mut self, counts: Option<&Counts>, out: &mut Vec<u8>) {
        if let (Source::Counts, Some(counts)) = (self.family.source, counts) {
            self.samples(out, |samples| {
                for state in State::ALL {
                    samples.add(&[("state", state.name())], counts.of(state));
                }
            });
        }
    }

    fn live(&mut self, live: &Live, out: &mut Vec<u8>) {
        self.labels.clear();
        self.labels.add("name", &live.name);
        if let Source::Variable(write) | Source::Networks(write) | Source::Map(write) =
            self.family.source
        {
            self.samples(out, |samples| write(live, samples));
        }
    }
}
