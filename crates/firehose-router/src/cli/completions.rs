//! What real shells complete with the files in `completions/`: bash, which is always there, and
//! others where they are installed.

use std::{path::Path, process::Command};

/// A file of completions.
fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../completions").join(name);
    path.canonicalize().expect("completions").display().to_string()
}

/// What a shell says to a script; `None` if it is not installed.
fn said(shell: &[&str], script: &str) -> Option<String> {
    let [program, arguments @ ..] = shell else { return None };
    let output = match Command::new(program).args(arguments).arg(script).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        output => output.expect("a shell"),
    };
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && error.is_empty(), "{program}: {error}");
    Some(String::from_utf8(output.stdout).expect("text"))
}

/// The words that bash offers in place of the last of these.
fn bash(words: &[&str]) -> Vec<String> {
    let (last, before) = words.split_last().expect("a word");
    let previous = before.last().expect("a word before it");
    let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "source '{}'; COMP_WORDS=({}); COMP_CWORD={}; _firehose__router firehose-router '{last}' \
         '{previous}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        file("firehose-router"),
        quoted.join(" "),
        before.len()
    );
    let said = said(&["bash", "--norc", "-c"], &script).expect("bash is installed");
    said.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_tasks_flags_and_values() {
    for (words, expected) in [
        (&["firehose-router", "ch"][..], "check-value"),
        (&["firehose-router", "ro"], "routes"),
        (&["firehose-router", "nodes", "dr"], "drain"),
        (&["firehose-router", "nodes", "drain", "--wa"], "--wait"),
        (&["firehose-router", "nodes", "set", "--etcd-end"], "--etcd-endpoints"),
        (&["firehose-router", "status", "--peers", "al"], "all"),
        (&["firehose-router", "status", "--color", "ne"], "never"),
        (&["firehose-router", "check-value", "--js"], "--json"),
        (&["firehose-router", "routes", "set", "--if"], "--if-absent"),
        (&["firehose-router", "services", "sh"], "show"),
        (&["firehose-router", "services", "set", "--sett"], "--settings"),
    ] {
        assert_eq!(bash(words), [expected], "{words:?}");
    }
    let tasks = bash(&["firehose-router", "nodes", ""]);
    for task in ["list", "add", "set", "drain", "undrain", "remove"] {
        assert!(tasks.iter().any(|offered| offered == task), "{task}: {tasks:?}");
    }
}

#[test]
fn fish_completes_tasks_of_nodes() {
    let script = format!(
        "source '{}'; complete -C 'firehose-router nodes dr'",
        file("firehose-router.fish")
    );
    match said(&["fish", "--no-config", "-c"], &script) {
        Some(offered) => assert!(offered.starts_with("drain"), "{offered}"),
        None => println!("skipped: fish is not installed"),
    }
}

#[test]
fn zsh_reads_its_completions() {
    let script = format!(
        "autoload -Uz compinit && compinit -D -u && source '{}' && \
         (( $+functions[_firehose-router__subcmd__nodes_commands] )) && \
         [[ $_comps[firehose-router] == _firehose-router ]] && echo good",
        file("_firehose-router")
    );
    match said(&["zsh", "-f", "-c"], &script) {
        Some(said) => assert_eq!(said, "good\n"),
        None => println!("skipped: zsh is not installed"),
    }
}
