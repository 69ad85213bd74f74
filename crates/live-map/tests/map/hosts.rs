//! Which entry a host has, beside a copy of what nginx does.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use live_map::hosts::{HostError, parse};
use live_map::{Kind, MAX_NAME, MapWriter, Name, SharedMap};
use proptest::collection::vec;
use proptest::prelude::*;

fn zeroes() -> Vec<AtomicU64> {
    (0..24 + 9 * 400).map(|_| AtomicU64::new(0)).collect()
}

/// A map of these keys, each with itself as its value.
fn map_of<K: AsRef<[u8]>>(words: &[AtomicU64], keys: impl IntoIterator<Item = K>) -> SharedMap<'_> {
    let mut writer = MapWriter::take_over(words, false);
    for key in keys {
        let key = key.as_ref();
        let name = parse(key).unwrap_or_else(|error| panic!("{key:?}: {error}"));
        writer.put(&name, key).expect("room");
    }
    writer.map()
}

fn find(map: SharedMap<'_>, host: &[u8]) -> Option<String> {
    let found = map.get_host(host, |found| found.to_vec()).expect("nobody writes");
    found.map(|key| String::from_utf8(key).expect("as it was put"))
}

/// nginx's `ngx_hash_wildcard_t` as it is built and searched: `value` is that of a mask that ends
/// here, `has_only_deeper` is what the lowest bit of a value's address says.
#[derive(Default)]
struct Tree {
    value: Option<String>,
    labels: BTreeMap<String, Branch>,
}

struct Branch {
    value: Option<String>,
    /// `*.example.com` and not `.example.com`: there must be a label more.
    is_deeper: bool,
    tree: Option<Tree>,
}

/// `ngx_hash_wildcard_init`, of names such as `com.example.` and `com.example` in order.
fn build(names: &[(String, String)]) -> Tree {
    let mut tree = Tree::default();
    let mut rest = names;
    while let [(name, value), others @ ..] = rest {
        let (label, has_dot) = match name.split_once('.') {
            Some((label, _)) => (label, true),
            None => (name.as_str(), false),
        };
        let length = label.len() + usize::from(has_dot);
        let mut next = Vec::new();
        if name.len() != length {
            next.push((name[length..].to_owned(), value.clone()));
        }
        let mut taken = 0;
        for (other, value) in others {
            if !other.starts_with(&name[..length])
                || (!has_dot && other.len() > length && other.as_bytes()[length] != b'.')
            {
                break;
            }
            next.push((other[label.len() + 1..].to_owned(), value.clone()));
            taken += 1;
        }
        let branch = if next.is_empty() {
            Branch { value: Some(value.clone()), is_deeper: has_dot, tree: None }
        } else {
            let mut deeper = build(&next);
            if name.len() == length {
                deeper.value = Some(value.clone());
            }
            Branch { value: None, is_deeper: has_dot, tree: Some(deeper) }
        };
        tree.labels.insert(label.to_owned(), branch);
        rest = &others[taken..];
    }
    tree
}

/// `ngx_hash_find_wc_head`.
fn find_head(tree: &Tree, name: &str) -> Option<String> {
    let start = name.rfind('.').map_or(0, |dot| dot + 1);
    let Some(branch) = tree.labels.get(&name[start..]) else { return tree.value.clone() };
    match &branch.tree {
        Some(deeper) if start == 0 => {
            if branch.is_deeper {
                None
            } else {
                deeper.value.clone()
            }
        }
        Some(deeper) => find_head(deeper, &name[..start - 1]).or_else(|| deeper.value.clone()),
        None if branch.is_deeper && start == 0 => None,
        None => branch.value.clone(),
    }
}

/// `ngx_hash_find_wc_tail`.
fn find_tail(tree: &Tree, name: &str) -> Option<String> {
    let dot = name.find('.')?;
    let Some(branch) = tree.labels.get(&name[..dot]) else { return tree.value.clone() };
    match &branch.tree {
        Some(deeper) => find_tail(deeper, &name[dot + 1..]).or_else(|| deeper.value.clone()),
        None => branch.value.clone(),
    }
}

/// nginx's `map` with `hostnames`.
#[derive(Default)]
struct Nginx {
    exact: BTreeMap<String, String>,
    heads: Tree,
    tails: Tree,
}

impl Nginx {
    /// Of keys that do not conflict with each other.
    fn new(keys: &[String]) -> Self {
        let mut exact = BTreeMap::new();
        let (mut heads, mut tails) = (Vec::new(), Vec::new());
        for key in keys {
            let lower = key.to_ascii_lowercase();
            let reversed = |text: &str| text.rsplit('.').collect::<Vec<_>>().join(".");
            if let Some(text) = lower.strip_prefix("*.") {
                heads.push((reversed(text) + ".", key.clone()));
            } else if let Some(text) = lower.strip_prefix('.') {
                heads.push((reversed(text), key.clone()));
            } else if let Some(text) = lower.strip_suffix(".*") {
                tails.push((text.to_owned(), key.clone()));
            } else {
                exact.insert(lower, key.clone());
            }
        }
        // `ngx_dns_strcmp`: a dot comes before all others.
        let order = |name: &(String, String)| {
            name.0.bytes().map(|byte| if byte == b'.' { 0 } else { byte }).collect::<Vec<u8>>()
        };
        heads.sort_by_key(order);
        tails.sort_by_key(order);
        Self { exact, heads: build(&heads), tails: build(&tails) }
    }

    /// `ngx_http_map_variable`, `ngx_hash_find_combined`.
    fn find(&self, host: &str) -> Option<String> {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let found = self.exact.get(&host).cloned();
        if host.is_empty() {
            return found;
        }
        found.or_else(|| find_head(&self.heads, &host)).or_else(|| find_tail(&self.tails, &host))
    }
}

/// Whether nginx would refuse the key beside the others.
fn conflicts(keys: &[String], key: &str) -> bool {
    let names = |key: &str| {
        let name = parse(key.as_bytes()).expect("a name");
        let text = name.text().to_ascii_lowercase();
        match name.kind() {
            Kind::Exact => vec![(Kind::Exact, text)],
            Kind::Head => vec![(Kind::Head, text)],
            Kind::Dot => vec![(Kind::Exact, text.clone()), (Kind::Head, text)],
            Kind::Tail => vec![(Kind::Tail, text)],
        }
    };
    let own = names(key);
    keys.iter().any(|other| names(other).iter().any(|name| own.contains(name)))
}

/// Few labels, so that names meet each other; some long, so that hosts are longer than 64 bytes.
fn host() -> impl Strategy<Value = String> {
    let label = prop_oneof![
        8 => "[abA]".boxed(),
        2 => Just("ab".to_owned()).boxed(),
        1 => Just("-".to_owned()).boxed(),
        1 => Just("x".repeat(40)).boxed(),
    ];
    vec(label, 1..6).prop_map(|labels| labels.join("."))
}

fn key() -> impl Strategy<Value = String> {
    let around = prop_oneof![Just(("", "")), Just(("*.", "")), Just((".", "")), Just(("", ".*"))];
    (around, host()).prop_map(|((before, behind), host)| format!("{before}{host}{behind}"))
}

proptest! {
    #[test]
    fn hosts_have_the_entries_that_nginx_gives_them(
        all in vec(key(), 0..12),
        hosts in vec(host(), 1..20),
        behind in "\\.{0,2}",
        before in "\\.{0,1}",
    ) {
        let mut keys = Vec::new();
        for key in all {
            if !conflicts(&keys, &key) {
                keys.push(key);
            }
        }
        let (words, nginx) = (zeroes(), Nginx::new(&keys));
        let map = map_of(&words, &keys);
        for host in hosts {
            for host in [host.clone(), format!("{before}{host}{behind}")] {
                prop_assert_eq!(find(map, host.as_bytes()), nginx.find(&host), "{}", host);
            }
        }
        for host in ["", ".", "..", "a..b", "*.a"] {
            prop_assert_eq!(find(map, host.as_bytes()), nginx.find(host), "{}", host);
        }
    }

    /// Also where nginx would refuse the keys.
    #[test]
    fn the_more_explicit_key_counts(keys in vec(key(), 0..16), hosts in vec(host(), 1..20)) {
        let words = zeroes();
        let mut writer = MapWriter::take_over(&words, false);
        // Of those that differ in case alone the last one is put.
        let mut model = BTreeMap::new();
        for key in &keys {
            writer.put(&parse(key.as_bytes()).expect("a name"), key.as_bytes()).expect("room");
            model.insert(key.to_ascii_lowercase(), key.clone());
        }
        for host in hosts {
            let lower = host.to_ascii_lowercase();
            let dots: Vec<usize> = lower.match_indices('.').map(|(at, _)| at).collect();
            let own = [lower.clone(), format!(".{lower}")];
            let ends = dots.iter().flat_map(|&dot| {
                [format!("*{}", &lower[dot..]), lower[dot..].to_owned()]
            });
            let starts = dots.iter().rev().map(|&dot| format!("{}.*", &lower[..dot]));
            let mut all = own.into_iter().chain(ends).chain(starts);
            let expected = all.find_map(|key| model.get(&key));
            let found = find(writer.map(), host.as_bytes());
            prop_assert_eq!(found.as_ref(), expected, "{}", host);
        }
    }

    #[test]
    fn keys_are_read_and_written(key in vec(any::<u8>(), 0..20), mask in key()) {
        for key in [&key[..], mask.as_bytes()] {
            match parse(key) {
                Ok(name) => {
                    prop_assert_eq!(name.to_key(), key);
                    let again = Name::new(name.kind(), name.text()).expect("short");
                    prop_assert_eq!(again.to_key(), key);
                }
                Err(error) => prop_assert!(!error.to_string().contains(char::is_control)),
            }
        }
    }
}

#[test]
fn the_copy_of_nginx_is_one() {
    let keys = ["example.com", "*.example.com", ".example.org", "www.example.*", "*.com", ".org"];
    let nginx = Nginx::new(&keys.map(str::to_owned));
    for (host, key) in [
        ("example.com", Some("example.com")),
        ("www.example.com", Some("*.example.com")),
        ("a.b.example.com.", Some("*.example.com")),
        ("example.org", Some(".example.org")),
        ("WWW.Example.ORG", Some(".example.org")),
        ("org", Some(".org")),
        ("other.com", Some("*.com")),
        ("com", None),
        ("www.example.net", Some("www.example.*")),
        ("www.example", None),
        ("example.net", None),
        ("", None),
    ] {
        assert_eq!(nginx.find(host).as_deref(), key, "{host}");
        let words = zeroes();
        assert_eq!(find(map_of(&words, keys), host.as_bytes()).as_deref(), key, "{host}");
    }
}

#[test]
fn a_dot_gives_way_to_more_explicit_keys() {
    let words = zeroes();
    let map = map_of(&words, [".example.com", "example.com"]);
    assert_eq!(find(map, b"example.com").as_deref(), Some("example.com"));
    assert_eq!(find(map, b"www.example.com").as_deref(), Some(".example.com"));
    let words = zeroes();
    let map = map_of(&words, ["*.example.com", ".example.com"]);
    assert_eq!(find(map, b"example.com").as_deref(), Some(".example.com"));
    assert_eq!(find(map, b"www.example.com").as_deref(), Some("*.example.com"));
}

#[test]
fn hosts_longer_than_names_have_masks() {
    let words = zeroes();
    let map = map_of(&words, ["*.example.com", "www.*"]);
    let long = "a.".repeat(2_000);
    let host = format!("{long}example.com");
    assert_eq!(find(map, host.as_bytes()).as_deref(), Some("*.example.com"));
    assert_eq!(find(map, format!("www.{long}a").as_bytes()).as_deref(), Some("www.*"));
    assert_eq!(find(map, format!("{long}a").as_bytes()), None);
}

#[test]
fn masks_of_very_many_labels_are_found() {
    let words = zeroes();
    let labels = |count| vec!["a"; count].join(".");
    let keys = [62, 63, 64, 100, 255].map(|count| format!("*.{}", labels(count)));
    let map = map_of(&words, &keys);
    for count in 1..300 {
        let expected = [255, 100, 64, 63, 62].into_iter().find(|&other| other < count);
        let expected = expected.map(|count| format!("*.{}", labels(count)));
        assert_eq!(find(map, labels(count).as_bytes()), expected, "{count}");
    }
}

#[test]
fn what_nginx_refuses_is_refused() {
    for (key, error) in [
        ("*", HostError::Asterisk),
        ("*.", HostError::EmptyLabel),
        ("*foo.com", HostError::Asterisk),
        ("a.*.b", HostError::Asterisk),
        ("www.*.", HostError::Asterisk),
        ("*.example.*", HostError::Asterisk),
        ("*.*", HostError::Asterisk),
        ("**.com", HostError::Asterisk),
        ("a..b", HostError::EmptyLabel),
        ("..com", HostError::EmptyLabel),
        ("*..com", HostError::EmptyLabel),
        ("www..*", HostError::EmptyLabel),
        ("a\0b", HostError::ZeroByte),
        // What nginx takes, and never finds.
        (".", HostError::EmptyLabel),
        (".*", HostError::Asterisk),
        (".a.*", HostError::Asterisk),
        ("example.com.", HostError::EmptyLabel),
        ("*.example.com.", HostError::EmptyLabel),
    ] {
        assert_eq!(parse(key.as_bytes()).expect_err(key), error, "{key}");
    }
    let long = "a".repeat(MAX_NAME + 1);
    assert_eq!(parse(long.as_bytes()).expect_err("long"), HostError::TooLong(513));
    assert!(parse(&long.as_bytes()[1..]).is_ok() && parse(b"").is_ok() && parse(b"-").is_ok());
}

#[test]
fn messages_are_worded_so() {
    for (error, expected) in [
        (
            HostError::TooLong(513),
            "the key is too long: 513 bytes below the prefix, the maximum is 512",
        ),
        (
            HostError::Asterisk,
            "not a host name or mask: an asterisk can only be the first or the last label \
             (*.example.com, www.example.*)",
        ),
        (HostError::EmptyLabel, "not a host name or mask: a label is empty"),
        (HostError::ZeroByte, "not a host name or mask: it contains a zero byte"),
    ] {
        assert_eq!(error.to_string(), expected);
    }
}
