// An upstream: a section of the page that is made once, and then brought up to date.

class UpstreamSection {
  #figures = new Figures();
  #rates = new Rates();
  #rows = new RowQuery();
  #time = 0;

  constructor(name, kind, number, details) {
    this.name = name;
    this.kind = kind;
    const words = wordsOf(kind);
    this.details = details;
    this.context = {
      bounds: [],
      rate: (peer) => peer.rate ?? null,
      keep: (ids) => this.#rates.keep(ids),
    };
    this.badge = element("span", { class: "badge" });
    this.sentence = element("p", { class: "sentence" });
    this.notices = new Part(element("ul", { class: "notices" }), (found) =>
      found.map(noticeItem));
    this.peers = new PeerTable(name, words, this.context, (peer) =>
      details.open(this.peers, peer, this.context.bounds));
    this.charts = new Charts(words);
    this.chartRow = element("div", { class: "charts" }, ...this.charts.cards);
    new IntersectionObserver(() => this.drawCharts()).observe(this.chartRow);
    this.changes = new Part(element("div", {}), (changes) =>
      changesPart(changes, `Changes of ${name}`));
    this.rejected = new Part(element("div", {}), (rejected) =>
      rejectedPart(rejected, name));
    this.endpoints = new Part(element("div", {}), (endpoints) =>
      endpointsPart(endpoints, `Endpoints of etcd for ${name}`));
    this.facts = [new Facts(), new Facts(), new Facts()];
    this.isShort = element("p", { class: "empty", hidden: true },
      "The peers are left out: the address of this page says peers=0.");
    const id = `upstream-${number}`;
    const [traffic, etcd, zone] = this.facts;
    this.section = element("section", { class: "upstream", "aria-labelledby": id },
      element("div", { class: "head" }, element("h2", { id, tabindex: "-1" }, name), this.badge,
        element("span", { class: "kind" }, kind),
        this.balance = element("span", { class: "balance" })),
      this.sentence, this.notices.target, this.chartRow,
      element("h3", {}, "Peers"), ...this.peers.parts, this.isShort,
      this.rejected.target,
      element("div", { class: "columns" },
        element("div", {}, element("h3", {}, "Last changes"), this.changes.target),
        element("div", {}, element("h3", {}, "etcd"), this.endpoints.target, etcd.list)),
      element("div", { class: "columns even" },
        element("div", {}, element("h3", {}, "Since the start"), traffic.list),
        element("div", {}, element("h3", {}, "Memory and files"), zone.list)));
  }

  // Takes what the document has of this upstream; with `all`, all of its peers.
  show(upstream, page, all) {
    this.#time = page.time;
    this.context.bounds = page.time_bounds;
    if (all) {
      const peers = upstream.peers ?? [];
      this.#takeRates(peers);
      this.peers.take(peers);
    }
    const found = notices(upstream);
    this.level = level(upstream, found);
    setAttribute(this.section, "data-level", this.level);
    setAttribute(this.badge, "class", `badge ${this.level}`);
    setText(this.badge, LEVELS[this.level]);
    // Of some of the peers it does not follow that all is well.
    this.badge.hidden = NAMES_PEERS && this.level === "good";
    setText(this.balance, upstream.balance);
    setText(this.sentence, sentence(upstream, this.peers.all, page.time));
    this.notices.show(found);
    this.notices.target.hidden = found.length === 0;
    this.peers.showStates(upstream.peers_by_state);
    this.isShort.hidden = SHOWS_PEERS;
    const isEmpty = upstream.peers_total === 0 && this.peers.all.length === 0;
    this.peers.filters.hidden = isEmpty;
    this.peers.parts.forEach((part) => part.classList.toggle("away", !SHOWS_PEERS));
    this.changes.show(upstream.changes);
    this.endpoints.show(upstream.endpoints);
    this.rejected.show({
      rejected: upstream.rejected, unresolved_total: upstream.unresolved_total,
      // Whole seconds: a time that moves by a part of one would be another each time.
      unresolved: upstream.unresolved.map(({ seconds, ...one }) =>
        ({ ...one, since: Math.round(page.time - seconds) })),
    });
    const [traffic, etcd, zone] = this.facts;
    traffic.show(trafficFacts(upstream, page.time_bounds, page.publication_bounds));
    etcd.show(etcdFacts(upstream));
    zone.show(zoneFacts(upstream));
    this.chartRow.hidden = upstream.statistics === null;
    if (upstream.statistics !== null) {
      this.#figures.add(page.time, upstream.statistics);
      this.drawCharts();
    }
  }

  // What nobody sees is not drawn.
  drawCharts() {
    const { top, bottom } = this.chartRow.getBoundingClientRect();
    if (bottom >= 0 && top <= innerHeight) {
      this.charts.show(this.#figures, this.context.bounds);
    }
  }

  // Brings the peers that can be seen, or are shown in full, up to date.
  async refreshRows(signal) {
    const { top, bottom } = this.peers.region.getBoundingClientRect();
    const keys = bottom >= 0 && top <= innerHeight ? this.peers.visibleKeys() : [];
    const shown = this.details.shown;
    if (shown?.table === this.peers) {
      keys.push(shown.key);
    }
    const answer = await this.#rows.ask(this.name, [...new Set(keys)], signal);
    const peers = answer?.upstreams?.[this.name]?.peers;
    if (peers) {
      this.#time = answer.time;
      this.#takeRates(peers);
      this.peers.refresh(peers);
    }
  }

  #takeRates(peers) {
    for (const peer of identify(peers)) {
      peer.rate = this.#rates.of(peer.id, this.#time, peer.requests);
    }
  }
}
