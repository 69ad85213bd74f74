//! The last changes alone, as JSON.

use super::{indented::Indented, parts::change};
use crate::{Counts, Head, Live, Over, Parts, Pass, Peer, Rows, Upstream, Writer};

/// Writes the last changes of each upstream.
#[derive(Debug, Default)]
pub struct ChangesWriter {
    json: Indented,
    has_begun: bool,
}

impl ChangesWriter {
    /// What it needs of an upstream.
    pub const PARTS: Parts = Parts { report: false, changes: true };
}

impl Writer for ChangesWriter {
    fn begin(&mut self, _head: &Head, out: &mut Vec<u8>) {
        self.json.begin(b'{', out);
        self.json.name("upstreams", out);
        self.json.begin(b'{', out);
    }

    fn next_pass(&mut self, out: &mut Vec<u8>) -> Option<Pass> {
        if self.has_begun {
            self.json.end(b'}', out);
            self.json.end(b'}', out);
            return None;
        }
        self.has_begun = true;
        Some(Pass { over: Over::Upstreams, parts: Self::PARTS, rows: Rows::None })
    }

    fn upstream(&mut self, upstream: &Upstream, out: &mut Vec<u8>) {
        self.json.name(&upstream.name, out);
        self.json.begin(b'{', out);
        self.json.field("changes_total", upstream.changes_total, out);
        self.json.list("changes", &upstream.changes, change, out);
    }

    fn peer(&mut self, _peer: &Peer<'_>, _out: &mut Vec<u8>) {}

    fn end_upstream(&mut self, _counts: Option<&Counts>, out: &mut Vec<u8>) {
        self.json.end(b'}', out);
    }

    fn live(&mut self, _live: &Live, _out: &mut Vec<u8>) {}
}
