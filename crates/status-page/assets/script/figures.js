// What has happened in the last minutes: differences of counters, one for each second.

const KEPT_SECONDS = 300;
// Times are estimated of the answers of so many seconds: fewer would jump about.
const TIME_WINDOW = 10;
// Seconds without a figure that are not drawn through.
const LONGEST_GAP = 5;

function failures(statistics) {
  return Object.values(statistics.failures).reduce((sum, one) => sum + one, 0);
}

function less(counts, before) {
  return counts.map((one, at) => one - before[at]);
}

class Figures {
  #samples = [];
  points = [];

  // Takes the counters of a moment, which the document states in seconds since 1970.
  add(time, statistics) {
    const last = this.#samples.at(-1);
    if (last && time <= last.time) {
      return;
    }
    const sample = {
      time,
      requests: statistics.requests,
      failures: failures(statistics),
      header: statistics.header_time.counts,
    };
    // Other counters: nginx has started, or the shared memory is new.
    const isOther = last && (sample.requests < last.requests || sample.failures < last.failures);
    if (isOther || (last && time - last.time > LONGEST_GAP)) {
      this.#samples = [];
      this.points.push({ time, requests: null, failures: null, times: null });
    } else if (last) {
      this.points.push(this.#point(sample, last));
    }
    this.#samples.push(sample);
    const isOld = (one) => one.time < time - KEPT_SECONDS;
    while (this.points.length > 0 && isOld(this.points[0])) {
      this.points.shift();
    }
    while (this.#samples[1] && this.#samples[1].time <= time - TIME_WINDOW) {
      this.#samples.shift();
    }
  }

  #point(sample, last) {
    const seconds = sample.time - last.time;
    const oldest = this.#samples[0];
    return {
      time: sample.time,
      requests: (sample.requests - last.requests) / seconds,
      failures: (sample.failures - last.failures) / seconds,
      times: less(sample.header, oldest.header),
    };
  }
}

// The rates of peers, by what identifies a peer in its upstream.
class Rates {
  #last = new Map();

  // The requests in a second since the last figure at least half a second ago; `null` before there
  // are two.
  of(id, time, requests) {
    const last = this.#last.get(id);
    if (!last || requests < last.requests) {
      this.#last.set(id, { time, requests, rate: null });
      return null;
    }
    if (time - last.time >= 0.5) {
      const perSecond = (requests - last.requests) / (time - last.time);
      this.#last.set(id, { time, requests, rate: perSecond });
      return perSecond;
    }
    return last.rate;
  }

  keep(ids) {
    for (const id of this.#last.keys()) {
      if (!ids.has(id)) {
        this.#last.delete(id);
      }
    }
  }
}
