//! The reference of the flags, and the manual pages: `make docs` writes them.

use clap::{Arg, Command, CommandFactory};

use super::Cli;
use crate::serve::settings_reference;

/// The heading of the flags that all tasks share.
const ETCD: &str = "etcd";

/// Where the pages are, from the root of the repository.
const PAGES: &str = "docs/reference";

/// Where the manual pages are.
const MANUAL: &str = "man";

fn cli() -> Command {
    let mut cli = Cli::command();
    cli.build();
    cli
}

fn task(name: &str) -> Command {
    cli().find_subcommand(name).expect("a task").clone()
}

/// A line for each flag that stands below this heading: the flag, its variable, its default, what
/// it sets.
fn flags(task: &Command, heading: Option<&str>) -> String {
    let mut table = "| flag | variable | default | |\n|---|---|---|---|\n".to_owned();
    let is_listed = |flag: &&Arg| {
        flag.get_help_heading() == heading && !["help", "version"].contains(&flag.get_id().as_str())
    };
    for flag in task.get_arguments().filter(is_listed) {
        let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
        // A default that depends on the machine stands in the text.
        let (text, said) = match help.split_once(" [default: ") {
            Some((text, default)) => (text, default.trim_end_matches(']').to_owned()),
            None => (help.as_str(), "—".to_owned()),
        };
        let default = match flag.get_default_values() {
            _ if !flag.get_action().takes_values() => "—".to_owned(),
            [] => said,
            [value] if value.is_empty() => "—".to_owned(),
            values => {
                let values: Vec<_> = values.iter().map(|value| value.to_string_lossy()).collect();
                format!("`{}`", values.join(","))
            }
        };
        let variable = flag
            .get_env()
            .map_or_else(|| "—".to_owned(), |name| format!("`{}`", name.to_string_lossy()));
        let cells = [format!("`{}`", spelled(flag)), variable, default, text.to_owned()];
        table += &format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    table
}

/// How a flag is written: `--listen [ADDRESS:]PORT,...`.
fn spelled(flag: &Arg) -> String {
    let values = flag.get_value_names().unwrap_or_default();
    let values: Vec<_> = values.iter().map(ToString::to_string).collect();
    match flag.get_long() {
        Some(long) if flag.get_action().takes_values() => format!("--{long} {}", values.join(" ")),
        Some(long) => format!("--{long}"),
        None => format!("-- {}", values.join(" ")),
    }
}

fn check_page(page: &str, parts: &[(&str, String)]) {
    let parts: Vec<_> =
        parts.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
    doc_tables::check(&format!("{PAGES}/{page}"), &parts);
}

#[test]
fn reference_has_each_flag_and_setting() {
    let (serve, announce, migrate) = (task("serve"), task("announce"), task("migrate"));
    check_page(
        "serve.md",
        &[
            ("serve-settings", settings_reference()),
            ("serve-flags", flags(&serve, None)),
            ("etcd-flags", flags(&serve, Some(ETCD))),
        ],
    );
    check_page("announce.md", &[("announce-flags", flags(&announce, None))]);
    check_page("migrate.md", &[("migrate-flags", flags(&migrate, None))]);
}

#[test]
fn flags_of_etcd_are_the_same_in_each_task() {
    let serve = flags(&task("serve"), Some(ETCD));
    assert!(serve.contains("--etcd-endpoints"), "{serve}");
    for name in ["announce", "migrate"] {
        assert_eq!(flags(&task(name), Some(ETCD)), serve, "{name}");
    }
}

#[test]
fn manual_has_a_page_for_the_program_and_each_task() {
    let cli = cli();
    let tasks = cli.get_subcommands().filter(|task| !task.is_hide_set());
    let pages = std::iter::once(&cli).chain(tasks);
    for page in pages.filter(|page| page.get_name() != "help") {
        let name = page.get_display_name().unwrap_or(page.get_name()).to_owned();
        let mut text = Vec::new();
        clap_mangen::Man::new(page.clone()).render(&mut text).expect("a page");
        let text = String::from_utf8(text).expect("text");
        doc_tables::check_whole(&format!("{MANUAL}/{name}.1"), &text);
    }
}
