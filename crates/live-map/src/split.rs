//! Lists of names with weights, of which one is chosen by a key.
//!
//! A key has a number for each name, and chooses the name whose number, by its weight, is the
//! least: weighted rendezvous hashing (Schindelhauer and Schomaker, "Weighted distributed hash
//! tables", SPAA 2005; Resch, "New hashing algorithms for data storage", SDC 2015). Where a name's
//! weight grows or a name comes, keys go to that name alone, and no more than its share grows by;
//! the order of the list does not matter. The numbers are the same on all machines and at all
//! times.

use thiserror::Error;

use crate::hash::{Seed, mix};

/// Names that a list has at most.
pub const MAX_NAMES: usize = 64;

/// The greatest weight.
pub const MAX_WEIGHT: u32 = 1_000_000_000;

/// By which keys and names are hashed: odd numbers without a pattern, by Knuth and by Steele and
/// Vigna (MMIX; "Computationally easy, spectrally good multipliers", 2022). Others would send every
/// client to another name.
const KEY_SEED: Seed = Seed(6_364_136_223_846_793_005);
const NAME_SEED: Seed = Seed(0xd134_2543_de82_ef95);

/// Why a value is no list. The text is one line, without the value itself, which may be secret.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ListError {
    /// There are too many names.
    #[error("the list has more than {MAX_NAMES} names")]
    TooMany,
    /// A place between commas, or the whole value, is empty.
    #[error("item {0} of the list is empty")]
    Empty(usize),
    /// What stands behind a name is no weight.
    #[error(
        "item {0} of the list is not NAME or NAME WEIGHT, with a weight from 0 to {MAX_WEIGHT}"
    )]
    Weight(usize),
    /// A control character.
    #[error("item {0} of the list contains a control character")]
    ControlCharacter(usize),
    /// A name that stands there already.
    #[error("item {0} of the list has the name of another item")]
    Twice(usize),
}

/// Whether a value is a list such as `web-v1 90, web-v2 10`, in which the weight is 1 where it
/// lacks, and which has each name once.
///
/// # Errors
///
/// Where it is not.
pub fn check(value: &[u8]) -> Result<(), ListError> {
    list(value).map(drop)
}

/// The names of a list with their weights, in its order, as [`check`] takes it.
///
/// # Errors
///
/// Where the value is no list.
pub fn list(value: &[u8]) -> Result<Vec<(&[u8], u32)>, ListError> {
    let mut list = Vec::new();
    for item in items(value) {
        let (name, weight) = item?;
        if list.iter().any(|(other, _)| *other == name) {
            return Err(ListError::Twice(list.len() + 1));
        }
        list.push((name, weight));
    }
    Ok(list)
}

/// The name of a list that a key chooses; `None` where no name has a weight, or the value is no
/// list. It allocates nothing.
#[must_use]
pub fn choose<'v>(value: &'v [u8], key: &[u8]) -> Option<&'v [u8]> {
    let key = KEY_SEED.hash_exactly(key);
    let mut chosen: Option<(f64, &[u8])> = None;
    for item in items(value) {
        let (name, weight) = item.ok()?;
        if weight == 0 {
            continue;
        }
        let number = number(key, name, weight);
        // Of equal ones the name tells, not the place.
        if chosen.is_none_or(|least| (number, name) < least) {
            chosen = Some((number, name));
        }
    }
    chosen.map(|(_, name)| name)
}

/// A key's number for a name: of an exponential distribution, whose mean is the inverse of the
/// weight.
fn number(key: u64, name: &[u8], weight: u32) -> f64 {
    // As many as a float has behind its first one, so that a half is none too many: it is neither 0
    // nor 1.
    let bits = mix(key ^ NAME_SEED.hash_exactly(name)) >> 12;
    let uniform = (bits as f64 + 0.5) * f64::EPSILON;
    -uniform.ln() / f64::from(weight)
}

/// The names of a list with their weights, up to the first item that is none.
fn items(value: &[u8]) -> Items<'_> {
    Items { rest: Some(value), read: 0 }
}

struct Items<'v> {
    /// What is behind the last comma; `None` behind the last item.
    rest: Option<&'v [u8]>,
    read: usize,
}

impl<'v> Iterator for Items<'v> {
    type Item = Result<(&'v [u8], u32), ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest.take()?;
        if self.read == MAX_NAMES {
            return Some(Err(ListError::TooMany));
        }
        self.read += 1;
        Some(self.item(text))
    }
}

impl<'v> Items<'v> {
    /// Reads an item at the beginning of a text. Each byte is looked at once: this is done for
    /// requests.
    fn item(&mut self, text: &'v [u8]) -> Result<(&'v [u8], u32), ListError> {
        let number = self.read;
        let (name, rest) = take(skip_spaces(text), |byte| !is_end(byte));
        let (digits, rest) = take(skip_spaces(rest), |byte| byte.is_ascii_digit());
        match skip_spaces(rest) {
            [] => {}
            [b',', rest @ ..] => self.rest = Some(rest),
            [byte, ..] if byte.is_ascii_control() => {
                return Err(ListError::ControlCharacter(number));
            }
            _ => return Err(ListError::Weight(number)),
        }
        if name.is_empty() {
            return Err(ListError::Empty(number));
        }
        Ok((name, read_weight(digits).ok_or(ListError::Weight(number))?))
    }
}

/// The bytes before the first one that is not so, and the others.
#[inline]
fn take(text: &[u8], is_so: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|&byte| !is_so(byte)).unwrap_or(text.len());
    text.split_at(end)
}

#[inline]
fn skip_spaces(text: &[u8]) -> &[u8] {
    take(text, |byte| byte == b' ').1
}

/// Whether a byte is behind a name: a space, a comma or a control character.
#[inline]
fn is_end(byte: u8) -> bool {
    byte <= b' ' || byte == b',' || byte == 0x7f
}

/// A weight, which is 1 where there are no digits.
fn read_weight(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return Some(1);
    }
    let weight = digits.iter().fold(0_u32, |weight, digit| {
        weight.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
    });
    (weight <= MAX_WEIGHT).then_some(weight)
}
