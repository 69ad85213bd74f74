//! Parameters that are words.

use std::ops::Range;

use super::parameter::{ChangeKind, ParameterChange};

/// White space of nginx's configuration.
const WHITE_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// A value in nginx's syntax after a change.
pub(super) fn edited(text: &str, change: &ParameterChange) -> String {
    let words = words(text);
    let is_it = |range: &Range<usize>| {
        text.get(range.clone())
            .is_some_and(|word| word.split('=').next() == Some(change.name.as_str()))
    };
    // The first one is the address.
    let found: Vec<_> = words.iter().skip(1).filter(|range| is_it(range)).cloned().collect();
    let mut result = text.to_owned();
    // From the end, so that what is before keeps its place. Of several the last one counts.
    let (last, others) = match (&change.kind, found.split_last()) {
        (ChangeKind::Unset, _) => (None, &found[..]),
        (_, Some((last, others))) => (Some(last.clone()), others),
        (_, None) => (None, &found[..]),
    };
    if change.kind != ChangeKind::Unset {
        match last {
            Some(range) => result.replace_range(range, &change.to_string()),
            None => {
                let end = words.last().map_or(0, |range| range.end);
                result.insert_str(end, &format!(" {change}"));
            }
        }
    }
    for range in others.iter().rev() {
        let before = text.get(..range.start).unwrap_or_default();
        let start = before.trim_end_matches(WHITE_SPACE).len();
        result.replace_range(start..range.end, "");
    }
    result
}

/// Where the words of a value are, without the semicolon at its end.
fn words(text: &str) -> Vec<Range<usize>> {
    let end = text.trim_end_matches(WHITE_SPACE);
    let end = end.strip_suffix(';').unwrap_or(end).len();
    let mut words = Vec::new();
    let mut start = None;
    for (at, character) in text.char_indices().take_while(|(at, _)| *at < end) {
        match (start, WHITE_SPACE.contains(&character)) {
            (None, false) => start = Some(at),
            (Some(from), true) => {
                words.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    words.extend(start.map(|from| from..end));
    words
}

/// rpcx's metadata after a change: a query, in which a node that is not to be used is `inactive`.
pub(super) fn edited_query(text: &str, change: &ParameterChange) -> Option<String> {
    let is_down = |pair: &str| matches!(pair, "state=inactive" | "disabled=true" | "enabled=false");
    let is_weight = |pair: &str| pair == "weight" || pair.starts_with("weight=");
    let mut pairs: Vec<_> =
        text.trim_matches(WHITE_SPACE).split('&').filter(|pair| !pair.is_empty()).collect();
    let added = match (change.name.as_str(), &change.kind) {
        ("weight", ChangeKind::Unset) => None,
        ("weight", _) => Some(change.to_string()),
        ("down", ChangeKind::Unset) => None,
        ("down", _) if pairs.iter().any(|pair| is_down(pair)) => return Some(text.to_owned()),
        ("down", _) => Some("state=inactive".to_owned()),
        _ => return None,
    };
    if change.name == "weight" {
        pairs.retain(|pair| !is_weight(pair));
    } else {
        let has_state = |pair: &str| added.is_some() && pair.starts_with("state=");
        pairs.retain(|pair| !is_down(pair) && !has_state(pair));
    }
    pairs.extend(added.as_deref());
    Some(pairs.join("&"))
}
