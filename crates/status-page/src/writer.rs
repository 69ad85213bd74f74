//! The page, written in passes: the names of the upstreams with their states, the peers that fail
//! their checks, the upstreams in full, and the variables.

use status_document::{
    Counts, Head, Live, Over, Parts, Pass, Peer, Rows, Upstream, UpstreamKind, Writer,
};

use crate::{
    escape::push_text,
    figures::{self, push_facts},
    frame,
    parts::{
        push_changes, push_endpoints, push_live, push_live_head, push_rejected, push_table_end,
        push_unresolved,
    },
    rows,
    sentence::{Level, Notice, Summary},
    words::words,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Begin,
    /// The names and states of the upstreams.
    Names,
    /// The peers that fail their checks or are unavailable, for the sentences.
    Failing,
    /// The variables whose values are rejected, for the notices at the top.
    Rejected,
    RejectedNetworks,
    RejectedMaps,
    /// The upstreams in full.
    Upstreams,
    Variables,
    Networks,
    Maps,
    End,
}

/// Writes the status document as a page of HTML.
#[derive(Debug)]
pub struct PageWriter {
    stage: Stage,
    shows_peers: bool,
    now: f64,
    time_bounds: [f64; 7],
    publication_bounds: [f64; 7],
    /// What the first passes have found, a line for each upstream.
    summaries: Vec<Summary>,
    /// That of the upstream which is being gone through.
    current: Option<usize>,
    /// What its peers get.
    kind: UpstreamKind,
    /// The number of its section, for the link to it.
    number: usize,
    has_variables: bool,
    names_peers: bool,
    /// The variables whose values are rejected.
    rejected: Vec<Notice>,
}

impl PageWriter {
    /// A writer of the page with all peers, or, for `peers=0`, without them.
    #[must_use]
    pub fn new(shows_peers: bool) -> Self {
        Self {
            stage: Stage::Begin,
            shows_peers,
            now: 0.0,
            time_bounds: [0.0; 7],
            publication_bounds: [0.0; 7],
            summaries: Vec::new(),
            current: None,
            kind: UpstreamKind::default(),
            number: 0,
            has_variables: false,
            names_peers: false,
            rejected: Vec::new(),
        }
    }

    /// Whether the request names peers: the page has those alone, and says nothing of the others.
    #[must_use]
    pub fn naming_peers(mut self, names_peers: bool) -> Self {
        self.names_peers = names_peers;
        self
    }

    fn upstream_in_full(&mut self, upstream: &Upstream, out: &mut Vec<u8>) {
        // Each pass goes over the same upstreams.
        let unknown = Summary::of(upstream, self.names_peers);
        let summary = self.current.map_or(&unknown, |at| &self.summaries[at]);
        let notices = summary.notices(upstream);
        let number = self.number;
        let head = format!(
            "<section class=\"upstream\" aria-labelledby=\"upstream-{number}\">\
             <div class=\"head\"><h2 id=\"upstream-{number}\" tabindex=\"-1\">"
        );
        out.extend(head.as_bytes());
        push_text(out, &upstream.name);
        out.extend(b"</h2>");
        if let Some(level) = summary.badge() {
            let (class, words) = (level.class(), level.words());
            out.extend(format!("<span class=\"badge {class}\">{words}</span>").as_bytes());
        }
        let (kind, balance) = (upstream.kind.name(), upstream.balance);
        let rest = format!(
            "<span class=\"kind\">{kind}</span><span class=\"balance\">{balance}</span></div>\n\
             <p class=\"sentence\">"
        );
        out.extend(rest.as_bytes());
        push_text(out, &summary.sentence(upstream));
        out.extend(b"</p>\n");
        frame::push_notices(out, &notices, "");
        let name = &upstream.name;
        push_rejected(out, name, &upstream.rejected);
        let (unresolved, total) = (&upstream.unresolved, upstream.unresolved_total);
        push_unresolved(out, name, unresolved, total, self.now);
        out.extend(b"<div class=\"columns\"><div><h3>Last changes</h3>\n");
        push_changes(out, name, &upstream.changes);
        out.extend(b"</div><div><h3>etcd</h3>\n");
        push_endpoints(out, name, &upstream.endpoints);
        push_facts(out, &figures::etcd(upstream));
        out.extend(b"</div></div><div class=\"columns even\"><div><h3>Since the start</h3>\n");
        let traffic = figures::traffic(upstream, &self.time_bounds, &self.publication_bounds);
        push_facts(out, &traffic);
        out.extend(b"</div><div><h3>Memory and files</h3>\n");
        push_facts(out, &figures::memory(upstream));
        out.extend(b"</div></div>\n<h3>Peers</h3>\n");
        if self.shows_peers {
            rows::push_head(out, upstream);
        } else {
            out.extend(
                b"<p class=\"empty\">The peers are left out: the address of this page says \
                  peers=0.</p>\n",
            );
        }
    }

    fn end_of_stage(&mut self, out: &mut Vec<u8>) {
        if self.stage == Stage::Maps && self.has_variables {
            push_table_end(out);
            out.extend(b"</section>\n");
        }
    }
}

impl Writer for PageWriter {
    fn begin(&mut self, head: &Head, out: &mut Vec<u8>) {
        self.now = head.time;
        self.time_bounds = head.time_bounds;
        self.publication_bounds = head.publication_bounds;
        frame::push_begin(out, head);
    }

    fn next_pass(&mut self, out: &mut Vec<u8>) -> Option<Pass> {
        self.end_of_stage(out);
        self.stage = match self.stage {
            Stage::Begin => Stage::Names,
            Stage::Names if self.summaries.iter().any(Summary::has_named) => Stage::Failing,
            Stage::Names | Stage::Failing => Stage::Rejected,
            Stage::Rejected => Stage::RejectedNetworks,
            Stage::RejectedNetworks => Stage::RejectedMaps,
            Stage::RejectedMaps => Stage::Upstreams,
            Stage::Upstreams => Stage::Variables,
            Stage::Variables => Stage::Networks,
            Stage::Networks => Stage::Maps,
            Stage::Maps | Stage::End => Stage::End,
        };
        self.number = 0;
        let upstreams = |parts, rows| Some(Pass { over: Over::Upstreams, parts, rows });
        let live = |over| Some(Pass { over, parts: Parts::FEW, rows: Rows::None });
        match self.stage {
            Stage::Begin => None,
            Stage::Names => upstreams(Parts { report: true, changes: false }, Rows::Count),
            Stage::Failing => upstreams(Parts::FEW, Rows::Write),
            Stage::Upstreams => {
                frame::push_main(out, &self.rejected);
                let rows = if self.shows_peers { Rows::Write } else { Rows::None };
                upstreams(Parts::ALL, rows)
            }
            Stage::Rejected | Stage::Variables => live(Over::Variables),
            Stage::RejectedNetworks | Stage::Networks => live(Over::Networks),
            Stage::RejectedMaps | Stage::Maps => live(Over::Maps),
            Stage::End => {
                frame::push_end(out);
                None
            }
        }
    }

    fn upstream(&mut self, upstream: &Upstream, out: &mut Vec<u8>) {
        self.number += 1;
        self.kind = upstream.kind;
        self.current = self.summaries.iter().position(|known| known.name == upstream.name);
        match self.stage {
            Stage::Names => {
                self.current = Some(self.summaries.len());
                self.summaries.push(Summary::of(upstream, self.names_peers));
            }
            Stage::Upstreams => self.upstream_in_full(upstream, out),
            _ => {}
        }
    }

    fn peer(&mut self, peer: &Peer<'_>, out: &mut Vec<u8>) {
        if self.stage == Stage::Upstreams {
            rows::push_row(out, peer, words(self.kind), &self.time_bounds);
        } else if let Some(summary) = self.current.and_then(|at| self.summaries.get_mut(at)) {
            summary.note(peer, self.now);
        }
    }

    fn end_upstream(&mut self, counts: Option<&Counts>, out: &mut Vec<u8>) {
        match self.stage {
            Stage::Names => {
                let Some(summary) = self.current.and_then(|at| self.summaries.get_mut(at)) else {
                    return;
                };
                summary.counts = counts.copied().unwrap_or_default();
                frame::push_link(out, self.number, summary);
            }
            Stage::Upstreams => {
                if self.shows_peers {
                    rows::push_end(out);
                }
                out.extend(b"</section>\n");
            }
            _ => {}
        }
    }

    fn live(&mut self, live: &Live, out: &mut Vec<u8>) {
        if matches!(self.stage, Stage::Rejected | Stage::RejectedNetworks | Stage::RejectedMaps) {
            self.rejected.extend(live.rejected.as_ref().map(|reason| {
                (Level::Warn, format!("The value of {} is rejected: {reason}", live.name))
            }));
            let state =
                live.state.as_ref().and_then(|state| Some((state, state.trouble.as_ref()?)));
            self.rejected.extend(state.map(|(state, trouble)| {
                let text = format!("State file {} of {}: {trouble}", state.file, live.name);
                (Level::Warn, text)
            }));
            return;
        }
        if !self.has_variables {
            self.has_variables = true;
            push_live_head(out);
        }
        push_live(out, live);
    }
}
