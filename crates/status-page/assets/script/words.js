// What the figures of an upstream are called, by its kind.

const WORDS = {
  http: {
    one: "request", many: "requests", heading: "Requests", hasStatuses: true,
    first: "Header p50 / p90 / p99", whole: "Response p50 / p90 / p99",
    chart: "Time to the response header", hint: "of the response headers came",
  },
  stream: {
    one: "session", many: "sessions", heading: "Sessions", hasStatuses: false,
    first: "First byte p50 / p90 / p99", whole: "Length p50 / p90 / p99",
    chart: "Time to the first byte", hint: "of the peer's first bytes came",
  },
};

// A document without the field is of a module that knows `http` alone.
function kindOf(upstream) {
  return upstream.kind ?? "http";
}

function wordsOf(kind) {
  return WORDS[kind] ?? WORDS.http;
}
