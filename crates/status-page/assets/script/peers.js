// The table of peers. Only the rows that can be seen are elements, so that ten thousand peers cost
// no more than twenty.

// Rows beside those that can be seen.
const BESIDE = 6;

class PeerTable {
  #order = null;
  #states = new Set();
  #words = [];
  #rows = new Map();
  #height = 28;
  #shown = [];
  #frame = 0;
  #open;
  all = [];

  // `context` has the rates and bounds that cells need; `open` is called with a peer that is to be
  // shown in full.
  constructor(name, words, context, open) {
    this.words = words;
    this.columns = columnsOf(words);
    this.context = context;
    this.#open = open;
    this.#buildFilters(name);
    this.#buildTable(name);
    this.empty = element("p", { class: "empty", hidden: true });
    this.parts = [this.filters, this.region, this.empty];
  }

  #buildFilters(name) {
    this.search = element("input", {
      type: "search", placeholder: "Filter: key, address, label", "aria-label":
        `Filter the peers of ${name}`, autocomplete: "off", spellcheck: "false",
      oninput: () => this.#filter(),
    });
    this.buttons = new Map(STATES.map((state) => {
      const number = element("span", { class: "number" }, "0");
      const button = element("button", {
        type: "button", class: `state ${state}`, "aria-pressed": "false",
        onclick: () => this.#toggle(state),
      }, element("span", { class: "mark", "aria-hidden": "true" }), `${state} `, number);
      return [state, { button, number }];
    }));
    this.found = element("p", { class: "found" });
    this.filters = element("div", { class: "filters" }, this.search,
      element("div", { class: "states", role: "group", "aria-label": "Show only these states" },
        ...[...this.buttons.values()].map(({ button }) => button)), this.found);
  }

  #buildTable(name) {
    this.headings = this.columns.map((column) => {
      const arrow = element("span", { class: "arrow", "aria-hidden": "true" });
      const button = element("button",
        { type: "button", title: column.hint, onclick: () => this.#sort(column) },
        ...(column.isText ? [column.title, arrow] : [arrow, column.title]));
      const name = column.isText ? column.name : `${column.name} figure`;
      return element("th", { scope: "col", class: name }, button);
    });
    this.above = element("td", { colspan: this.columns.length });
    this.below = element("td", { colspan: this.columns.length });
    const spacer = (cell) => element("tbody", { "aria-hidden": "true", class: "spacer" },
      element("tr", {}, cell));
    this.body = element("tbody", {});
    this.table = element("table", { class: "peers" },
      element("caption", { class: "hidden" }, `Peers of ${name}`),
      element("thead", {}, element("tr", { "aria-rowindex": "1" }, ...this.headings)),
      spacer(this.above), this.body, spacer(this.below));
    this.region = element("div", {
      class: "scroll peers", tabindex: "0", role: "region", "aria-label": `Peers of ${name}`,
      onscroll: () => this.#later(), onkeydown: (event) => this.#move(event),
    }, this.table);
    new ResizeObserver(() => this.#later()).observe(this.region);
  }

  // Takes a new list of all peers.
  take(peers) {
    this.all = identify(peers);
    this.byId = new Map(this.all.map((peer) => [peer.id, peer]));
    this.context.keep(this.byId);
    this.#filter();
  }

  // Takes newer figures of some peers; those that are in no list yet come with the next one.
  refresh(peers) {
    for (const peer of identify(peers)) {
      const known = this.byId?.get(peer.id);
      if (known) {
        Object.assign(known, peer);
        known.search = undefined;
      }
    }
    this.draw();
  }

  // The keys of the peers that can be seen.
  visibleKeys() {
    const [first, last] = this.#range();
    return this.#shown.slice(first, last).map((peer) => peer.key);
  }

  showStates(counts) {
    for (const [state, { button, number }] of this.buttons) {
      setText(number, count(counts[state]));
      button.hidden = counts[state] === 0 && !this.#states.has(state);
    }
  }

  #toggle(state) {
    if (!this.#states.delete(state)) {
      this.#states.add(state);
    }
    const { button } = this.buttons.get(state);
    button.setAttribute("aria-pressed", String(this.#states.has(state)));
    this.#filter();
  }

  #sort(column) {
    const isSame = this.#order?.column === column;
    const first = column.isText ? 1 : -1;
    if (isSame && this.#order.direction !== first) {
      this.#order = null;
    } else {
      this.#order = { column, direction: isSame ? -first : first };
    }
    for (const [at, heading] of this.headings.entries()) {
      const isSorted = this.columns[at] === this.#order?.column;
      setAttribute(heading, "aria-sort", isSorted
        ? this.#order.direction > 0 ? "ascending" : "descending" : null);
    }
    this.#filter();
  }

  // Shows what is to be shown, in its order. The focus stays with its peer, which may be in another
  // row now.
  #filter() {
    const line = document.activeElement?.closest("tbody tr");
    const row = [...this.#rows.values()].find((one) => one.line === line);
    const id = row?.peer.id;
    this.#select();
    if (!row) {
      return;
    }
    const index = this.#shown.findIndex((peer) => peer.id === id);
    if (index < 0) {
      this.region.focus({ preventScroll: true });
      return;
    }
    if (!this.#rows.has(index)) {
      this.region.scrollTop = (index + 0.5) * this.#height - this.region.clientHeight / 2;
      this.draw();
    }
    this.#rows.get(index)?.name.focus({ preventScroll: true });
  }

  #select() {
    this.#words = this.search.value.toLowerCase().split(/\s+/u).filter((word) => word);
    const shown = this.all.filter((peer) => this.#matches(peer));
    if (this.#order) {
      const { column, direction } = this.#order;
      const valued = shown.map((peer) => [column.value(peer, this.context), peer]);
      valued.sort(([one], [other]) => compare(one, other, column, direction));
      this.#shown = valued.map(([, peer]) => peer);
    } else {
      this.#shown = shown;
    }
    const isFiltered = this.#words.length > 0 || this.#states.size > 0;
    setText(this.found, isFiltered ? `${count(shown.length)} of ${count(this.all.length)} shown`
      : "");
    this.empty.hidden = shown.length > 0;
    this.region.hidden = shown.length === 0;
    setText(this.empty, isFiltered ? "No peer is like this." : "There are no peers.");
    setAttribute(this.table, "aria-rowcount", shown.length + 1);
    // Without remarks their column leaves its room to the keys.
    this.table.classList.toggle("bare", shown.every((peer) => remark(peer) === ""));
    this.draw();
  }

  #matches(peer) {
    if (this.#states.size > 0 && !this.#states.has(peer.state)) {
      return false;
    }
    if (this.#words.length === 0) {
      return true;
    }
    peer.search ??= searchText(peer);
    return this.#words.every((word) => peer.search.includes(word));
  }

  #later() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.draw();
    });
  }

  // Which rows can be seen.
  #range() {
    const top = this.region.scrollTop;
    const first = Math.max(0, Math.floor(top / this.#height) - BESIDE);
    const last = Math.ceil((top + this.region.clientHeight) / this.#height) + BESIDE;
    const height = Math.max(last, 24);
    return [Math.min(first, Math.max(0, this.#shown.length - 1)),
      Math.min(height, this.#shown.length)];
  }

  draw() {
    const [first, last] = this.#range();
    for (const [index, row] of this.#rows) {
      if (index < first || index >= last) {
        if (row.line.contains(document.activeElement)) {
          this.region.focus({ preventScroll: true });
        }
        row.line.remove();
        this.#rows.delete(index);
      }
    }
    let next = this.body.firstChild;
    for (let index = first; index < last; index += 1) {
      let row = this.#rows.get(index);
      if (!row) {
        row = this.#row(index);
        this.#rows.set(index, row);
        this.body.insertBefore(row.line, next);
      }
      next = row.line.nextSibling;
      this.#fill(row, this.#shown[index]);
    }
    this.above.style.height = `${first * this.#height}px`;
    this.below.style.height = `${(this.#shown.length - last) * this.#height}px`;
    this.above.parentNode.hidden = first === 0;
    this.below.parentNode.hidden = last === this.#shown.length;
    const measured = this.body.firstChild?.getBoundingClientRect().height;
    if (measured && Math.abs(measured - this.#height) > 0.1) {
      this.#height = measured;
      this.#later();
    }
  }

  #row(index) {
    const row = { cells: [], peer: null };
    row.name = element("button",
      { type: "button", class: "name", onclick: () => this.#open(row.peer) });
    const cells = this.columns.map((column, at) => {
      const attributes = { class: column.isText ? column.name : `${column.name} figure` };
      if (at === 0) {
        return element("th", { ...attributes, scope: "row" }, row.name);
      }
      const text = column.name === "state" ? element("span", {}) : null;
      row.cells.push(text ?? (row.last = element("td", attributes)));
      return text ? element("td", attributes,
        element("span", { class: "mark", "aria-hidden": "true" }), text) : row.last;
    });
    row.line = element("tr", { "aria-rowindex": index + 2 }, ...cells);
    return row;
  }

  #fill(row, peer) {
    row.peer = peer;
    setAttribute(row.line, "class", peer.state);
    setText(row.name, this.columns[0].text(peer, this.context));
    setAttribute(row.name, "title", row.name.textContent);
    for (const [at, cell] of row.cells.entries()) {
      const column = this.columns[at + 1];
      setText(cell, column.text(peer, this.context));
      if (column.isText) {
        setAttribute(cell, "title", cell.textContent || null);
      }
    }
  }

  // The arrow keys lead from peer to peer.
  #move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const line = document.activeElement?.closest("tbody tr");
    if (!step || !line || !this.body.contains(line)) {
      return;
    }
    const index = Number(line.getAttribute("aria-rowindex")) - 2 + step;
    const row = this.#rows.get(index);
    if (row) {
      event.preventDefault();
      row.name.focus({ preventScroll: true });
      row.line.scrollIntoView({ block: "nearest" });
    }
  }
}
