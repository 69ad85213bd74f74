//! A change as the bytes of a slot.

use crate::change::{Cause, Change, ChangedKeys, Keys, Record};

/// The bytes before the texts: the cause, the numbers of keys of each kind, whether there is a
/// detail, and how many bytes of texts follow.
const HEAD: usize = 8;

/// The longest detail in bytes: a line as the log has it. The rest of a slot is for keys.
const DETAIL: usize = 200;

/// What is behind a detail that was cut.
const CUT: &str = "…";

/// The bytes of a change without its time, its revision and the number of keys that were omitted,
/// and that number.
pub(crate) fn encode(change: &Change<'_>, room: usize) -> (Vec<u8>, u64) {
    let Change { cause, keys, detail, .. } = change;
    let mut texts = Texts { bytes: vec![0; HEAD], room };
    let detail = detail.map(|detail| cut(detail, DETAIL.min(room.saturating_sub(HEAD + 1))));
    let has_detail = detail.is_some_and(|(head, is_cut)| texts.push(head, is_cut));
    let (counts, omitted) = push_keys(&mut texts, keys);
    let mut bytes = texts.bytes;
    let length = u16::try_from(bytes.len() - HEAD).unwrap_or(u16::MAX);
    let [added, removed, changed] = counts;
    let [low, high] = length.to_le_bytes();
    let head = [cause.code(), added, removed, changed, u8::from(has_detail), 0, low, high];
    bytes[..HEAD].copy_from_slice(&head);
    (bytes, omitted)
}

/// Reads what [`encode`] has written. `None`: no change looks like this.
pub(crate) fn decode(
    bytes: &[u8],
    number: u64,
    time: u64,
    revision: u64,
    omitted: u64,
) -> Option<Record> {
    let (&[cause, added, removed, changed, has_detail, _, low, high], texts) =
        bytes.split_first_chunk::<HEAD>()?;
    let mut texts = texts.get(..usize::from(u16::from_le_bytes([low, high])))?;
    let detail = if has_detail == 0 { None } else { Some(take(&mut texts)?) };
    let mut lists = [added, removed, changed].map(|count| Vec::with_capacity(count.into()));
    let counts = [added, removed, changed];
    for (list, count) in lists.iter_mut().zip(counts) {
        for _ in 0..count {
            list.push(take(&mut texts)?);
        }
    }
    let [added, removed, changed] = lists;
    let cause = Cause::of_code(cause)?;
    Some(Record { number, time, revision, cause, added, removed, changed, omitted, detail })
}

/// The bytes that [`decode`] needs, as the first ones say.
pub(crate) fn length(head: u64) -> usize {
    let [.., low, high] = head.to_le_bytes();
    HEAD + usize::from(u16::from_le_bytes([low, high]))
}

/// As many keys as fit, and how many are left out. The kinds take turns, so that of each some are
/// named.
fn push_keys(texts: &mut Texts, keys: &ChangedKeys) -> ([u8; 3], u64) {
    let kinds = [&keys.added, &keys.removed, &keys.changed];
    let mut chosen: [Vec<&str>; 3] = Default::default();
    let mut left_out: u64 = kinds.iter().map(|keys| keys.more()).sum();
    let longest = kinds.iter().map(|keys| keys.named().len()).max().unwrap_or_default();
    let mut room = texts.room.saturating_sub(texts.bytes.len());
    for place in 0..longest {
        for (keys, chosen) in kinds.into_iter().zip(&mut chosen) {
            let Some(key) = Keys::named(keys).get(place) else { continue };
            let length = key.len() + 1;
            let fits = length <= room && key.len() <= usize::from(u8::MAX);
            if fits && chosen.len() < usize::from(u8::MAX) {
                room -= length;
                chosen.push(key);
            } else {
                left_out += 1;
            }
        }
    }
    for key in chosen.iter().flatten() {
        texts.push(key, false);
    }
    (chosen.map(|keys| u8::try_from(keys.len()).unwrap_or(u8::MAX)), left_out)
}

/// Texts behind each other, each behind its length.
struct Texts {
    bytes: Vec<u8>,
    room: usize,
}

impl Texts {
    /// Adds a text, with a sign behind it if it was cut. Says whether there was room.
    fn push(&mut self, text: &str, is_cut: bool) -> bool {
        let sign = if is_cut { CUT } else { "" };
        let Ok(length) = u8::try_from(text.len() + sign.len()) else { return false };
        if self.bytes.len() + 1 + usize::from(length) > self.room {
            return false;
        }
        self.bytes.push(length);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.extend_from_slice(sign.as_bytes());
        true
    }
}

fn take(texts: &mut &[u8]) -> Option<String> {
    let (&length, behind) = texts.split_first()?;
    let (text, rest) = behind.split_at_checked(length.into())?;
    *texts = rest;
    str::from_utf8(text).ok().map(str::to_owned)
}

/// The beginning of a text that fits into so many bytes together with the sign that it was cut, and
/// whether it was.
fn cut(text: &str, room: usize) -> (&str, bool) {
    if text.len() <= room {
        return (text, false);
    }
    let end = (0..=room.saturating_sub(CUT.len())).rev().find(|&end| text.is_char_boundary(end));
    (&text[..end.unwrap_or_default()], true)
}
