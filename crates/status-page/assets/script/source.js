// Where the figures come from: the page's own address, as JSON. The page's own parameters stay.

// An answer of many peers may take long, but something of it comes all the time.
const SILENCE = 4_000;
// A request line of nginx's has 8 kB.
const LONGEST_QUERY = 6_000;

const OWN = new URLSearchParams(location.search);
OWN.delete("format");
OWN.delete("part");
const SHOWS_PEERS = OWN.getAll("peers").every((value) => value !== "0");
const NAMES_PEERS = OWN.has("peer");

// In full: a path may begin with two slashes, and the page's own address may have a password, with
// which nothing can be fetched; the browser sends it all the same.
function address(query) {
  return `${location.origin}${location.pathname}?${query}`;
}

async function ask(query, signal) {
  const began = performance.now();
  const silence = new Silence(signal);
  try {
    const answer = await fetch(address(query), {
      cache: "no-store", credentials: "same-origin", headers: { Accept: "application/json" },
      signal: silence.signal,
    });
    const text = await textOf(answer, silence);
    if (!answer.ok) {
      throw Object.assign(new Error(refusal(answer, text)), { status: answer.status });
    }
    return { page: JSON.parse(text), took: performance.now() - began };
  } catch (error) {
    throw silence.isOver ? new Error(`nothing came for ${SILENCE / 1_000} s`) : error;
  } finally {
    silence.end();
  }
}

async function textOf(answer, silence) {
  // A document with a length is short: the module has written it at once.
  if (answer.headers.has("Content-Length")) {
    return answer.text();
  }
  const decoder = new TextDecoder();
  const reader = answer.body.getReader();
  const parts = [];
  for (;;) {
    silence.restart();
    const { done, value } = await reader.read();
    if (done) {
      return parts.join("") + decoder.decode();
    }
    parts.push(decoder.decode(value, { stream: true }));
  }
}

// What a status of an error says, and the first line of a text that comes with it.
function refusal(answer, text) {
  const status = `${answer.status} ${answer.statusText}`.trim();
  const isText = answer.headers.get("Content-Type")?.startsWith("text/plain");
  const line = isText ? text.trim().split("\n")[0].slice(0, 200) : "";
  return line ? `${status}: ${line}` : status;
}

// Ends a request if nothing comes for too long, or if the page wants it no longer.
class Silence {
  #own = new AbortController();
  #timer = 0;
  #outer;
  #abort = () => this.#own.abort();
  isOver = false;

  constructor(outer) {
    this.#outer = outer;
    outer.addEventListener("abort", this.#abort);
    if (outer.aborted) {
      this.#abort();
    }
    this.restart();
  }

  get signal() {
    return this.#own.signal;
  }

  restart() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.isOver = true;
      this.#abort();
    }, SILENCE);
  }

  end() {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener("abort", this.#abort);
  }
}

function query(parameters) {
  const all = new URLSearchParams(OWN);
  for (const [name, value] of Object.entries({ format: "json", ...parameters })) {
    all.set(name, value);
  }
  return all;
}

// All peers.
function askAll(signal) {
  return ask(query({}), signal);
}

// Everything but the peers.
function askTotals(signal) {
  return ask(query({ peers: "0" }), signal);
}

// Peers of an upstream with these keys, as far as they fit into a request: those that do not fit
// are first the next time. The key of `server` lines is empty.
class RowQuery {
  #next = 0;

  async ask(upstream, keys, signal) {
    if (keys.length === 0) {
      return null;
    }
    const asked = new URLSearchParams({ format: "json", upstream });
    const start = this.#next % keys.length;
    let taken = 0;
    let length = address(asked).length;
    while (taken < keys.length) {
      const key = keys[(start + taken) % keys.length] ?? "";
      length += new URLSearchParams({ peer: key }).toString().length + 1;
      if (taken > 0 && length > LONGEST_QUERY) {
        break;
      }
      asked.append("peer", key);
      taken += 1;
    }
    this.#next = taken < keys.length ? start + taken : 0;
    try {
      return (await ask(asked, signal)).page;
    } catch (error) {
      // The upstream is gone, as after a reload: the next document says so.
      if (error.status === 404) {
        return null;
      }
      throw error;
    }
  }
}
