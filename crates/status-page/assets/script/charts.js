// Small charts of the last minutes. What they show now, and the highest, is their text as well.

const WIDTH = 300;
const HEIGHT = 56;

class Chart {
  #lines;
  #area;
  #top;

  // `lines` has a class for each line; the first is filled if `filled` is set.
  constructor(title, lines, { filled = false, legend = [] } = {}) {
    this.#lines = lines.map((name) => shape("path", { class: `line ${name}` }));
    this.#area = filled ? shape("path", { class: `area ${lines[0]}` }) : null;
    this.#top = element("span", { class: "top", "aria-hidden": "true" });
    this.value = element("p", { class: "value" }, NOTHING);
    this.picture = shape("svg", {
      class: "chart", role: "img", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none",
      "aria-label": `${title}: no figures yet`,
    }, shape("path", { class: "base", d: `M0 ${HEIGHT - 0.5}H${WIDTH}` }), this.#area,
    ...this.#lines);
    const keys = legend.map(([name, text]) => element("span", {},
      element("span", { class: `swatch ${name}`, "aria-hidden": "true" }), text));
    this.card = element("div", { class: "card" },
      element("h3", {}, title),
      this.value,
      this.picture,
      element("p", { class: "legend" },
        ...(keys.length > 0 ? keys : [element("span", {}, "last 5 minutes")]), this.#top));
    this.title = title;
  }

  // `series` has numbers and `null` for each line, one for each of `times`.
  draw(times, series, text) {
    const end = times.at(-1) ?? 0;
    const all = series.flat().filter((value) => value !== null);
    const highest = Math.max(...all, 0);
    const scale = highest > 0 ? (HEIGHT - 4) / highest : 0;
    const x = (time) => (WIDTH * (1 - (end - time) / KEPT_SECONDS)).toFixed(1);
    const y = (value) => (HEIGHT - 1 - value * scale).toFixed(1);
    for (const [at, values] of series.entries()) {
      let path = "";
      let area = "";
      let start = null;
      let last = null;
      const close = () => {
        area += start === null ? "" : `L${x(last)} ${HEIGHT}L${x(start)} ${HEIGHT}Z`;
        start = null;
      };
      for (const [index, value] of values.entries()) {
        if (value === null) {
          close();
          continue;
        }
        const step = `${start === null ? "M" : "L"}${x(times[index])} ${y(value)}`;
        start ??= times[index];
        last = times[index];
        path += step;
        area += step;
      }
      close();
      this.#lines[at].setAttribute("d", path);
      if (at === 0 && this.#area) {
        this.#area.setAttribute("d", area);
      }
    }
    setText(this.value, text.now);
    setText(this.#top, all.length > 0 && highest > 0 ? `highest ${text.scale(highest)}` : "");
    setAttribute(this.picture, "aria-label",
      all.length > 0 ? `${this.title} now: ${text.now}; highest in the last 5 minutes: ` +
        text.scale(highest) : `${this.title}: no figures yet`);
  }
}

// The three charts of an upstream.
class Charts {
  constructor(words) {
    this.requests = new Chart(`${words.heading} per second`, ["requests"], { filled: true });
    this.failures = new Chart("Failures per second", ["failures"], { filled: true });
    this.times = new Chart(words.chart, ["p50", "p90", "p99"],
      { legend: [["p50", "p50"], ["p90", "p90"], ["p99", "p99"]] });
    this.cards = [this.requests.card, this.failures.card, this.times.card];
  }

  show(figures, bounds) {
    const { points } = figures;
    const times = points.map((point) => point.time);
    const last = points.at(-1);
    const of = (name) => points.map((point) => point[name]);
    const text = (name) => ({ now: rate(last?.[name]), scale: (value) => rate(value) });
    this.requests.draw(times, [of("requests")], text("requests"));
    this.failures.draw(times, [of("failures")], text("failures"));
    const parts = [0.5, 0.9, 0.99];
    const lines = parts.map((part) =>
      points.map((point) => point.times && quantile(part, point.times, bounds)));
    const now = lines.map((line) => line.at(-1) ?? null);
    this.times.draw(times, lines, {
      now: now.every((one) => one === null) ? NOTHING
        : now.map((one) => quantileText(one, bounds)).join(" / "),
      scale: (value) => quantileText(value, bounds),
    });
    this.failures.card.classList.toggle("bad", (last?.failures ?? 0) > 0);
  }
}
