//! Samples of a family, as either format has them.

use std::io::Write;

use super::{
    heading::{Exposition, Heading, Kind},
    labels::{Labels, push_escaped},
};
use crate::Histogram;

/// What a sample says.
pub(super) trait Number {
    fn write(&self, out: &mut Vec<u8>);
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Number for $type {
            fn write(&self, out: &mut Vec<u8>) {
                // A vector takes all.
                let _ = write!(out, "{self}");
            }
        }
    )*};
}

integers!(u32, u64, usize);

impl Number for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(if *self { b'1' } else { b'0' });
    }
}

impl Number for f64 {
    fn write(&self, out: &mut Vec<u8>) {
        if self.is_infinite() {
            out.extend_from_slice(if *self > 0.0 { b"+Inf" } else { b"-Inf" });
        } else if self.is_nan() {
            out.extend_from_slice(b"NaN");
        } else {
            // A vector takes all.
            let _ = serde_json::to_writer(out, self);
        }
    }
}

/// Takes the samples of a family.
pub struct Samples<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) exposition: Exposition,
    pub(super) heading: Heading,
    pub(super) labels: &'a Labels,
    pub(super) time_bounds: &'a [f64; 7],
    pub(super) publication_bounds: &'a [f64; 7],
    pub(super) has_begun: bool,
}

impl Samples<'_> {
    /// A sample of a gauge or a counter, with labels beside those that all have.
    pub(super) fn add(&mut self, labels: &[(&str, &str)], number: impl Number) {
        let suffix = if self.heading.kind == Kind::Counter { "_total" } else { "" };
        self.sample(suffix, labels, number);
    }

    /// A sample without labels of its own.
    pub(super) fn one(&mut self, number: impl Number) {
        self.add(&[], number);
    }

    /// Samples with these counts, by the label of this name.
    pub(super) fn by_name<const N: usize>(
        &mut self,
        label: &str,
        counts: [(&'static str, u64); N],
    ) {
        for (name, count) in counts {
            self.add(&[(label, name)], count);
        }
    }

    /// One sample, for each of `states`: 1 for the present one, 0 for the others.
    pub(super) fn one_of(&mut self, label: &str, states: &[&str], present: Option<&str>) {
        for &state in states {
            self.add(&[(label, state)], present == Some(state));
        }
    }

    /// The samples of a histogram of header or response times.
    pub(super) fn times(&mut self, histogram: &Histogram) {
        self.histogram(histogram, self.time_bounds);
    }

    /// The samples of a histogram of publications.
    pub(super) fn publications(&mut self, histogram: &Histogram) {
        self.histogram(histogram, self.publication_bounds);
    }

    fn histogram(&mut self, histogram: &Histogram, bounds: &[f64; 7]) {
        let mut sum = 0_u64;
        for (index, count) in histogram.counts.iter().enumerate() {
            sum = sum.saturating_add(*count);
            let bound = bounds.get(index).copied().unwrap_or(f64::INFINITY);
            let mut text = Vec::new();
            bound.write(&mut text);
            self.sample("_bucket", &[("le", &String::from_utf8_lossy(&text))], sum);
        }
        self.sample("_sum", &[], histogram.sum);
        self.sample("_count", &[], sum);
    }

    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], number: impl Number) {
        self.begin();
        let out = &mut *self.out;
        out.extend_from_slice(self.heading.name.as_bytes());
        out.extend_from_slice(suffix.as_bytes());
        let common = self.labels.as_str();
        if !common.is_empty() || !labels.is_empty() {
            let mut text = String::new();
            for (name, value) in labels {
                if !common.is_empty() || !text.is_empty() {
                    text.push(',');
                }
                text.push_str(name);
                text.push_str("=\"");
                push_escaped(&mut text, value);
                text.push('"');
            }
            out.push(b'{');
            out.extend_from_slice(common.as_bytes());
            out.extend_from_slice(text.as_bytes());
            out.push(b'}');
        }
        out.push(b' ');
        number.write(out);
        out.push(b'\n');
    }

    /// A family that has no samples has no HELP and TYPE.
    fn begin(&mut self) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let Heading { name, kind, unit, help } = self.heading;
        // OpenMetrics names a counter's family without the end that its samples have.
        let suffix = match (kind, self.exposition) {
            (Kind::Counter, Exposition::Prometheus) => "_total",
            _ => "",
        };
        // A vector takes all.
        let _ = writeln!(self.out, "# HELP {name}{suffix} {help}");
        let _ = writeln!(self.out, "# TYPE {name}{suffix} {}", kind.name());
        if let (Some(unit), Exposition::OpenMetrics) = (unit, self.exposition) {
            let _ = writeln!(self.out, "# UNIT {name} {unit}");
        }
    }
}
