// One peer in full, in a dialog.

class Details {
  #peer = null;

  constructor() {
    this.title = element("h2", { id: "details-title" });
    this.list = element("dl", {});
    this.dialog = element("dialog", { "aria-labelledby": "details-title" },
      element("div", { class: "head" }, this.title,
        element("button", { type: "button", onclick: () => this.dialog.close() }, "Close")),
      this.list);
    this.dialog.addEventListener("close", () => {
      this.#peer = null;
    });
    document.body.append(this.dialog);
  }

  // The peer that is shown, with its table.
  get shown() {
    return this.#peer;
  }

  open(table, peer, bounds) {
    this.#peer = { table, id: peer.id, key: peer.key };
    this.draw(bounds);
    this.dialog.showModal();
  }

  draw(bounds) {
    if (!this.#peer) {
      return;
    }
    const peer = this.#peer.table.byId.get(this.#peer.id);
    setText(this.title, this.#peer.key ?? "(server line)");
    const gone = [["State", "The peer is gone."]];
    const rows = peer ? details(peer, bounds, this.#peer.table.words) : gone;
    // Values are written in place: a reader is not thrown back to the top each second.
    const names = rows.map(([name]) => name).join("\n");
    if (this.names !== names) {
      this.names = names;
      this.list.replaceChildren(...rows.flatMap(([name]) =>
        [element("dt", {}, name), element("dd", {})]));
    }
    for (const [at, [, text]] of rows.entries()) {
      setText(this.list.children[2 * at + 1], text);
    }
  }
}

function quantiles(histogram, bounds) {
  const parts = [0.5, 0.9, 0.99].map((part) =>
    quantileText(quantile(part, histogram.counts, bounds), bounds));
  return parts.every((part) => part === NOTHING) ? NOTHING : parts.join(" / ");
}

// Names and figures; those that are 0 are left out where there are many.
function nonzero(object) {
  const found = Object.entries(object).filter(([, number]) => number > 0);
  return found.length === 0 ? "none"
    : found.map(([name, number]) => `${name.replaceAll("_", " ")} ${count(number)}`).join(", ");
}

// Of sessions those whose peer has sent something are of class 2xx.
function responsesRow({ responses }, words) {
  return words.hasStatuses ? ["Responses", nonzero(responses)]
    : ["Answered", count(responses["2xx"])];
}

function checksText(checks) {
  const last = checks.seconds_since_last === null ? "none yet"
    : `last ${duration(checks.seconds_since_last)} ago`;
  return `${count(checks.made)} made, ${count(checks.failed)} failed, ${last}`;
}

function details(peer, bounds, words) {
  const rows = [
    ["Address", peer.address],
    ["State", `${peer.state} for ${duration(peer.seconds_in_state)}`],
    ["Remark", remark(peer) || "none"],
    ["Parameters", `weight=${peer.weight} max_fails=${peer.max_fails} ` +
      `fail_timeout=${peer.fail_timeout}s max_conns=${peer.max_conns} ` +
      `slow_start=${peer.slow_start}s${peer.backup ? " backup" : ""}` +
      `${peer.down ? " down" : ""}${peer.drain ? " drain" : ""}`],
    ["Connections", `${count(peer.connections)} open` +
      `${words.hasStatuses ? `, ${count(peer.upgraded)} of them upgraded` : ""}`],
    [words.heading, `${count(peer.requests)}, ${count(peer.failures)} failed`],
    ["Last picked", peer.seconds_since_last_pick === null ? NOTHING
      : `${duration(peer.seconds_since_last_pick)} ago`],
    ["Health", peer.health],
  ];
  if (peer.checks) {
    rows.push(["Checks", checksText(peer.checks)]);
    if (peer.checks.last_error) {
      rows.push(["Last failed check", `${peer.checks.last_error}, ` +
        `${duration(peer.checks.seconds_since_last_error)} ago`]);
    }
  }
  if (peer.statistics) {
    const statistics = peer.statistics;
    rows.push(
      responsesRow(statistics, words),
      ["Failures", nonzero(statistics.failures)],
      ["Retries", count(statistics.retries)],
      ["Sent, received", `${bytes(statistics.sent)}, ${bytes(statistics.received)}`],
      [words.first, quantiles(statistics.header_time, bounds)],
      [words.whole, quantiles(statistics.response_time, bounds)],
    );
  }
  if (peer.route !== undefined) {
    rows.push(["Route", peer.route]);
  }
  for (const [name, value] of Object.entries(peer.labels ?? {})) {
    rows.push([`Label ${name}`, value]);
  }
  return rows;
}
