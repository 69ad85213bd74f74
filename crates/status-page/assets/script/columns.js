// The columns of the table of peers: what a cell shows, and what it is sorted by.

const STATES = ["up", "checking", "unhealthy", "unavailable", "drain", "down", "removed"];

function headerTime(peer, part, bounds) {
  return peer.statistics ? quantile(part, peer.statistics.header_time.counts, bounds) : null;
}

// Why a peer is left alone for a while.
function unavailableReason(peer) {
  const attempts = several(peer.max_fails, "attempt has", "attempts have");
  return `${attempts} failed (max_fails), tried again after fail_timeout=${peer.fail_timeout}s`;
}

// Why a peer gets no requests, or what else is worth knowing of it.
function remark(peer) {
  const parts = [];
  if (peer.state === "unhealthy" && peer.checks?.last_error) {
    parts.push(peer.checks.last_error);
  }
  if (peer.state === "unavailable") {
    parts.push(unavailableReason(peer));
  }
  if (peer.closes_in !== null && peer.connections > 0) {
    parts.push(peer.closes_in > 0 ? `closes in ${duration(peer.closes_in)}` : "closing");
  }
  if (peer.state === "up" && peer.share < 1) {
    parts.push(`slow start: ${Math.round(peer.share * 100)} %`);
  }
  if (peer.backup) {
    parts.push("backup");
  }
  if (peer.max_conns > 0 && peer.connections >= peer.max_conns) {
    parts.push(`at max_conns=${peer.max_conns}`);
  }
  return parts.join(", ");
}

// `value` is what is sorted by; `null` is last. `isText`: to the left, and by the language's order.
const COLUMNS = [
  { name: "key", title: "Peer", isText: true, value: (peer) => peer.key ?? "",
    text: (peer) => peer.key ?? "(server line)" },
  { name: "address", title: "Address", isText: true, value: (peer) => peer.address,
    text: (peer) => peer.address },
  { name: "state", title: "State", isText: true,
    value: (peer) => String(STATES.indexOf(peer.state)), text: (peer) => peer.state },
  { name: "since", title: "For", value: (peer) => peer.seconds_in_state,
    text: (peer) => age(peer.seconds_in_state) },
  { name: "weight", title: "Weight", value: (peer) => peer.weight,
    text: (peer) => count(peer.weight) },
  { name: "connections", title: "Open", hint: "open connections, over all workers",
    value: (peer) => peer.connections, text: (peer) => count(peer.connections) },
  { name: "rate", title: "Req/s", hint: "requests per second",
    value: (peer, context) => context.rate(peer), text: (peer, context) =>
      rate(context.rate(peer)) },
  { name: "requests", value: (peer) => peer.requests,
    text: (peer) => count(peer.requests) },
  { name: "failures", title: "Failed", value: (peer) => peer.failures,
    text: (peer) => count(peer.failures) },
  { name: "errors", title: "5xx", hint: "responses with a status from 500 to 599",
    value: (peer) => peer.statistics?.responses["5xx"] ?? null,
    text: (peer) => count(peer.statistics?.responses["5xx"]) },
  { name: "p50", title: "p50",
    value: (peer, context) => headerTime(peer, 0.5, context.bounds),
    text: (peer, context) => quantileText(headerTime(peer, 0.5, context.bounds), context.bounds) },
  { name: "p99", title: "p99",
    value: (peer, context) => headerTime(peer, 0.99, context.bounds),
    text: (peer, context) => quantileText(headerTime(peer, 0.99, context.bounds), context.bounds) },
  { name: "picked", title: "Picked", hint: "time since the peer was last picked",
    value: (peer) => peer.seconds_since_last_pick,
    text: (peer) => age(peer.seconds_since_last_pick) },
  { name: "remark", title: "Remark", isText: true, value: remark, text: remark },
];

// The columns of an upstream's peers, by what its figures are called.
function columnsOf(words) {
  const others = {
    requests: { title: words.heading },
    p50: { hint: `half ${words.hint} within this time` },
    p99: { hint: `99 % ${words.hint} within this time` },
    ...(words.hasStatuses ? {} : { rate: { title: "New/s", hint: "new sessions per second" } }),
  };
  return COLUMNS.filter(({ name }) => words.hasStatuses || name !== "errors")
    .map((column) => ({ ...column, ...others[column.name] }));
}

// Compares two values of a column; `null` is last in either direction.
function compare(one, other, column, direction) {
  if (one === null || other === null) {
    return one === other ? 0 : one === null ? 1 : -1;
  }
  const order = column.isText ? (one < other ? -1 : one > other ? 1 : 0) : one - other;
  return order * direction;
}

// What a filter's text is looked for in.
function searchText(peer) {
  const labels = Object.entries(peer.labels ?? {}).map(([name, value]) => `${name}=${value}`);
  return [peer.key ?? "", peer.address, peer.route ?? "", remark(peer), ...labels]
    .join("\n").toLowerCase();
}

// Gives each peer what identifies it: a key may have several addresses, and `server` lines have
// none, and may be repeated.
function identify(peers) {
  const seen = new Map();
  for (const peer of peers) {
    const name = JSON.stringify([peer.key, peer.address]);
    const nth = seen.get(name) ?? 0;
    seen.set(name, nth + 1);
    peer.id = `${name}${nth}`;
  }
  return peers;
}
