//! `etcd_variable`: the value of one key.

use core::{
    any::Any,
    sync::atomic::{AtomicU64, Ordering},
};
use std::collections::BTreeMap;

use etcd_watch::{Item, Limits};
use live_value::{
    SharedWords, Tag, ValueError,
    messages::{LiveKeys, Nouns},
};

use super::{
    content::{Content, ContentUpdate, RejectedValue, hash_of},
    kind::{Figure, LiveKind, Request, Source, Value, VariableKind},
    memory::LiveMemory,
    value::copy_words,
    variable::Variable,
};
use crate::{
    config::{LONGEST_TIME, ValueType, VariableConf, number, time},
    zones::memory::holding,
};

/// The longest value, in bytes: as long as the value of a peer's key; nginx's buffers for a
/// request's headers are no longer by default.
const MAX_LENGTH: usize = 4096;

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// Words of the longest value, behind one that says its length.
const MAX_WORDS: usize = 1 + MAX_LENGTH / WORD;

/// What says a number, in whichever thread.
pub(crate) type LiveNumber = Box<dyn Fn() -> Option<u32> + Send>;

impl LiveKind for VariableConf {
    fn source(&self) -> Source<'_> {
        Source {
            directive: "etcd_variable",
            name: &self.name,
            cluster: &self.cluster,
            keys: LiveKeys::One(self.key.clone()),
            place: &self.place,
        }
    }

    fn is_same(&self, other: &dyn LiveKind) -> bool {
        (other as &dyn Any).downcast_ref().is_some_and(|other| self.says_the_same(other))
    }

    fn zone_size(&self) -> usize {
        holding(SharedWords::words_for(MAX_WORDS) * WORD)
    }

    fn content(&self, _memory: LiveMemory) -> Box<dyn Content> {
        Box::new(Text { kind: self.kind, last_good: None, is_there: false })
    }

    fn figures(&self, memory: &LiveMemory) -> BTreeMap<&'static str, Figure> {
        let length = memory.read(|words| length(words).0).ok().and_then(|found| found.value);
        BTreeMap::from([
            ("set", Figure::Flag(length.is_some())),
            ("size", Figure::Number(length.unwrap_or_default())),
        ])
    }
}

impl VariableKind for VariableConf {
    fn look_up<'r, R: Request>(
        &'static self,
        memory: Option<&LiveMemory>,
        request: &'r R,
    ) -> Value<'r> {
        let copied = present(self, memory, |words| {
            let (length, words) = length(words);
            let words = words.iter().map(|word| word.load(Ordering::Relaxed).to_ne_bytes());
            copy_words(words, length.div_ceil(WORD), request)?.get(..length)
        });
        match copied {
            Present::OfEtcd(Some(value)) => Value::Text(value),
            Present::OfConf(text) => Value::Text(text.as_bytes()),
            // Memory is short, or there is none.
            Present::OfEtcd(None) | Present::Nothing => Value::Nothing,
        }
    }
}

impl Variable {
    /// The present value as a time, in milliseconds.
    pub(crate) fn to_time(&self) -> Option<u64> {
        with_text(self.conf, self.memory(), time)
    }

    /// What says the present value as a number, in whichever thread.
    pub(crate) fn to_number(&self) -> LiveNumber {
        let (memory, conf) = (self.memory(), self.conf.clone());
        Box::new(move || with_text(&conf, memory, number))
    }
}

/// The present value.
enum Present<'c, T> {
    /// What was made of that of the key.
    OfEtcd(T),
    /// That of the configuration.
    OfConf(&'c str),
    /// There is none.
    Nothing,
}

/// The present value; `copy` is given the words of that of the key, and may be called again.
fn present<'c, T>(
    conf: &'c VariableConf,
    memory: Option<&LiveMemory>,
    copy: impl FnMut(&[AtomicU64]) -> T,
) -> Present<'c, T> {
    // Whether etcd has been read is of the same moment as the value: between two looks it might be,
    // and a value that is there would pass for none.
    let (value, is_written) = match memory.map(|memory| memory.read(copy)) {
        Some(Ok(found)) => (found.value, found.generation != 0),
        Some(Err(_)) => (None, true),
        None => (None, false),
    };
    let initial = || conf.initial.as_deref().filter(|_| !is_written).or(conf.default.as_deref());
    match value {
        Some(value) => Present::OfEtcd(value),
        None => initial().map_or(Present::Nothing, Present::OfConf),
    }
}

/// What `read` makes of the present value.
fn with_text<T>(
    conf: &VariableConf,
    memory: Option<&LiveMemory>,
    read: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let mut bytes = [0; MAX_LENGTH];
    match present(conf, memory, |words| copy_all(words, &mut bytes)) {
        Present::OfEtcd(length) => read(str::from_utf8(&bytes[..length]).ok()?),
        Present::OfConf(text) => read(text),
        Present::Nothing => None,
    }
}

/// The value's length, and its words. They may be any while they are written.
fn length(words: &[AtomicU64]) -> (usize, &[AtomicU64]) {
    let Some((length, words)) = words.split_first() else { return (0, &[]) };
    let length = usize::try_from(length.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
    (length.min(MAX_LENGTH), words)
}

/// Copies the value to the beginning of `into`. Returns its length.
fn copy_all(words: &[AtomicU64], into: &mut [u8; MAX_LENGTH]) -> usize {
    let (length, words) = length(words);
    copy(words, &mut into[..length]);
    length
}

fn copy(words: &[AtomicU64], into: &mut [u8]) {
    for (bytes, word) in into.chunks_mut(WORD).zip(words) {
        let word = word.load(Ordering::Relaxed).to_ne_bytes();
        bytes.copy_from_slice(&word[..bytes.len()]);
    }
}

/// What etcd has of the key.
#[derive(Debug)]
struct Text {
    kind: ValueType,
    /// Of a successor: that of the etcd before, until there is another one.
    last_good: Option<Vec<u8>>,
    /// Whether the key is there.
    is_there: bool,
}

impl Text {
    /// What is to be published.
    fn value(&self) -> Option<&[u8]> {
        self.last_good.as_deref().filter(|_| self.is_there)
    }
}

impl Content for Text {
    fn limits(&self) -> Limits {
        Limits::default()
    }

    fn nouns(&self) -> Nouns {
        Nouns {
            subject: "variable",
            values: "values",
            kept: "the current value is kept",
            removed: "the current value is removed",
            one: "",
            last_valid: "the last valid value is kept",
        }
    }

    /// The key counts, whatever its value is.
    fn successor(&self) -> Box<dyn Content> {
        Box::new(Self { kind: self.kind, last_good: self.last_good.clone(), is_there: false })
    }

    fn restore(&self, memory: &LiveMemory) -> Option<Box<dyn Content>> {
        let mut bytes = [0; MAX_LENGTH];
        let length = memory.read(|words| copy_all(words, &mut bytes)).ok()?.value?;
        let last_good = Some(bytes[..length].to_vec());
        Some(Box::new(Self { kind: self.kind, last_good, is_there: true }))
    }

    fn publish(&mut self, memory: &LiveMemory, tag: Tag) {
        let words = self.value().map(|value| {
            let words = value.chunks(WORD).map(|bytes| {
                let mut word = [0; WORD];
                word[..bytes.len()].copy_from_slice(bytes);
                u64::from_ne_bytes(word)
            });
            core::iter::once(value.len() as u64).chain(words).collect::<Vec<u64>>()
        });
        memory.write(words.as_deref(), tag);
    }

    fn is_set(&self) -> bool {
        self.value().is_some()
    }

    fn succeed(&mut self, former: Box<dyn Content>) -> ContentUpdate {
        let former = (&*former as &dyn Any).downcast_ref::<Self>();
        let is_changed = former.is_none_or(|former| former.value() != self.value());
        ContentUpdate { is_changed, rejected: Vec::new() }
    }

    fn replace(&mut self, items: &[Item]) -> ContentUpdate {
        match items.first() {
            Some(item) => self.put(item),
            // A successor has not dropped what was before it: the hold goes on.
            None if !self.is_there => ContentUpdate::default(),
            None => ContentUpdate { is_changed: self.delete(&[]), rejected: Vec::new() },
        }
    }

    fn put(&mut self, item: &Item) -> ContentUpdate {
        self.is_there = true;
        match check(&item.value, self.kind) {
            Ok(value) => {
                let is_changed = self.last_good.as_deref() != Some(value);
                self.last_good = Some(value.to_vec());
                ContentUpdate { is_changed, rejected: Vec::new() }
            }
            Err(error) => {
                let (key, reason, hash) = (String::new(), error.to_string(), hash_of(&item.value));
                let rejected = vec![RejectedValue { key, reason, hash }];
                ContentUpdate { is_changed: false, rejected }
            }
        }
    }

    fn delete(&mut self, _key: &[u8]) -> bool {
        self.is_there = false;
        self.last_good.take().is_some()
    }

    fn is_empty(&self) -> bool {
        self.last_good.is_none()
    }

    fn is_replacement(&self) -> bool {
        self.is_there
    }

    fn drop_former(&mut self) {
        self.last_good = None;
    }

    fn summary(&self) -> String {
        match self.value() {
            Some(value) => format!("set ({} bytes)", value.len()),
            None => "unset".to_owned(),
        }
    }
}

/// The value as variables have it. A line break at its end, as files have one, is no part of it,
/// nor is space around what is no text.
fn check(value: &[u8], kind: ValueType) -> Result<&[u8], ValueError> {
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    let value = value.strip_suffix(b"\r").unwrap_or(value);
    if value.len() > MAX_LENGTH {
        return Err(ValueError::TooLong { length: value.len(), most: MAX_LENGTH });
    }
    let value = if kind == ValueType::Text { value } else { value.trim_ascii() };
    match str::from_utf8(value) {
        Err(_) => Err(ValueError::NotUtf8),
        // In a header, or a log, it could be the beginning of another one.
        Ok(text) if text.contains(char::is_control) => Err(ValueError::ControlCharacter),
        Ok(text) if kind.takes(text) => Ok(value),
        Ok(_) if kind == ValueType::Time => Err(ValueError::NotATime(LONGEST_TIME.1)),
        Ok(_) => Err(ValueError::NotANumber),
    }
}
