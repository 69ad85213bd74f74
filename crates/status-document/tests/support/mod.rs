//! A document with texts that mean something to parsers, and how it is written.

use std::collections::BTreeMap;

use proptest::prelude::*;
use status_document::{
    Change, Checks, Counts, Endpoint, Head, Health, Holding, HoldingReason, Live, LiveFigure,
    LiveKind, Over, Peer, PeerFigures, Rejection, Rows, State, StateFile, Unresolved, Upstream,
    UpstreamFigures, Writer,
};

/// Texts that parsers, terminals and browsers may take for more than text.
pub const HOSTILE: [&str; 9] = [
    "\"} 1\nforged{a=\"",
    "\\\",\\\"forged\\\":\\\"",
    "</script><script>alert(1)</script>",
    "\r\nnginx_etcd_forged 1\r\n",
    "\u{202e}desrever\u{2066}",
    "\0\u{1}\u{8}\u{7f}\u{9b}31m",
    "one\u{2028}two\u{2029}three\u{85}four",
    "# EOF\n",
    "👩‍👩‍👧‍👦 e\u{301}",
];

/// A text, hostile or of any kind.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![prop::sample::select(&HOSTILE[..]).prop_map(str::to_owned), any::<String>()]
}

/// What the document shows of a peer.
#[derive(Clone, Debug)]
pub struct OwnPeer {
    pub key: Option<String>,
    pub address: String,
    pub state: State,
    pub figures: Option<PeerFigures>,
    pub error: Option<String>,
    pub labels: BTreeMap<String, String>,
}

impl OwnPeer {
    fn peer<'a>(&'a self, labels: &'a [u8], number: u32) -> Peer<'a> {
        let checks = self.error.as_ref().map(|error| Checks {
            made: 9,
            failed: 1,
            last_error: Some(error.clone()),
            ..Checks::default()
        });
        Peer {
            key: self.key.as_deref().map(Into::into),
            address: self.address.as_str().into(),
            number,
            state: self.state,
            health: Health::Passing,
            share: 0.5,
            seconds_in_state: Some(1.5),
            requests: 7,
            statistics: self.figures,
            checks,
            route: self.key.as_deref().map(Into::into),
            labels: Some(labels),
            ..Peer::default()
        }
    }
}

pub fn figures() -> impl Strategy<Value = PeerFigures> {
    any::<([u32; 5], u32, [u32; 8], f32)>().prop_map(|(responses, retries, counts, sum)| {
        let mut figures = PeerFigures { retries: retries.into(), ..PeerFigures::default() };
        figures.responses = responses.map(u64::from);
        figures.header_time.counts = counts.map(u64::from);
        figures.header_time.sum = f64::from(sum.abs().min(1e9));
        figures
    })
}

pub fn peers() -> impl Strategy<Value = Vec<OwnPeer>> {
    let peer = (
        prop::option::of(text()),
        text(),
        prop::sample::select(&State::ALL[..]),
        prop::option::of(figures()),
        prop::option::of(text()),
        prop::collection::btree_map(text(), text(), 0..3),
    )
        .prop_map(|(key, address, state, figures, error, labels)| OwnPeer {
            key,
            address,
            state,
            figures,
            error,
            labels,
        });
    prop::collection::vec(peer, 0..6)
}

/// An upstream with this text wherever there can be one.
pub fn upstream(name: &str, text: &str) -> Upstream {
    let own = || text.to_owned();
    Upstream {
        name: name.to_owned(),
        cluster: own(),
        prefix: own(),
        balance: "round_robin",
        rejected: vec![Rejection { key: own(), reason: own() }],
        unresolved: vec![Unresolved {
            key: own(),
            name: own(),
            reason: Some(own()),
            ..Unresolved::default()
        }],
        endpoint: Some(own()),
        endpoints: vec![Endpoint {
            url: own(),
            state: Endpoint::STATES[0].into(),
            trouble: Some(own()),
        }],
        trouble: Some(own()),
        holding: Some(Holding { reason: HoldingReason::OlderState, seconds_left: 1.5, peers: 3 }),
        state: Some(state_file(text)),
        statistics: Some(UpstreamFigures::default()),
        changes_total: 1,
        changes: vec![Change {
            number: 1,
            added: vec![own()],
            cause: "event".into(),
            detail: Some(own()),
            ..Change::default()
        }],
        ..Upstream::default()
    }
}

fn state_file(text: &str) -> StateFile {
    StateFile { file: text.to_owned(), trouble: Some(text.to_owned()), revision: Some(4) }
}

pub fn live(kind: LiveKind, name: &str, text: &str) -> Live {
    let figure = match kind {
        LiveKind::Key => ("set", LiveFigure::Flag(true)),
        LiveKind::Prefix => ("networks", LiveFigure::Number(3)),
        LiveKind::Map => ("entries", LiveFigure::Number(4)),
    };
    Live {
        name: name.to_owned(),
        cluster: text.to_owned(),
        kind,
        path: text.to_owned(),
        figures: BTreeMap::from([figure]),
        revision: Some(8),
        rejected_total: 2,
        rejected: Some(text.to_owned()),
        held: None,
        state: (kind == LiveKind::Map).then(|| state_file(text)),
    }
}

/// What a writer makes of upstreams with these peers, in pieces of one call each.
pub fn write(
    writer: &mut dyn Writer,
    upstreams: &[(Upstream, Vec<OwnPeer>)],
    text: &str,
) -> String {
    let mut all = Vec::new();
    let mut out = Vec::new();
    let mut take = |out: &mut Vec<u8>| all.append(out);
    let head = Head {
        version: "0.1.0",
        nginx_version: text.to_owned(),
        time_bounds: [0.001, 0.01, 0.1, 0.5, 1.0, 2.0, 10.0],
        publication_bounds: [0.001, 0.01, 0.1, 0.5, 1.0, 2.0, 10.0],
        ..Head::default()
    };
    writer.begin(&head, &mut out);
    while let Some(pass) = writer.next_pass(&mut out) {
        take(&mut out);
        match pass.over {
            Over::Upstreams => {
                for (upstream, peers) in upstreams {
                    writer.upstream(upstream, &mut out);
                    take(&mut out);
                    let mut counts = Counts::default();
                    let mut seen = BTreeMap::new();
                    for peer in peers {
                        counts.add(peer.state);
                        let number = seen.entry((&peer.key, &peer.address)).or_insert(0);
                        *number += 1;
                        if pass.rows == Rows::Write {
                            let labels = serde_json::to_vec(&peer.labels).expect("texts");
                            writer.peer(&peer.peer(&labels, *number), &mut out);
                            take(&mut out);
                        }
                    }
                    let counts = (pass.rows != Rows::None).then_some(counts);
                    writer.end_upstream(counts.as_ref(), &mut out);
                    take(&mut out);
                }
            }
            Over::Variables => writer.live(&live(LiveKind::Key, "$a", text), &mut out),
            Over::Networks => writer.live(&live(LiveKind::Prefix, "$b", text), &mut out),
            Over::Maps => writer.live(&live(LiveKind::Map, "$c", text), &mut out),
        }
        take(&mut out);
    }
    take(&mut out);
    String::from_utf8(all).expect("UTF-8")
}
