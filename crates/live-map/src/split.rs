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
    let mut names = Vec::new();
    for item in items(value) {
        let (name, _) = item?;
        if names.contains(&name) {
            return Err(ListError::Twice(names.len() + 1));
        }
        names.push(name);
    }
    Ok(())
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
fn items(value: &[u8]) -> impl Iterator<Item = Result<(&[u8], u32), ListError>> {
    value.split(|&byte| byte == b',').enumerate().map(|(index, item)| {
        if index == MAX_NAMES {
            return Err(ListError::TooMany);
        }
        read_item(item, index + 1)
    })
}

fn read_item(item: &[u8], number: usize) -> Result<(&[u8], u32), ListError> {
    if item.iter().any(u8::is_ascii_control) {
        return Err(ListError::ControlCharacter(number));
    }
    let mut words = item.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let name = words.next().ok_or(ListError::Empty(number))?;
    let weight = words.next().map_or(Some(1), read_weight);
    weight
        .filter(|_| words.next().is_none())
        .map(|weight| (name, weight))
        .ok_or(ListError::Weight(number))
}

fn read_weight(digits: &[u8]) -> Option<u32> {
    let weight = digits.iter().try_fold(0_u32, |weight, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        weight.checked_mul(10)?.checked_add(digit)
    });
    weight.filter(|&weight| weight <= MAX_WEIGHT)
}
