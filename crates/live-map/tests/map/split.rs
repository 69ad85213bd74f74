//! Who gets which share of a list.

use live_map::split::{ListError, MAX_NAMES, MAX_WEIGHT, check, choose, list};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

const KEYS: u32 = 100_000;

fn key(number: u32) -> String {
    // As $request_id is: 32 hexadecimal digits, here without any randomness.
    format!("{number:032x}")
}

fn chosen(list: &str) -> Vec<Option<&str>> {
    (0..KEYS)
        .map(|number| choose(list.as_bytes(), key(number).as_bytes()))
        .map(|name| name.map(|name| str::from_utf8(name).expect("part of the list")))
        .collect()
}

/// The part of the keys that chose this one.
fn share(chosen: &[Option<&str>], name: &str) -> f64 {
    chosen.iter().filter(|chosen| **chosen == Some(name)).count() as f64 / f64::from(KEYS)
}

/// Five standard deviations of the share that `KEYS` keys have, of which one in two million tests
/// is wrong; keys are the same in each run.
fn bound(share: f64) -> f64 {
    5.0 * (share * (1.0 - share) / f64::from(KEYS)).sqrt()
}

#[test]
fn names_have_the_shares_of_their_weights() {
    for list in [
        &[("web-v1", 90), ("web-v2", 10)][..],
        &[("web-v1", 1), ("web-v2", 1)],
        &[("a", 1), ("b", 2), ("c", 3), ("d", 94)],
        &[("a", 0), ("b", 1), ("c", 4)],
        &[("a", 1_000_000_000), ("b", 999_999_999)],
        &[("service", 3)],
    ] {
        let text = list.iter().map(|(name, weight)| format!("{name} {weight}"));
        let text = text.collect::<Vec<_>>().join(", ");
        let sum: u32 = list.iter().map(|(_, weight)| weight).sum();
        let chosen = chosen(&text);
        for (name, weight) in list {
            let due = f64::from(*weight) / f64::from(sum);
            let found = share(&chosen, name);
            assert!((found - due).abs() <= bound(due), "{name}: {found} of {text}");
        }
    }
}

#[test]
fn a_list_has_its_names_with_their_weights() {
    let read = list(b"web-v1 90,web-v2  10 , c, d 0");
    let expected = [(&b"web-v1"[..], 90), (b"web-v2", 10), (b"c", 1), (b"d", 0)];
    assert_eq!(read.as_deref(), Ok(&expected[..]));
    assert_eq!(list(b"a, b 2, a 3"), Err(ListError::Twice(3)));
    assert_eq!(list(b"a,"), Err(ListError::Empty(2)));
}

#[test]
fn a_tenth_moves_when_a_tenth_is_to_move() {
    let before = chosen("web-v1 90, web-v2 10");
    let after = chosen("web-v1 80, web-v2 20");
    let moved: Vec<_> =
        before.iter().zip(&after).filter(|(before, after)| before != after).collect();
    assert!(moved.iter().all(|pair| *pair == (&Some("web-v1"), &Some("web-v2"))));
    let part = moved.len() as f64 / f64::from(KEYS);
    assert!((part - 0.1).abs() <= bound(0.1), "{part}");
    // A third one takes from both, as much as it gets.
    let third = chosen("web-v1 80, web-v2 20, web-v3 100");
    let taken: Vec<_> = after.iter().zip(&third).filter(|(after, third)| after != third).collect();
    assert!(taken.iter().all(|(_, third)| **third == Some("web-v3")));
    let share = taken.len() as f64 / f64::from(KEYS);
    assert!((share - 0.5).abs() <= bound(0.5), "{share}");
}

#[test]
fn keys_that_differ_little_choose_for_themselves() {
    // Those who choose the first of one list have no say in another one.
    let (one, other) = (chosen("a, b"), chosen("c, d"));
    let both = one.iter().zip(&other).filter(|pair| *pair == (&Some("a"), &Some("c"))).count();
    let share = both as f64 / f64::from(KEYS);
    assert!((share - 0.25).abs() <= bound(0.25), "{share}");
    let pairs = one.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert!((pairs as f64 / f64::from(KEYS) - 0.5).abs() <= bound(0.5), "{pairs}");
}

/// Another version, or another machine, must not send every client elsewhere.
#[test]
fn choices_are_for_ever() {
    let list = b"a 1, b 2, c 3, d 4";
    let choices: Vec<u8> = ["", "x", "client-1", "a longer key, of 33 characters...", "d0e7"]
        .iter()
        .chain(&["A", "a", "42", "\u{e4}", "0123456789abcdef0123456789abcdef"])
        .map(|key| choose(list, key.as_bytes()).expect("one")[0])
        .collect();
    assert_eq!(String::from_utf8_lossy(&choices), "ccbbaccbdd");
}

#[test]
fn lists_are_read() {
    for (list, name) in [
        ("a", Some("a")),
        ("  a  ", Some("a")),
        ("a 7", Some("a")),
        ("a 0", None),
        ("a 0, b 0", None),
        ("a 0,b 1,c 0", Some("b")),
        ("a   0 ,  b", Some("b")),
        ("http://[::1]:80/ 1", Some("http://[::1]:80/")),
        ("1 1", Some("1")),
        ("\u{e4}\u{f6} 1000000000", Some("\u{e4}\u{f6}")),
        ("a 007", Some("a")),
    ] {
        assert_eq!(check(list.as_bytes()), Ok(()), "{list:?}");
        assert_eq!(choose(list.as_bytes(), b"key"), name.map(str::as_bytes), "{list:?}");
    }
    let many =
        |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    for (list, error) in [
        ("", ListError::Empty(1)),
        (" ", ListError::Empty(1)),
        ("a,", ListError::Empty(2)),
        ("a,,b", ListError::Empty(2)),
        (",a", ListError::Empty(1)),
        ("a b", ListError::Weight(1)),
        ("a 1 2", ListError::Weight(1)),
        ("a, b -1", ListError::Weight(2)),
        ("a +1", ListError::Weight(1)),
        ("a 1.5", ListError::Weight(1)),
        ("a 1000000001", ListError::Weight(1)),
        ("a 99999999999999999999999", ListError::Weight(1)),
        ("a\tb", ListError::ControlCharacter(1)),
        ("a, b\n", ListError::ControlCharacter(2)),
        ("a\0", ListError::ControlCharacter(1)),
        ("a 1, b 1, a 2", ListError::Twice(3)),
        (&many(MAX_NAMES + 1), ListError::TooMany),
    ] {
        assert_eq!(check(list.as_bytes()), Err(error), "{list:?}");
        if !matches!(error, ListError::Twice(_)) {
            assert_eq!(choose(list.as_bytes(), b"key"), None, "{list:?}");
        }
    }
    assert_eq!(check(many(MAX_NAMES).as_bytes()), Ok(()));
}

#[test]
fn messages_are_worded_so() {
    for (error, expected) in [
        (ListError::TooMany, "the list has more than 64 names"),
        (ListError::Empty(2), "item 2 of the list is empty"),
        (
            ListError::Weight(3),
            "item 3 of the list is not NAME or NAME WEIGHT, with a weight from 0 to 1000000000",
        ),
        (ListError::ControlCharacter(1), "item 1 of the list contains a control character"),
        (ListError::Twice(4), "item 4 of the list has the name of another item"),
    ] {
        assert_eq!(error.to_string(), expected);
    }
}

fn write(list: &[(&String, &u32)]) -> String {
    list.iter().map(|(name, weight)| format!("{name} {weight}")).collect::<Vec<_>>().join(",")
}

proptest! {
    #[test]
    fn the_order_of_a_list_does_not_matter(
        list in btree_map("[a-z0-9:/.-]{1,20}", 0..=MAX_WEIGHT, 1..MAX_NAMES),
        key: String,
        turn: prop::sample::Index,
    ) {
        let mut items: Vec<_> = list.iter().collect();
        let text = write(&items);
        items.rotate_left(turn.index(list.len()));
        let turned = write(&items);
        items.reverse();
        let reversed = write(&items);
        prop_assert_eq!(check(text.as_bytes()), Ok(()));
        let found = choose(text.as_bytes(), key.as_bytes());
        prop_assert_eq!(choose(turned.as_bytes(), key.as_bytes()), found);
        prop_assert_eq!(choose(reversed.as_bytes(), key.as_bytes()), found);
        match found {
            Some(name) => {
                let name = String::from_utf8(name.to_vec()).expect("text");
                prop_assert!(list[&name] > 0);
            }
            None => prop_assert!(list.values().all(|&weight| weight == 0)),
        }
    }

    /// Names that come, or grow, take keys for themselves; others do not exchange any.
    #[test]
    fn keys_go_to_what_grows_alone(
        mut list in btree_map("[a-z]{1,4}", 1..1_000_u32, 2..12),
        name in "[a-z]{1,4}",
        more in 1..1_000_u32,
        keys in vec(any::<[u8; 9]>(), 50),
    ) {
        let before = write(&list.iter().collect::<Vec<_>>());
        *list.entry(name.clone()).or_default() += more;
        let after = write(&list.iter().collect::<Vec<_>>());
        for key in &keys {
            let (before, after) = (choose(before.as_bytes(), key), choose(after.as_bytes(), key));
            prop_assert!(before == after || after == Some(name.as_bytes()));
        }
    }

    #[test]
    fn nothing_breaks_it(value in vec(any::<u8>(), 0..60), list in "[ab ,0-9\u{1}]{0,30}") {
        for value in [&value[..], list.as_bytes()] {
            match check(value) {
                Ok(()) => {
                    let is_name = |name: &[u8]| !name.is_empty() && !name.contains(&b' ');
                    prop_assert!(choose(value, b"key").is_none_or(is_name));
                }
                Err(error) => prop_assert!(!error.to_string().contains(char::is_control)),
            }
        }
    }
}
