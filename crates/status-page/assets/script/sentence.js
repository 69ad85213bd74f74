// What a person who opens the page wants to know first, in a sentence; and what needs attention.

// So many peers are named in a sentence.
const NAMED = 3;

// So many rejected values are in the document at most.
const REJECTED = 100;

const HELD = {
  another_cluster: "etcd was replaced by another cluster",
  older_state: "etcd was wiped, or restored from a backup",
  expired_leases: "too many leases expired at once",
};

function serving(upstream) {
  const states = upstream.peers_by_state;
  return states.up + (upstream.panic ? states.unhealthy : 0);
}

function members(upstream) {
  return upstream.peers_total - upstream.peers_by_state.removed;
}

function peersPhrase(upstream) {
  const all = members(upstream);
  if (NAMES_PEERS) {
    return `Only peers that the address of this page names are shown (${count(all)})`;
  }
  if (all === 0) {
    return "There are no peers";
  }
  const phrase = `${count(serving(upstream))} of ${several(all, "peer serves", "peers serve")}`;
  return upstream.panic ? `${phrase}, although all fail their checks (panic)` : phrase;
}

function listPhrase(upstream) {
  const seconds = upstream.seconds_since_last_word;
  if (seconds === null) {
    return "etcd has not answered yet";
  }
  const list = `list is ${duration(seconds)} old, revision ${upstream.revision}`;
  return upstream.connected ? list : `etcd is not watched: ${list}`;
}

// The first peers in a state.
function firstPeers(upstream, peers, state) {
  const found = [];
  if (upstream.peers_by_state[state] > 0) {
    for (let at = 0; at < peers.length && found.length < NAMED; at += 1) {
      if (peers[at].state === state) {
        found.push(peers[at]);
      }
    }
  }
  return found;
}

function unavailablePhrase(upstream, peers) {
  return firstPeers(upstream, peers, "unavailable").map((peer) =>
    `${peer.key ?? peer.address} is unavailable: ${unavailableReason(peer)}`).join("; ");
}

function failingPhrase(upstream, peers, now) {
  const failing = upstream.peers_by_state.unhealthy;
  if (failing === 0) {
    return null;
  }
  const found = firstPeers(upstream, peers, "unhealthy");
  const phrases = found.map((peer) => {
    const since = peer.seconds_in_state === null ? ""
      : ` since ${moment(now - peer.seconds_in_state, MINUTE)}`;
    const error = peer.checks?.last_error ? `: ${peer.checks.last_error}` : "";
    return `${peer.key ?? peer.address} fails its checks${since}${error}`;
  });
  const more = failing - found.length;
  if (more > 0) {
    const who = found.length > 0 ? `${count(more)} more` : several(more, "peer", "peers");
    phrases.push(`${who} ${more === 1 ? "fails its" : "fail their"} checks`);
  }
  return phrases.join("; ");
}

function sentence(upstream, peers, now) {
  const phrases = [peersPhrase(upstream), listPhrase(upstream),
    failingPhrase(upstream, peers, now), unavailablePhrase(upstream, peers)];
  return `${phrases.filter((phrase) => phrase).join("; ")}.`;
}

// What needs attention, each with how much: `bad` fails requests or changes, `warn` may soon.
function notices(upstream) {
  const found = [];
  const states = upstream.peers_by_state;
  const { many: what } = wordsOf(upstream.kind);
  if (upstream.trouble !== null) {
    found.push(["warn", upstream.trouble]);
  } else if (!upstream.connected) {
    found.push(["warn", "The prefix is not watched: changes are not seen."]);
  }
  const failed = upstream.endpoints.filter((one) => one.state === "failed").length;
  if (!upstream.connected && failed > 1) {
    found.push(["warn", `${count(failed)} of ${count(upstream.endpoints.length)} endpoints of ` +
      "etcd have failed: the table of endpoints says why."]);
  }
  if (upstream.panic) {
    found.push(["bad", `All peers fail their checks, and all get ${what} (panic).`]);
  }
  if (upstream.holding) {
    const { peers, reason, seconds_left: left } = upstream.holding;
    const time = left > 0 ? `for ${duration(left)} at most` : "until etcd can be watched";
    const keys = several(peers, "key", "keys");
    found.push(["warn", `The peers of ${keys} are held ${time}: ${HELD[reason] ?? reason}.`]);
  }
  if (upstream.zone.full) {
    const left = upstream.zone.left_out;
    found.push(["bad", left > 0
      ? `The zone is full: ${several(left, "peer does", "peers do")} not fit. Raise zone=.`
      : "The zone is full. Raise zone=."]);
  }
  if (upstream.state?.trouble) {
    found.push(["warn", `State file ${upstream.state.file}: ${upstream.state.trouble}`]);
  }
  const add = (number, one, many) => number > 0 &&
    found.push(["warn", `${several(number, one, many)}.`]);
  if (upstream.rejected.length >= REJECTED) {
    found.push(["warn", `At least ${count(REJECTED)} values are rejected.`]);
  } else {
    add(upstream.rejected.length, "value is rejected", "values are rejected");
  }
  add(upstream.unresolved_total, "host name is not resolved", "host names are not resolved");
  if (!NAMES_PEERS && serving(upstream) === 0) {
    found.push(["bad", `No peer serves: ${what} fail.`]);
  }
  add(states.unavailable, "peer is unavailable (max_fails)", "peers are unavailable (max_fails)");
  return found;
}

// Variables whose value in etcd is rejected.
function variableNotices({ variables, geo, maps }) {
  return [variables, geo, maps ?? {}].flatMap((all) => Object.entries(all))
    .filter(([, one]) => one.rejected !== null)
    .map(([name, one]) => ["warn", `The value of ${name} is rejected: ${one.rejected}`]);
}

const LEVELS = { good: "Serving", warn: "Needs attention", bad: "Failing" };

function level(upstream, found) {
  const isWarned = found.length > 0 || upstream.peers_by_state.unhealthy > 0;
  return found.some(([how]) => how === "bad") ? "bad" : isWarned ? "warn" : "good";
}
