//! The table of the metrics in the documentation.

use std::fmt::Write as _;

use status_document::metrics::{Source, metrics};

#[test]
fn reference_has_the_table_of_all_metrics() {
    let mut table =
        String::from("| metric | kind | unit | labels | meaning |\n|---|---|---|---|---|\n");
    for family in metrics() {
        let labels = family.all_labels();
        let labels: Vec<_> = labels.split(", ").filter(|label| !label.is_empty()).collect();
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        let help = family.help.trim_end_matches('.');
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} | {help} |",
            family.full_name(),
            family.kind.name(),
            family.unit.unwrap_or_default(),
            labels.join(", "),
        );
    }
    doc_tables::check("docs/reference/metrics.md", &[("metrics".to_owned(), table)]);
}

#[test]
fn metrics_of_peers_say_so_in_their_names() {
    for family in metrics() {
        let is_of_peer = matches!(family.source, Source::Peer(_));
        assert_eq!(is_of_peer, family.name.starts_with("nginx_etcd_peer_"), "{}", family.name);
    }
}
