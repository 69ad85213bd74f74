//! The table of tested versions is made of the results of the last run of `make test-versions`, and
//! a build warns of an nginx that is newer than those.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use serde::Deserialize;

/// What came out with one system.
#[derive(Debug, Deserialize)]
struct Run {
    system: String,
    nginx: String,
    etcd: String,
    tests: String,
    passed: usize,
    failed: Vec<String>,
    skipped: Vec<String>,
}

fn read(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn runs() -> Vec<Run> {
    serde_json::from_str(&read("docs/reference/versions.json")).expect("versions.json")
}

#[test]
fn table_of_versions_is_that_of_the_last_run() {
    let (mut table, mut reasons) = (String::new(), BTreeMap::<_, Vec<_>>::new());
    table.push_str("| system | nginx | etcd | tests | passed | failed | skipped |\n");
    table.push_str("|---|---|---|---|---|---|---|\n");
    for run in runs() {
        let (passed, failed, skipped) = (run.passed, run.failed.len(), run.skipped.len());
        let tests = match run.tests.as_str() {
            "whole" => "every test",
            "part" => "a part",
            tests => panic!("the table has no runs of {tests} tests"),
        };
        let _ = writeln!(
            table,
            "| {} | {} | {} | {tests} | {passed} | {failed} | {skipped} |",
            run.system, run.nginx, run.etcd
        );
        for line in &run.skipped {
            let (_, reason) = line.split_once(": ").expect("TEST: REASON");
            let systems = reasons.entry(reason.to_owned()).or_default();
            if systems.last() != Some(&run.system) {
                systems.push(run.system.clone());
            }
        }
    }
    let mut skipped = String::from("| reason | skipped with |\n|---|---|\n");
    for (reason, systems) in reasons {
        let _ = writeln!(skipped, "| {reason} | {} |", systems.join(", "));
    }
    let parts = [("tested versions".to_owned(), table), ("skipped tests".to_owned(), skipped)];
    doc_tables::check("docs/reference/versions.md", &parts);
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|number| number.parse().expect("a number")).collect()
}

#[test]
fn build_warns_of_what_is_newer_than_tested() {
    let newest = runs().iter().map(|run| numbers(&run.nginx)).max().expect("a run");
    let build = read("build.rs");
    let named =
        build.split("NEWEST_TESTED: &str = \"").nth(1).and_then(|rest| rest.split('"').next());
    assert_eq!(numbers(named.expect("NEWEST_TESTED")), newest, "build.rs");
}
