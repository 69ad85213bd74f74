// Asks once a second while the page can be seen; all peers as often as that costs little.

const PERIOD = 1_000;
// All peers are asked for again after this many times what the last time took.
const REST = 10;
// If the list of peers has changed, sooner.
const SHORT_REST = 2;
const LONGEST_PAUSE = 5_000;

class Clock {
  #timer = 0;
  #running = null;
  #failed = 0;
  #answered = new Date();
  #all = { began: -Infinity, took: 0 };
  #generations = "";

  constructor(page) {
    this.page = page;
    document.addEventListener("visibilitychange", () => this.#wake());
    addEventListener("online", () => this.#wake());
    addEventListener("pageshow", () => this.#wake());
  }

  start() {
    this.#wake();
  }

  #wake() {
    clearTimeout(this.#timer);
    if (document.hidden) {
      this.#running?.abort();
    } else if (!this.#running) {
      this.#tick();
    }
  }

  async #tick() {
    const began = performance.now();
    const running = new AbortController();
    this.#running = running;
    let pause = PERIOD;
    try {
      await this.#ask(running.signal, began);
      this.#failed = 0;
      this.#answered = new Date();
      this.page.showReached();
    } catch (error) {
      // A page that is hidden has stopped of its own will.
      if (!running.signal.aborted) {
        this.#failed += 1;
        pause = Math.min(LONGEST_PAUSE, PERIOD * 2 ** (this.#failed - 1));
        this.page.showTrouble(this.#answered, error);
      }
    }
    this.#running = null;
    if (!document.hidden) {
      const rest = Math.max(0, began + pause - performance.now());
      this.#timer = setTimeout(() => this.#tick(), rest);
    }
  }

  async #ask(signal, now) {
    if (this.#isDue(now, REST) || !SHOWS_PEERS) {
      await this.#askAll(signal, now);
      return;
    }
    const { page: totals } = await askTotals(signal);
    const isOther = generations(totals) !== this.#generations;
    this.page.show(totals, false);
    if (isOther && this.#isDue(now, SHORT_REST)) {
      await this.#askAll(signal, now);
    } else {
      for (const section of this.page.sections) {
        await section.refreshRows(signal);
      }
    }
  }

  #isDue(now, rest) {
    return NAMES_PEERS || now - this.#all.began >= Math.max(0.9 * PERIOD, rest * this.#all.took);
  }

  async #askAll(signal, began) {
    const { page: all, took } = await askAll(signal);
    this.#all = { began, took };
    this.#generations = generations(all);
    this.page.show(all, true);
  }
}

function generations(page) {
  return JSON.stringify(Object.entries(page.upstreams).map(([name, upstream]) =>
    [name, upstream.generation, upstream.peers_by_state]));
}
