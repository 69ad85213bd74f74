//! What a file of callgrind's says: instructions, and which of them belong to whom.
//!
//! Of the format only what callgrind itself writes is read: names that are numbered where they come
//! first, and one cost for each line.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::{read_dir, read_to_string};
use std::ops::Sub;
use std::path::Path;

use harness::{Result, ensure, etcd_module};

/// Formats the time for logs and headers, at most once in each round of the event loop and only
/// when the time has changed: how often depends on the pace of the machine.
const CLOCK: &str = "ngx_time_update";
/// The C library's allocator. What a call costs depends on how the heap happens to lie since the
/// start.
const HEAP: [&str; 8] =
    ["malloc", "free", "cfree", "calloc", "realloc", "memalign", "posix_memalign", "aligned_alloc"];
/// Once a process has had a second thread, the C library makes every system call that may block
/// dearer, for ever.
const NEW_THREAD: &str = "pthread_create";
/// What the module does when a timer, another process or an event wakes the worker, and not for a
/// request: how many requests share it depends on the pace of the machine. A stripped module has no
/// such name, and nothing is subtracted.
const TICK: &str = "::process::look";
/// nginx, as the object from which the module's timers and events are called. Those of sessions are
/// called from stream, which is an object of its own, but for one.
const NGINX: &str = "/nginx";
/// Calls that one.
const CONNECTS: &str = "ngx_event_connect_peer";
/// What the watcher's thread does with events of etcd: it applies them, and publishes. The rest of
/// the thread receives and sends, and does more or less of that as the machine is fast or slow.
const CHANGE: [&str; 2] =
    ["::watcher::prefix::Prefix::update", "::watcher::prefix::Prefix::publish"];

/// The instructions of one thread between two marks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Profile {
    /// All of them.
    pub total: f64,
    /// Those of nginx's clock.
    pub clock: f64,
    /// Those of the C library's allocator.
    pub heap: f64,
    /// Those of the module's tick.
    pub tick: f64,
    /// How often the module was called for an alarm or an event of its own, if all else that it is
    /// called for is sessions of stream's.
    pub alarms: f64,
    /// Calls of the allocator.
    pub heap_calls: f64,
    /// Those of applying and publishing changes, with all that is called for that.
    pub change: f64,
    /// Those of the module's code, without what it calls in nginx and in libraries.
    pub module: f64,
    /// Calls of the module's code to nginx and to libraries.
    pub calls_out: f64,
    /// Whether a thread was created.
    pub creates_thread: bool,
}

impl Profile {
    /// What is compared: all but what depends on the pace of the machine and on the luck of a
    /// start.
    pub fn steady(&self) -> f64 {
        self.total - self.clock - self.heap - self.tick
    }
}

impl Sub for Profile {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            total: self.total - other.total,
            clock: self.clock - other.clock,
            heap: self.heap - other.heap,
            tick: self.tick - other.tick,
            alarms: self.alarms - other.alarms,
            heap_calls: self.heap_calls - other.heap_calls,
            change: self.change - other.change,
            module: self.module - other.module,
            calls_out: self.calls_out - other.calls_out,
            creates_thread: self.creates_thread,
        }
    }
}

/// Names by their numbers: `(3) name` where one comes first, then `(3)`.
#[derive(Default)]
struct Names<'a>(HashMap<&'a str, &'a str>);

impl<'a> Names<'a> {
    fn read(&mut self, text: &'a str) -> &'a str {
        match text.split_once(") ") {
            Some((number, name)) => {
                self.0.insert(number, name);
                name
            }
            None => {
                let number = text.strip_suffix(')').unwrap_or(text);
                self.0.get(number).copied().unwrap_or(text)
            }
        }
    }
}

/// Without the version of a symbol, what a compiler appends, and callgrind's level of recursion.
fn plain(function: &str) -> &str {
    function.split(['@', '.', '\'']).next().unwrap_or(function)
}

fn is_heap(function: &str) -> bool {
    HEAP.contains(&plain(function))
}

/// Reads what callgrind has written of one thread of a process that has loaded `module`.
///
/// # Errors
///
/// Where it is not such a text.
pub fn parse(text: &str, module: &str) -> Result<Profile> {
    let mut profile = Profile::default();
    let (mut functions, mut objects) = (Names::default(), Names::default());
    let (mut function, mut object, mut callee) = ("", "", "");
    let (mut calls, mut callees_object) = (None, None);
    let mut has_totals = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            function = functions.read(name);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            callee = functions.read(name);
            profile.creates_thread |= plain(callee) == NEW_THREAD;
        } else if let Some(name) = line.strip_prefix("ob=") {
            object = objects.read(name);
        } else if let Some(name) = line.strip_prefix("cob=") {
            callees_object = Some(objects.read(name));
        } else if let Some(text) = line.strip_prefix("calls=") {
            calls = Some(text.split(' ').next().unwrap_or_default().parse::<u64>()?);
        } else if let Some(total) = line.strip_prefix("totals: ") {
            profile.total = total.trim().parse::<u64>()? as f64;
            has_totals = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let cost = line.split(' ').nth(1).ok_or_else(|| format!("no cost: {line}"))?;
            let cost = cost.parse::<u64>()? as f64;
            match calls.take() {
                // The line after `calls=` has what the call took with all that it called.
                Some(count) => {
                    // Without a name of its own the callee's object is the caller's.
                    let other_object = callees_object.take();
                    let is_out = other_object.is_some_and(|other| other != module);
                    // The allocator's own functions call one another, and not by these names alone.
                    let is_from_outside = other_object.is_some();
                    if object == module && is_out {
                        profile.calls_out += count as f64;
                    }
                    if other_object == Some(module)
                        && object.ends_with(NGINX)
                        && function != CONNECTS
                    {
                        profile.alarms += count as f64;
                    }
                    if CHANGE.iter().any(|name| callee.ends_with(name)) {
                        profile.change += cost;
                    }
                    if callee.ends_with(TICK) && !function.ends_with(TICK) {
                        profile.tick += cost;
                    } else if plain(callee) == CLOCK {
                        profile.clock += cost;
                    } else if is_heap(callee) && is_from_outside {
                        profile.heap += cost;
                        profile.heap_calls += count as f64;
                    }
                }
                None if object == module => profile.module += cost,
                None => {}
            }
        }
    }
    // A tick is the module's, but for some system calls.
    profile.module -= profile.tick;
    has_totals.then_some(profile).ok_or_else(|| "no totals".into())
}

/// What was counted in a process, by the number of the output and the thread.
fn outputs(folder: &Path, process: i32) -> Result<BTreeMap<(u32, u32), Profile>> {
    let (mut outputs, module) = (BTreeMap::new(), etcd_module()?);
    for entry in read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let numbers = name
            .strip_prefix(&format!("out.{process}."))
            .and_then(|numbers| numbers.split_once('-'));
        if let Some((number, thread)) = numbers {
            let profile = parse(&read_to_string(&path)?, &module)?;
            outputs.insert((number.parse()?, thread.parse()?), profile);
        }
    }
    Ok(outputs)
}

/// What lies between the last two marks in the first thread of a process, less what a mark itself
/// takes: that is between the two before.
///
/// # Errors
///
/// Where callgrind has not written enough.
pub fn between_marks(folder: &Path, process: i32) -> Result<Profile> {
    let [of_mark, counted] = last_marks(folder, process)?;
    Ok(counted - of_mark)
}

/// As [`between_marks`], with a time in which nothing happened between the marks before the last
/// two: what the module's timers took is subtracted, by what each took then with all that nginx did
/// for it. That needs no function's name, which a stripped module does not have.
///
/// # Errors
///
/// Where callgrind has not written enough.
pub fn between_marks_without_alarms(folder: &Path, process: i32) -> Result<Profile> {
    let [of_mark, idle, counted] = last_marks(folder, process)?;
    let (idle, counted) = (idle - of_mark, counted - of_mark);
    if idle.alarms <= 0.0 {
        return Ok(counted);
    }
    let share = counted.alarms / idle.alarms;
    let without = |counted: f64, idle: f64| counted - share * idle;
    Ok(Profile {
        total: without(counted.total, idle.total),
        clock: without(counted.clock, idle.clock),
        heap: without(counted.heap, idle.heap),
        tick: without(counted.tick, idle.tick),
        heap_calls: without(counted.heap_calls, idle.heap_calls),
        module: without(counted.module, idle.module),
        calls_out: without(counted.calls_out, idle.calls_out),
        ..counted
    })
}

/// The last outputs of the first thread of a process.
fn last_marks<const COUNT: usize>(folder: &Path, process: i32) -> Result<[Profile; COUNT]> {
    let outputs = outputs(folder, process)?;
    let of_first = outputs.iter().filter(|&(&(_, thread), _)| thread == 1);
    let mut profiles: Vec<Profile> = of_first.map(|(_, &profile)| profile).collect();
    let last = profiles.split_off(profiles.len().saturating_sub(COUNT));
    let wrong = |_| format!("callgrind wrote too little of process {process}");
    Ok(<[Profile; COUNT]>::try_from(last).map_err(wrong)?)
}

/// Whether the first thread of a process has created another one, at any time before the last mark.
///
/// # Errors
///
/// Where an output is none.
pub fn has_had_threads(folder: &Path, process: i32) -> Result<bool> {
    Ok(outputs(folder, process)?.values().any(|profile| profile.creates_thread))
}

/// What applying and publishing takes in the last output of a process.
///
/// # Errors
///
/// Where there is none, and where the functions have other names.
pub fn of_changes(folder: &Path, process: i32) -> Result<f64> {
    let outputs = outputs(folder, process)?;
    let last = outputs.keys().next_back().map(|&(number, _)| number);
    let of_last = outputs.iter().filter(|&(&(number, _), _)| Some(number) == last);
    let total: f64 = of_last.map(|(_, profile)| profile.change).sum();
    ensure!(total > 0.0, "callgrind does not know {} by name", CHANGE.join(" or "));
    Ok(total)
}

/// The instructions of all threads but the first one in the last output of a process.
///
/// # Errors
///
/// Where there are none.
pub fn of_other_threads(folder: &Path, process: i32) -> Result<f64> {
    let outputs = outputs(folder, process)?;
    let last = outputs.keys().next_back().map(|&(number, _)| number);
    let total: f64 = outputs
        .iter()
        .filter(|&(&(number, thread), _)| Some(number) == last && thread > 1)
        .map(|(_, profile)| profile.total)
        .sum();
    ensure!(total > 0.0, "callgrind wrote nothing of the other threads of process {process}");
    Ok(total)
}

#[cfg(test)]
mod tests;
