//! The reference of the flags, and the manual pages: `make docs` writes them.

use clap::{Arg, Command, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use crate::{etcd::PASSWORD_VARIABLE, serve::settings_reference};

/// The heading of the flags that all tasks share.
const ETCD: &str = "etcd";

/// Tasks that have tasks of their own, with these.
const WITH_TASKS: [(&str, &[&str]); 3] = [
    ("nodes", &["list", "add", "set", "drain", "undrain", "remove"]),
    ("routes", &["list", "set", "remove"]),
    ("services", &["list", "show", "remove", "set", "unset"]),
];

/// Where the pages are, from the root of the repository.
const PAGES: &str = "docs/reference";

/// Where the manual pages are.
const MANUAL: &str = "man";

/// Where the completions for shells are, by the names that the shells look for.
const COMPLETIONS: [(Shell, &str); 3] = [
    (Shell::Bash, "completions/firehose-router"),
    (Shell::Zsh, "completions/_firehose-router"),
    (Shell::Fish, "completions/firehose-router.fish"),
];

fn cli() -> Command {
    let mut cli = Cli::command();
    cli.build();
    cli
}

/// The program without what nobody calls by hand.
fn for_users() -> Command {
    let cli = Cli::command();
    let tasks = cli.get_subcommands().filter(|task| !task.is_hide_set()).cloned();
    let tasks: Vec<_> = tasks.collect();
    let about = cli.get_about().cloned().unwrap_or_default();
    let mut cli = Command::new("firehose-router")
        .version(env!("CARGO_PKG_VERSION"))
        .about(about)
        .subcommand_required(true)
        .subcommands(tasks);
    cli.build();
    cli
}

/// A task, or one of a task's own: `nodes add`.
fn task(names: &str) -> Command {
    let mut task = cli();
    for name in names.split(' ') {
        task = task.find_subcommand(name).expect("a task").clone();
    }
    task
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
        Some(long) if flag.is_require_equals_set() => format!("--{long}[={}]", values.join(" ")),
        Some(long) if flag.get_action().takes_values() => format!("--{long} {}", values.join(" ")),
        Some(long) => format!("--{long}"),
        None if flag.is_last_set() => format!("-- {}", values.join(" ")),
        None if flag.get_num_args().is_some_and(|range| range.max_values() > 1) => {
            format!("{}...", values.join(" "))
        }
        None => values.join(" "),
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
    check_page("status-command.md", &[("status-flags", flags(&task("status"), None))]);
    check_page("check-value.md", &[("check-value-flags", flags(&task("check-value"), None))]);
    for (name, tasks) in WITH_TASKS {
        let table =
            |of: &&str| (format!("{name}-{of}-flags"), flags(&task(&format!("{name} {of}")), None));
        let tables: Vec<_> = tasks.iter().map(table).collect();
        let tables: Vec<_> =
            tables.iter().map(|(of, table)| (of.as_str(), table.clone())).collect();
        check_page(&format!("{name}.md"), &tables);
    }
}

#[test]
fn reference_describes_every_task_of_a_task() {
    for (name, expected) in WITH_TASKS {
        let task = task(name);
        let tasks = task.get_subcommands().map(Command::get_name).filter(|of| *of != "help");
        assert_eq!(tasks.collect::<Vec<_>>(), expected, "{name}");
    }
}

#[test]
fn flags_of_etcd_are_the_same_in_each_task() {
    let serve = flags(&task("serve"), Some(ETCD));
    assert!(serve.contains("--etcd-endpoints"), "{serve}");
    for name in ["announce", "migrate"] {
        assert_eq!(flags(&task(name), Some(ETCD)), serve, "{name}");
    }
    let is_connection = |line: &&str| !line.contains("--prefix");
    let connection: Vec<_> = serve.lines().filter(is_connection).collect();
    for (name, tasks) in WITH_TASKS {
        for of in tasks {
            let own = flags(&task(&format!("{name} {of}")), Some(ETCD));
            // Other prefixes than the router's are flags of their own.
            if name == "nodes" {
                assert_eq!(own, serve, "{name} {of}");
            } else {
                assert_eq!(own.lines().collect::<Vec<_>>(), connection, "{name} {of}");
            }
        }
    }
}

#[test]
fn manual_has_a_page_for_the_program_and_each_task() {
    for (name, text) in manual() {
        doc_tables::check_whole(&format!("{MANUAL}/{name}.1"), &text);
    }
}

#[test]
fn shells_complete_every_task_and_flag() {
    for (shell, file) in COMPLETIONS {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut for_users(), "firehose-router", &mut text);
        let text = String::from_utf8(text).expect("text");
        // clap_complete 4.6 gives the cases of a program with a hyphen in its name another name
        // than bash's function looks for.
        let text = text.replace("firehose__subcmd__router", "firehose__router");
        for word in ["announce", "etcd-endpoints", "check-value", "undrain", "if-absent"] {
            assert!(text.contains(word), "{file}: {word}");
        }
        assert!(!text.contains("run-bound"), "{file}");
        // Some shells' lines end in spaces, which nothing needs.
        let lines = text.lines().map(|line| format!("{}\n", line.trim_end()));
        doc_tables::check_whole(file, &lines.collect::<String>());
    }
}

#[test]
fn manual_describes_every_option_and_variable() {
    let pages = manual();
    assert!(pages.iter().any(|(_, text)| text.contains(r"\fB\-\-etcd\-ip\fR")));
    for (name, text) in &pages {
        let lines: Vec<_> = text.lines().collect();
        for entry in lines.windows(3).filter(|entry| entry[0] == ".TP") {
            let is_described = !entry[2].trim().is_empty() && !entry[2].starts_with('.');
            assert!(is_described, "{name}: {}", entry[1]);
        }
        assert!(!text.contains("[default: ]"), "{name}: an empty default");
        assert!(!text.contains(r"\-help(1)"), "{name}: a page that does not exist");
    }
}

#[test]
fn manual_names_the_version_and_the_other_pages() {
    let pages = manual();
    for (name, text) in &pages {
        let title = text.lines().find(|line| line.starts_with(".TH "));
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(title, Some(&*format!(".TH {name} 1 \"\" \"firehose-router {version}\"")));
        for (other, _) in pages.iter().filter(|(other, _)| other != name) {
            assert!(text.contains(&reference(other)), "{name} does not name {other}");
        }
    }
}

/// The name and the text of each page.
fn manual() -> Vec<(String, String)> {
    // `help` has no page. The pages also describe what the short help hides.
    fn whole(task: Command) -> Command {
        let task = task.disable_help_subcommand(true);
        task.mut_args(|flag| flag.hide_short_help(false)).mut_subcommands(whole)
    }
    fn add<'c>(page: &'c Command, pages: &mut Vec<&'c Command>) {
        pages.push(page);
        page.get_subcommands().filter(|task| !task.is_hide_set()).for_each(|task| add(task, pages));
    }
    let mut cli = whole(Cli::command());
    cli.build();
    let mut pages = Vec::new();
    add(&cli, &mut pages);
    let name = |page: &Command| page.get_display_name().unwrap_or(page.get_name()).to_owned();
    let names: Vec<_> = pages.iter().map(|page| name(page)).collect();
    pages.into_iter().map(|page| (name(page), manual_page(page, &name(page), &names))).collect()
}

fn manual_page(page: &Command, name: &str, names: &[String]) -> String {
    let mut text = Vec::new();
    clap_mangen::Man::new(page.clone()).render(&mut text).expect("a page");
    let text = String::from_utf8(text).expect("text");
    // clap_mangen omits an empty date, so that man takes the source for the date.
    let title = format!(".TH {name} 1 \"\" \"firehose-router {}\"", env!("CARGO_PKG_VERSION"));
    let mut result = String::new();
    for line in text.lines() {
        result += if line.starts_with(".TH ") { &title } else { line };
        result += "\n";
    }
    let others: Vec<_> =
        names.iter().filter(|other| *other != name).map(|other| reference(other)).collect();
    result + &environment(page) + ".SH \"SEE ALSO\"\n" + &others.join(",\n") + "\n"
}

/// The section with the variables: each one with its flag.
fn environment(page: &Command) -> String {
    let mut variables = Vec::new();
    for flag in page.get_arguments() {
        if let (Some(variable), Some(long)) = (flag.get_env(), flag.get_long()) {
            let option = format!("\\fB{}\\fR", escaped(&format!("--{long}")));
            variables.push((variable.to_string_lossy().into_owned(), option.clone()));
            if long == "etcd-password-file" {
                let text = format!("The password itself. {option} takes precedence");
                variables.push((PASSWORD_VARIABLE.to_owned(), text));
            }
        }
    }
    if variables.is_empty() {
        return String::new();
    }
    let head = ".SH ENVIRONMENT\nA flag takes precedence over its variable.\n".to_owned();
    variables.iter().fold(head, |section, (variable, text)| {
        format!("{section}.TP\n\\fB{}\\fR\n{text}\n", escaped(variable))
    })
}

fn reference(name: &str) -> String {
    format!("\\fB{}\\fR(1)", escaped(name))
}

/// roff would print a plain "-" as a hyphen, which nobody can copy as a minus.
fn escaped(text: &str) -> String {
    text.replace('-', r"\-")
}
