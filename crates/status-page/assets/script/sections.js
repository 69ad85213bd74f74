// What an upstream has beside its peers: changes, values that are not used, etcd, memory.

const CAUSES = {
  event: "event", list: "list", start: "start", hold_ended: "hold ended", expiry: "expiry",
  check: "check", names: "host name",
};

const ENDPOINT_STATES = { in_use: "in use", standby: "standby", failed: "failed" };

function noticeItem([how, text]) {
  return element("li", { class: how },
    element("span", { class: "mark", "aria-hidden": "true" }), text);
}

function keysOf(change) {
  const kinds = [["+", "added", change.added], ["−", "removed", change.removed],
    ["~", "changed", change.changed]];
  const lists = kinds.filter(([, , keys]) => keys.length > 0).map(([sign, word, keys]) =>
    element("span", { class: `keys ${word}` },
      element("span", { class: "sign", "aria-hidden": "true" }, sign),
      element("span", { class: "hidden" }, `${word}: `), keys.join(", ")));
  if (change.omitted > 0) {
    lists.push(element("span", { class: "keys" }, `and ${count(change.omitted)} more`));
  }
  if (change.detail) {
    lists.push(element("span", { class: "keys detail" }, change.detail));
  }
  return element("div", { class: "what" }, ...lists);
}

function changesPart(changes, caption) {
  if (changes.length === 0) {
    return element("p", { class: "empty" }, "No change is known.");
  }
  return table(caption, ["Time", "Revision", "Cause", "What"], changes.map((change) => [
    timeElement(change.time), String(change.revision), CAUSES[change.cause] ?? change.cause,
    keysOf(change)]), "changes");
}

function rejectedPart({ rejected, unresolved, unresolved_total: total }, name) {
  const parts = [];
  if (rejected.length > 0) {
    const first = rejected.length >= REJECTED ? ` (the first ${count(REJECTED)})` : "";
    parts.push(element("h3", {}, `Rejected values${first}`),
      table(`Rejected values of ${name}`, ["Key", "Reason"],
        rejected.map((one) => [one.key, one.reason])));
  }
  if (unresolved.length > 0) {
    const more = total > unresolved.length ? ` (the first ${count(unresolved.length)})` : "";
    const rows = unresolved.map((one) => [one.key, one.name, count(one.addresses),
      timeElement(one.since), one.reason ?? "no answer yet"]);
    parts.push(element("h3", {}, `Host names that are not resolved${more}`),
      table(`Host names of ${name} that are not resolved`,
        ["Key", "Name", "Addresses", "Since", "Reason"], rows));
  }
  return parts;
}

function endpointsPart(endpoints, caption) {
  if (endpoints.length === 0) {
    return element("p", { class: "empty" }, "No endpoint is known yet.");
  }
  const hasTrouble = endpoints.some((one) => one.trouble !== null);
  const headings = ["Endpoint", "State", ...(hasTrouble ? ["Trouble and remedy"] : [])];
  return table(caption, headings, endpoints.map((one) => [one.url,
    element("span", { class: `endpoint ${one.state}` },
      element("span", { class: "mark", "aria-hidden": "true" }),
      ENDPOINT_STATES[one.state] ?? one.state),
    ...(hasTrouble ? [one.trouble ?? ""] : [])]), "endpoints");
}

// Names and values that change each second.
class Facts {
  #values = new Map();

  constructor() {
    this.list = element("dl", { class: "facts" });
  }

  show(rows) {
    const names = new Set(rows.map(([name]) => name));
    for (const [name, { term, value }] of this.#values) {
      if (!names.has(name)) {
        term.remove();
        value.remove();
        this.#values.delete(name);
      }
    }
    for (const [name, text] of rows) {
      let row = this.#values.get(name);
      if (!row) {
        row = { term: element("dt", {}, name), value: element("dd", {}) };
        this.#values.set(name, row);
        this.list.append(row.term, row.value);
      }
      setText(row.value, text);
    }
  }
}

function etcdFacts(upstream) {
  const lists = nonzero(upstream.resyncs);
  return [
    ["Cluster", upstream.cluster],
    ["Prefix", upstream.prefix],
    ["Watched", upstream.connected ? "yes" : "no"],
    ["Last word", upstream.seconds_since_last_word === null ? "none yet"
      : `${duration(upstream.seconds_since_last_word)} ago`],
    ["Revision", String(upstream.revision)],
    ["Generation", String(upstream.generation)],
    ["Lists by cause", lists],
    ["Changes", count(upstream.changes_total)],
  ];
}

function zoneFacts(upstream) {
  const { zone, state } = upstream;
  const percent = Math.floor(100 * zone.used / zone.size);
  const rows = [
    ["Zone", `${bytes(zone.used)} of ${bytes(zone.size)} used (${percent} %)` +
      `${zone.full ? ", full" : ""}`],
    ["Workers", `${count(zone.processes)} of ${count(zone.max_processes)}`],
    ["State file", state === null ? "none"
      : `${state.file}, revision ${state.revision ?? NOTHING}`],
    ["Rejected values", `${count(upstream.rejected_total)} so far`],
    ["Connections closed by drains", count(upstream.drained)],
    ["Checks not made", count(upstream.checks_not_made)],
  ];
  if (upstream.groups !== null) {
    const { count: groups, unknown_total: unknown, empty_total: empty, settings } = upstream.groups;
    rows.push(["Groups", count(groups)]);
    rows.push(["Requests without a group", `${count(unknown)} unknown, ${count(empty)} empty`]);
    if (settings !== null) {
      const rejected = settings.rejected === null ? "" : `; ${settings.rejected}`;
      rows.push(["Groups with settings", `${count(settings.count)}${rejected}`]);
    }
  }
  if (upstream.unselected > 0) {
    rows.push(["Not selected", `${count(upstream.unselected)} (etcd_select)`]);
  }
  return rows;
}

function trafficFacts(upstream, bounds, publicationBounds) {
  const { statistics } = upstream;
  const words = wordsOf(upstream.kind);
  const published = ["Event to published p50 / p90 / p99",
    quantiles(upstream.event_to_published, publicationBounds)];
  const seen = ["Event to first worker p50 / p90 / p99",
    quantiles(upstream.event_to_seen, publicationBounds)];
  if (statistics === null) {
    return [["Statistics", "off (etcd_statistics)"], published, seen];
  }
  return [
    [words.heading, `${count(statistics.requests)}, ${count(statistics.retries)} retries`],
    ["No peer", `${several(statistics.no_peer, words.one, words.many)} found none`],
    responsesRow(statistics, words),
    ["Failures", nonzero(statistics.failures)],
    ["Picks", nonzero(statistics.picks)],
    ["Sent, received", `${bytes(statistics.sent)}, ${bytes(statistics.received)}`],
    [words.first, quantiles(statistics.header_time, bounds)],
    [words.whole, quantiles(statistics.response_time, bounds)],
    published,
    seen,
  ];
}
