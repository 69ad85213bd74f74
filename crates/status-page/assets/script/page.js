// The page as a whole: the head, the upstreams, the variables.

const TITLE = "etcd status";

class Page {
  #sections = new Map();
  #said = null;

  constructor() {
    this.head = document.querySelector("header");
    this.main = document.querySelector("main");
    this.facts = document.querySelector("#facts");
    this.details = new Details();
    this.link = element("p", { class: "link", hidden: true },
      element("span", { class: "mark", "aria-hidden": "true" }), this.linkText =
      element("span", { role: "status" }));
    this.voice = element("p", { class: "hidden", role: "status" });
    this.head.append(this.link, this.voice);
    this.navigation = new Part(document.querySelector("nav"), (rows) => rows.length < 2 ? []
      : element("ul", {}, ...rows.map(({ name, id, how, text }) => element("li", {},
        element("a", { href: `#${id}`, class: how },
          element("span", { class: "mark", "aria-hidden": "true" }), name,
          element("span", { class: "note" }, text))))));
    const attention = document.querySelector("#attention") ?? element("ul",
      { id: "attention", class: "notices" });
    this.navigation.target.after(attention);
    this.notices = new Part(attention, (found) => found.map(noticeItem));
    this.variables = new Part(element("section", { "aria-labelledby": "variables" }), (rows) => [
      element("h2", { id: "variables" }, "Variables"),
      table("Values, networks and maps", ["Variable", "Cluster", "Key or prefix", "Value",
        "Revision", "Rejected", "Trouble"], rows)]);
  }

  // Takes a document; with `all`, it has all peers.
  show(page, all) {
    if (!this.isTaken) {
      this.main.replaceChildren();
      this.isTaken = true;
      document.documentElement.classList.add("taken");
    }
    const names = Object.keys(page.upstreams);
    for (const [name, section] of this.#sections) {
      // One of another kind, after a reload, has other words everywhere.
      if (!names.includes(name) || kindOf(page.upstreams[name]) !== section.kind) {
        section.section.remove();
        this.#sections.delete(name);
      }
    }
    for (const name of names) {
      if (!this.#sections.has(name)) {
        this.made = (this.made ?? 0) + 1;
        const section = new UpstreamSection(
          name, kindOf(page.upstreams[name]), this.made, this.details);
        this.#sections.set(name, section);
        this.main.append(section.section);
      }
      this.#sections.get(name).show(page.upstreams[name], page, all);
    }
    this.#showVariables(page);
    this.#showHead(page);
    if (this.details.shown) {
      this.details.draw(page.time_bounds);
    }
  }

  get sections() {
    return [...this.#sections.values()];
  }

  #showVariables({ variables, geo, maps }) {
    const cells = (name, one, where, value) => [name, one.cluster, where, value,
      one.revision === null ? NOTHING : String(one.revision), count(one.rejected_total),
      one.rejected ?? (one.held === null ? "" : "held: etcd was wiped, restored or replaced")];
    const rows = [
      ...Object.entries(variables).map(([name, one]) =>
        cells(name, one, one.key, one.set ? `set, ${bytes(one.size)}` : "default")),
      ...Object.entries(geo).map(([name, one]) =>
        cells(name, one, one.prefix, several(one.networks, "network", "networks"))),
      ...Object.entries(maps ?? {}).map(([name, one]) => {
        const entries = several(one.entries, "entry", "entries");
        const used = `${bytes(one.bytes_used)} of ${bytes(one.bytes_total)}`;
        return cells(name, one, one.prefix, `${entries}, ${used}`);
      }),
    ];
    this.variables.show(rows);
    if (rows.length === 0) {
      this.variables.target.remove();
    } else if (this.main.lastChild !== this.variables.target) {
      this.main.append(this.variables.target);
    }
  }

  #showHead(page) {
    setText(this.facts, [`nginx ${page.nginx_version}`, `module ${page.version}`,
      `worker ${page.pid}`,
      page.watcher_pid === null ? "no watcher" : `watcher ${page.watcher_pid}`,
      moment(page.time)].join(" · "));
    const rows = this.sections.map(({ name, level: how, section }) => {
      const upstream = page.upstreams[name];
      return { name, how, id: section.querySelector("h2").id,
        text: NAMES_PEERS ? `${count(members(upstream))} shown`
          : `${count(serving(upstream))} of ${count(members(upstream))}` };
    });
    const found = variableNotices(page);
    this.notices.show(found);
    this.notices.target.hidden = found.length === 0;
    if (found.length > 0) {
      rows.push({ name: "Variables", how: "warn", id: "variables",
        text: `${count(found.length)} rejected` });
    }
    this.navigation.show(rows);
    this.navigation.target.hidden = rows.length < 2;
    const worst = ["bad", "warn", "good"].find((how) => rows.some((row) => row.how === how));
    this.#title(worst);
    // That all is well cannot be told by some of the peers.
    const told = rows.filter(({ how }) => !NAMES_PEERS || how !== "good");
    this.#say(told.map(({ name, how }) => `${name}: ${LEVELS[how]}`).join(", "));
  }

  // Only what has changed is said, and nothing when the page opens.
  #say(text) {
    if (this.#said !== null && this.#said !== text) {
      setText(this.voice, text);
    }
    this.#said = text;
  }

  // `since`: when the last answer came.
  showTrouble(since, error) {
    this.link.hidden = false;
    document.documentElement.classList.add("stale");
    const reason = error instanceof TypeError ? "no connection" : error.message;
    const what = error.status ? "nginx answers with an error" : "nginx is not reachable";
    setText(this.linkText, `${what} since ${CLOCK.format(since)}: ${reason.replace(/\.$/u, "")}. ` +
      "The page shows the last figures, and tries again.");
    document.title = `✖ ${TITLE}: ${error.status ? error.status : "not reachable"}`;
  }

  showReached() {
    if (!this.link.hidden) {
      this.link.hidden = true;
      setText(this.linkText, "");
      document.documentElement.classList.remove("stale");
      this.#title(this.worst);
    }
  }

  #title(worst) {
    this.worst = worst;
    document.title = `${{ bad: "✖ ", warn: "▲ " }[worst] ?? ""}${TITLE}`;
  }
}
