//! The document as metrics, read line by line as both formats are defined.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use status_document::{
    Exposition, Head, Live, LiveKind, MetricsWriter, Over, Upstream, UpstreamKind, Writer as _,
    metrics::{Kind, metrics},
};
use support::{live, peers, text, upstream, write};

/// A sample: its name, its labels in their order, and its value.
type Sample = (String, BTreeMap<String, String>, f64);

/// What a text says.
#[derive(Debug, Default)]
struct Read {
    /// The kinds of metrics, by name.
    kinds: BTreeMap<String, String>,
    units: BTreeMap<String, String>,
    samples: Vec<Sample>,
}

/// Reads labels up to the closing brace; gives the rest as well.
fn labels(text: &str) -> (BTreeMap<String, String>, &str) {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while let Some((name, value)) = rest.split_once("=\"") {
        let name = name.trim_start_matches(',');
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name:?}");
        let (mut text, mut escaped, mut end) = (String::new(), false, None);
        for (at, next) in value.char_indices() {
            match (escaped, next) {
                (true, 'n') => text.push('\n'),
                (true, '\\' | '"') => text.push(next),
                (true, other) => panic!("no escape: {other:?}"),
                (false, '\\') => {}
                (false, '"') => {
                    end = Some(at + 1);
                    break;
                }
                (false, next) => text.push(next),
            }
            escaped = !escaped && next == '\\';
        }
        assert!(labels.insert(name.to_owned(), text).is_none(), "{name} twice");
        rest = &value[end.expect("a closing quote")..];
        if let Some(behind) = rest.strip_prefix('}') {
            return (labels, behind);
        }
    }
    panic!("no closing brace: {text:?}");
}

fn read(text: &str, exposition: Exposition) -> Read {
    let mut read = Read::default();
    let mut family = String::new();
    let body = match exposition {
        Exposition::OpenMetrics => text.strip_suffix("# EOF\n").expect("an end"),
        Exposition::Prometheus => text,
    };
    for line in body.split_terminator('\n') {
        assert!(!line.contains(char::is_control), "{line:?}");
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let mut word = || words.next().expect("three words").to_owned();
            let (what, name, said) = (word(), word(), word());
            match &*what {
                "HELP" => assert!(!read.kinds.contains_key(&name), "{name} comes twice"),
                "TYPE" => drop(read.kinds.insert(name.clone(), said)),
                "UNIT" => drop(read.units.insert(name.clone(), said)),
                _ => panic!("{line:?}"),
            }
            family = name;
            continue;
        }
        let at = line.find(['{', ' ']).expect("a name");
        let (name, rest) = line.split_at(at);
        let (labels, value) =
            rest.strip_prefix('{').map_or_else(|| (BTreeMap::new(), rest), labels);
        let value = value.strip_prefix(' ').expect("a value");
        let value = if value == "+Inf" { f64::INFINITY } else { value.parse().expect(value) };
        let suffix = name.strip_prefix(&family).unwrap_or_else(|| panic!("{name} in {family}"));
        let suffixes: &[&str] = match (&*read.kinds[&family], exposition) {
            ("counter", Exposition::OpenMetrics) => &["_total"],
            ("histogram", _) => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        assert!(suffixes.contains(&suffix), "{line:?}");
        read.samples.push((name.to_owned(), labels, value));
    }
    for (name, unit) in &read.units {
        assert!(name.ends_with(&format!("_{unit}")), "{name} in {unit}");
    }
    read
}

/// A text as a label has it: control characters are written as text.
fn in_label(text: &str) -> String {
    let written = |next: char| match next {
        '\n' => "\n".to_owned(),
        '\u{2028}' | '\u{2029}' => format!("\\u{:04x}", u32::from(next)),
        next if next.is_control() => format!("\\x{:02x}", u32::from(next)),
        next => next.to_string(),
    };
    text.chars().map(written).collect()
}

proptest! {
    #[test]
    fn any_text_is_a_label_and_no_more(
        text in text(), name in text(), peers in peers(), has_rows: bool, is_open: bool
    ) {
        let exposition =
            if is_open { Exposition::OpenMetrics } else { Exposition::Prometheus };
        let upstreams = [(upstream(&name, &text), peers.clone())];
        let written = write(&mut MetricsWriter::new(exposition, has_rows), &upstreams, &text);
        let read = read(&written, exposition);
        let distinct: BTreeSet<_> =
            read.samples.iter().map(|(name, labels, _)| (name, labels)).collect();
        // Texts that differ in control characters alone can be alike.
        let is_plain = |text: &String| !text.contains(char::is_control) && !text.is_empty();
        if peers.iter().all(|peer| {
            is_plain(&peer.address) && peer.key.as_ref().is_none_or(is_plain)
        })
        {
            prop_assert_eq!(distinct.len(), read.samples.len());
        }
        let of_peers = |(sample, ..): &&Sample| sample == "nginx_etcd_peer_weight";
        let rows: Vec<_> = read.samples.iter().filter(of_peers).collect();
        prop_assert_eq!(rows.len(), if has_rows { peers.len() } else { 0 });
        for ((_, labels, _), peer) in rows.into_iter().zip(&peers) {
            prop_assert_eq!(&labels["upstream"], &in_label(&name));
            prop_assert_eq!(&labels["peer"], &in_label(peer.key.as_deref().unwrap_or_default()));
            prop_assert_eq!(&labels["address"], &in_label(&peer.address));
        }
    }

    #[test]
    fn buckets_of_a_histogram_grow_to_its_count(figures in support::figures()) {
        let mut peer = support::OwnPeer {
            key: None,
            address: "a".into(),
            state: status_document::State::Up,
            figures: Some(figures),
            error: None,
            labels: BTreeMap::new(),
        };
        peer.labels.clear();
        let upstreams = [(upstream("u", ""), vec![peer])];
        let exposition = Exposition::OpenMetrics;
        let written = write(&mut MetricsWriter::new(exposition, true), &upstreams, "");
        let read = read(&written, exposition);
        let of = |suffix: &str| -> Vec<(String, f64)> {
            let name = format!("nginx_etcd_peer_header_seconds{suffix}");
            let samples = read.samples.iter().filter(|(sample, ..)| *sample == name);
            let bound = |labels: &BTreeMap<String, String>| labels.get("le").cloned();
            samples.map(|(_, labels, value)| (bound(labels).unwrap_or_default(), *value)).collect()
        };
        let buckets = of("_bucket");
        prop_assert_eq!(buckets.len(), 8);
        prop_assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        prop_assert_eq!(&buckets[7].0, "+Inf");
        prop_assert_eq!(buckets[7].1, of("_count")[0].1);
        prop_assert_eq!(buckets[7].1, figures.header_time.count() as f64);
    }
}

#[test]
fn both_formats_have_the_same_samples() {
    let upstreams = [(upstream("u", "text"), Vec::new()), (upstream("v", "text"), Vec::new())];
    let [one, other] = [Exposition::Prometheus, Exposition::OpenMetrics].map(|exposition| {
        read(&write(&mut MetricsWriter::new(exposition, true), &upstreams, "1"), exposition).samples
    });
    assert_eq!(one, other);
    assert!(one.len() > 100);
}

#[test]
fn an_upstream_has_its_kind_and_its_method_as_labels() {
    let of_kind = |name: &str, kind| (Upstream { kind, ..upstream(name, "text") }, Vec::new());
    let upstreams = [of_kind("u", UpstreamKind::Http), of_kind("v", UpstreamKind::Stream)];
    let exposition = Exposition::OpenMetrics;
    let written = write(&mut MetricsWriter::new(exposition, true), &upstreams, "1");
    let samples = read(&written, exposition).samples;
    let infos = samples.iter().filter(|(name, ..)| name == "nginx_etcd_upstream_info");
    let infos: Vec<_> = infos
        .map(|(_, labels, value)| {
            (["upstream", "kind", "balance"].map(|label| labels[label].as_str()), *value)
        })
        .collect();
    let expected = [["u", "http", "round_robin"], ["v", "stream", "round_robin"]];
    assert_eq!(infos, expected.map(|labels| (labels, 1.0)));
}

/// The metrics of a variable, of networks and of a map whose value is rejected for this reason.
fn of_live(rejected: Option<&str>) -> BTreeMap<String, f64> {
    let mut writer = MetricsWriter::new(Exposition::OpenMetrics, true);
    let mut out = Vec::new();
    writer.begin(&Head::default(), &mut out);
    while let Some(pass) = writer.next_pass(&mut out) {
        let kind = match pass.over {
            Over::Upstreams => continue,
            Over::Variables => LiveKind::Key,
            Over::Networks => LiveKind::Prefix,
            Over::Maps => LiveKind::Map,
        };
        let rejected = rejected.map(str::to_owned);
        writer.live(&Live { rejected, ..live(kind, "$a", "text") }, &mut out);
    }
    let samples = read(&String::from_utf8(out).expect("UTF-8"), Exposition::OpenMetrics).samples;
    samples.into_iter().map(|(name, _, value)| (name, value)).collect()
}

#[test]
fn a_value_is_rejected_until_a_valid_one_is_there() {
    for (rejected, value) in [(Some("not a number"), 1.0), (None, 0.0)] {
        let metrics = of_live(rejected);
        for kind in ["variable", "geo", "map"] {
            let name = format!("nginx_etcd_{kind}_rejected");
            assert_eq!(metrics.get(&name), Some(&value), "{name}, {rejected:?}");
        }
        // A counter does not fall.
        assert_eq!(metrics["nginx_etcd_variable_rejected_values_total"], 2.0);
    }
}

#[test]
fn names_of_metrics_say_kind_and_unit() {
    let mut names = BTreeSet::new();
    for family in metrics() {
        let name = family.name;
        assert!(names.insert(name), "{name} twice");
        assert!(name.starts_with("nginx_etcd_") && !name.ends_with("_total"), "{name}");
        assert!(family.unit.is_none_or(|unit| name.ends_with(&format!("_{unit}"))), "{name}");
        assert!(!family.help.contains(['\n', '\\', '"']), "{name}");
        assert!(family.kind != Kind::Histogram || family.unit.is_some(), "{name}");
    }
}
