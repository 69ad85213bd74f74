//! A document that is written in steps.

use std::time::{SystemTime, UNIX_EPOCH};

use ngx::ffi::{NGINX_VERSION, ngx_pid};
use peer_statistics::{PUBLICATION_BOUNDS, TIME_BOUNDS};
use peer_zone::{PeerRow, Table};
use status_document::{Counts, Head, Live, Over, Pass, Rows, Writer};

use super::{
    live::{describe as describe_live, settings_of, variables},
    peer::{Describing, state},
    upstream::{describe, name},
    walk::{Go, Visitor, Walk},
};
use crate::{
    config::{GeoConf, MapConf, SettingsConf, VariableConf},
    live::LiveVariable,
    nginx::clock,
    process,
    upstream::{CoreConf, Upstream, tls_sessions},
};

/// So much of a document is in memory at a time, and is given to nginx at once.
pub(super) const PIECE: usize = 16 * 1024;

/// A piece is large enough when a row of usual length more would not fit.
const ENOUGH: usize = PIECE - 2 * 1024;

/// So long a step takes at most, in microseconds of the event loop, apart from what nginx does with
/// the piece.
const STEP: u64 = 250;

/// Where the document is.
enum Place {
    Beginning,
    BetweenPasses,
    /// Before this upstream.
    Upstream(Pass, usize),
    /// Among the peers of the one before this upstream.
    Peers(Pass, usize, Box<Walk>, Counts),
    /// Before this variable.
    Variable(usize),
    /// Before these networks.
    Networks(usize),
    /// Before this map.
    Map(usize),
    End,
}

/// A document.
pub(super) struct Document {
    writer: Box<dyn Writer>,
    /// Each with the number of peers that its zone had had when the document began.
    upstreams: Vec<(&'static Upstream, u64)>,
    variables: Vec<LiveVariable<VariableConf>>,
    networks: Vec<LiveVariable<GeoConf>>,
    maps: Vec<LiveVariable<MapConf>>,
    /// Of the groups of upstreams.
    settings: Vec<LiveVariable<SettingsConf>>,
    /// The keys of the only peers that are wanted; none: all.
    keys: Vec<String>,
    place: Place,
}

/// What a step writes to, and how long it may go on.
struct Step<'a> {
    out: &'a mut Vec<u8>,
    until: u64,
}

impl Step<'_> {
    fn go(&self) -> Go {
        let is_over = self.out.len() >= ENOUGH || clock::microseconds() >= self.until;
        if is_over { Go::Pause } else { Go::On }
    }
}

/// The peers of an upstream, as a step writes them.
struct Peers<'a, 'b> {
    step: &'a mut Step<'b>,
    writer: &'a mut dyn Writer,
    rows: Rows,
    counts: &'a mut Counts,
    describing: Describing,
}

impl Visitor for Peers<'_, '_> {
    fn visit(&mut self, table: &Table<'_>, row: &PeerRow<'_>, position: usize, index: usize) {
        self.counts.add(state(row, self.describing.now));
        if self.rows == Rows::Write {
            let peer = self.describing.peer(table, row, index, table.number_of(position));
            self.writer.peer(&peer, self.step.out);
        }
    }

    fn go(&mut self) -> Go {
        self.step.go()
    }
}

impl Document {
    /// A document of these upstreams, with the peers that have these keys, or all if there is none.
    pub(super) fn new(
        core: &'static CoreConf,
        upstreams: Vec<&'static Upstream>,
        keys: Vec<String>,
        writer: Box<dyn Writer>,
    ) -> Self {
        Self {
            writer,
            upstreams: upstreams.into_iter().map(with_last_id).collect(),
            variables: variables(core),
            networks: variables(core),
            maps: variables(core),
            settings: core.live_of().collect(),
            keys,
            place: Place::Beginning,
        }
    }

    /// Whether all is written.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.place, Place::End)
    }

    /// Writes more to `out`, for one step of the event loop. Nothing that it reads is pinned
    /// afterwards.
    pub(super) fn step(&mut self, out: &mut Vec<u8>) {
        let mut step = Step { out, until: clock::microseconds() + STEP };
        loop {
            self.write(&mut step);
            if self.is_over() || step.go() == Go::Pause {
                return;
            }
        }
    }

    fn write(&mut self, step: &mut Step<'_>) {
        let place = std::mem::replace(&mut self.place, Place::End);
        self.place = match place {
            Place::Beginning => {
                self.writer.begin(&head(), step.out);
                Place::BetweenPasses
            }
            Place::BetweenPasses => match self.writer.next_pass(step.out) {
                Some(pass @ Pass { over: Over::Upstreams, .. }) => Place::Upstream(pass, 0),
                Some(Pass { over: Over::Variables, .. }) => Place::Variable(0),
                Some(Pass { over: Over::Networks, .. }) => Place::Networks(0),
                Some(Pass { over: Over::Maps, .. }) => Place::Map(0),
                None => Place::End,
            },
            Place::Upstream(pass, at) => self.begin_upstream(pass, at, step),
            Place::Peers(pass, at, walk, counts) => self.go_on(pass, at, walk, counts, step),
            Place::Variable(at) => {
                self.live(self.variables.get(at).map(describe_live), Place::Variable(at + 1), step)
            }
            Place::Networks(at) => {
                self.live(self.networks.get(at).map(describe_live), Place::Networks(at + 1), step)
            }
            Place::Map(at) => {
                self.live(self.maps.get(at).map(describe_live), Place::Map(at + 1), step)
            }
            Place::End => Place::End,
        };
    }

    /// Writes a live variable, if there is one more and its memory is mapped; `next` is the place
    /// behind it.
    fn live(&mut self, live: Option<Option<Live>>, next: Place, step: &mut Step<'_>) -> Place {
        let Some(described) = live else { return Place::BetweenPasses };
        if let Some(live) = described {
            self.writer.live(&live, step.out);
        }
        next
    }

    fn begin_upstream(&mut self, pass: Pass, at: usize, step: &mut Step<'_>) -> Place {
        let Some(&(upstream, last_id)) = self.upstreams.get(at) else {
            return Place::BetweenPasses;
        };
        let settings = settings_of(upstream, &self.settings);
        let Some(described) = describe(upstream, settings, pass.parts) else {
            return Place::Upstream(pass, at + 1);
        };
        self.writer.upstream(&described, step.out);
        let zone = (pass.rows != Rows::None).then(|| upstream.zone()).flatten();
        let Some(zone) = zone else {
            self.writer.end_upstream(None, step.out);
            return Place::Upstream(pass, at + 1);
        };
        let walk = Box::new(Walk::new(&zone, &self.keys, last_id));
        Place::Peers(pass, at + 1, walk, Counts::default())
    }

    fn go_on(
        &mut self,
        pass: Pass,
        next: usize,
        mut walk: Box<Walk>,
        mut counts: Counts,
        step: &mut Step<'_>,
    ) -> Place {
        let upstream = next.checked_sub(1).and_then(|at| self.upstreams.get(at));
        let writer = &mut *self.writer;
        let has_gone_on = upstream.and_then(|(upstream, _)| {
            upstream.with_worker(|worker| {
                let zone = *worker.zone();
                // Before the first list there is none.
                let Some(table) = worker.table() else { return false };
                let describing = Describing::new(upstream, &table);
                drop(table);
                let mut peers =
                    Peers { step, writer, rows: pass.rows, counts: &mut counts, describing };
                let mut went = Go::On;
                while went == Go::On && !walk.is_done() {
                    let Some(table) = worker.table() else { return false };
                    went = walk.go_on(table, &zone, &mut peers);
                }
                true
            })
        });
        if has_gone_on == Some(true) && !walk.is_done() {
            return Place::Peers(pass, next, walk, counts);
        }
        self.writer.end_upstream(Some(&counts), step.out);
        Place::Upstream(pass, next)
    }
}

fn with_last_id(upstream: &'static Upstream) -> (&'static Upstream, u64) {
    (upstream, upstream.zone().map_or(0, |zone| zone.last_id()))
}

fn head() -> Head {
    let watcher = process::watcher_process();
    let (idle_connections, tls_sessions) = (process::idle_connections(), tls_sessions::count());
    Head {
        version: env!("CARGO_PKG_VERSION"),
        nginx_version: NGINX_VERSION.to_string_lossy().into_owned(),
        time: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |time| time.as_millis() as f64 / 1_000.0),
        // SAFETY: nginx sets it when a process starts. A process id is positive.
        pid: unsafe { ngx_pid } as u32,
        idle_connections,
        tls_sessions,
        watcher_pid: (watcher != 0).then_some(watcher),
        time_bounds: TIME_BOUNDS,
        publication_bounds: PUBLICATION_BOUNDS,
    }
}

/// The upstreams of a cycle by name: those of these names, or all if there is none.
///
/// # Errors
///
/// A name that no upstream with `etcd` has.
pub(super) fn named<'n>(
    core: &'static CoreConf,
    names: &'n [String],
) -> Result<Vec<&'static Upstream>, &'n str> {
    let mut upstreams: Vec<&'static Upstream> =
        core.upstreams.iter().filter(|upstream| upstream.settings().etcd.is_some()).collect();
    upstreams.sort_by(|one, other| name(one).cmp(name(other)));
    for wanted in names {
        if !upstreams.iter().any(|upstream| name(upstream) == wanted) {
            return Err(wanted);
        }
    }
    if !names.is_empty() {
        upstreams.retain(|upstream| names.iter().any(|wanted| name(upstream) == wanted));
    }
    Ok(upstreams)
}
