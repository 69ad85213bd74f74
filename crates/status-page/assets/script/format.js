// Numbers and times for people.

const COUNT = new Intl.NumberFormat("en-US");
const CLOCK = new Intl.DateTimeFormat(undefined,
  { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const MINUTE = new Intl.DateTimeFormat(undefined,
  { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

const NOTHING = "–";

function count(number) {
  return number === null || number === undefined ? NOTHING : COUNT.format(number);
}

function several(number, one, many) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

// How long something has lasted.
function duration(seconds) {
  if (seconds === null || seconds === undefined) {
    return NOTHING;
  }
  if (seconds < 10) {
    return `${(Math.floor(seconds * 10) / 10).toFixed(1)} s`;
  }
  const whole = Math.floor(seconds);
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const at = units.findIndex(([size]) => whole >= size);
  const [size, unit] = units[at];
  const rest = at < 2 ? Math.floor((whole % size) / units[at + 1][0]) : 0;
  const more = rest > 0 ? ` ${rest} ${units[at + 1][1]}` : "";
  return `${Math.floor(whole / size)} ${unit}${more}`;
}

// How long ago, in a table: the largest unit is enough there.
function age(seconds) {
  return seconds !== null && seconds < 1 ? "now"
    : duration(seconds).split(" ").slice(0, 2).join(" ");
}

// How long something takes: three digits at most.
function shortTime(seconds) {
  if (seconds === null || seconds === undefined) {
    return NOTHING;
  }
  if (seconds < 0.9995) {
    const milliseconds = seconds * 1000;
    return `${milliseconds < 9.95 ? milliseconds.toFixed(1) : milliseconds.toFixed(0)} ms`;
  }
  return `${seconds < 9.95 ? seconds.toFixed(1) : seconds.toFixed(0)} s`;
}

function rate(perSecond) {
  if (perSecond === null || perSecond === undefined) {
    return NOTHING;
  }
  if (perSecond >= 9999.5) {
    return `${(perSecond / 1000).toFixed(1)} k`;
  }
  return perSecond === 0 || perSecond >= 99.5 ? COUNT.format(Math.round(perSecond))
    : perSecond.toFixed(perSecond < 0.995 ? 2 : 1);
}

function bytes(number) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let at = 0;
  let left = number;
  while (left >= 1023.5 && at + 1 < units.length) {
    left /= 1024;
    at += 1;
  }
  return `${at > 0 && left < 9.95 ? left.toFixed(1) : left.toFixed(0)} ${units[at]}`;
}

// A moment: the time of day, with the date unless it is today.
function moment(seconds, format = CLOCK) {
  const date = new Date(seconds * 1000);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? format.format(date) : `${DAY.format(date)}, ${format.format(date)}`;
}

function timeElement(seconds) {
  const datetime = new Date(seconds * 1000).toISOString();
  return element("time", { datetime, title: datetime }, moment(seconds));
}

// The time that a part of the answers has not exceeded, as `histogram_quantile` estimates it:
// evenly within a bucket. Above the last bound there is nothing to go by but that bound.
function quantile(part, counts, bounds) {
  const all = counts.reduce((sum, one) => sum + one, 0);
  if (!(all > 0)) {
    return null;
  }
  let left = part * all;
  for (const [at, bound] of bounds.entries()) {
    if (counts[at] >= left && counts[at] > 0) {
      const lower = at === 0 ? 0 : bounds[at - 1];
      return lower + (bound - lower) * (left / counts[at]);
    }
    left -= counts[at];
  }
  return bounds.at(-1);
}

function quantileText(seconds, bounds) {
  return seconds !== null && seconds >= bounds.at(-1) ? `> ${shortTime(bounds.at(-1))}`
    : shortTime(seconds);
}
