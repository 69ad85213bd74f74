//! Flags that stand behind words which may begin with a hyphen themselves: `nodes set n -weight
//! --etcd-user a`. clap would take them for words.

use std::ffi::OsString;

use clap::{Arg, Command};

/// The command line with the flags of its task before the words, where clap needs that.
pub(crate) fn flags_first(mut cli: Command, arguments: Vec<OsString>) -> Vec<OsString> {
    cli.build();
    let mut task = &cli;
    let mut head = 1;
    while let Some(next) = arguments.get(head).and_then(|word| task.find_subcommand(word.to_str()?))
    {
        (task, head) = (next, head + 1);
    }
    // What is behind the words of other tasks is for another program.
    let takes_hyphens = |words: &Arg| {
        words.is_allow_hyphen_values_set()
            && !words.is_trailing_var_arg_set()
            && !words.is_last_set()
    };
    if !task.get_positionals().any(takes_hyphens) {
        return arguments;
    }
    let mut rest = arguments.into_iter();
    let mut flags: Vec<_> = rest.by_ref().take(head).collect();
    let mut words = Vec::new();
    while let Some(word) = rest.next() {
        if word == "--" {
            words.push(word);
            words.extend(rest);
            break;
        }
        match flag(task, &word) {
            None => words.push(word),
            Some(is_followed) => {
                flags.push(word);
                if is_followed {
                    flags.extend(rest.next());
                }
            }
        }
    }
    flags.extend(words);
    flags
}

/// Whether the word is a flag of the task, and then whether its value is the next word.
fn flag(task: &Command, word: &OsString) -> Option<bool> {
    let text = word.to_str()?;
    if text == "-h" {
        return Some(false);
    }
    let text = text.strip_prefix("--")?;
    let name = text.split_once('=').map_or(text, |(name, _)| name);
    let flag = task.get_arguments().find(|flag| flag.get_long() == Some(name))?;
    let takes = flag.get_action().takes_values() && !flag.is_require_equals_set();
    Some(takes && !text.contains('='))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::{CommandFactory, Parser};

    use super::flags_first;
    use crate::cli::Cli;

    fn ordered(line: &str) -> String {
        let arguments = line.split(' ').map(OsString::from).collect();
        let ordered = flags_first(Cli::command(), arguments);
        ordered.join(" ".as_ref()).into_string().expect("text")
    }

    #[test]
    fn flags_behind_the_words_are_flags() {
        for (line, expected) in [
            ("x nodes set n weight=5 --etcd-user a", "x nodes set --etcd-user a n weight=5"),
            ("x nodes set n -weight --prefix=/a down", "x nodes set --prefix=/a n -weight down"),
            (
                "x check-value 10.0.0.7:80 weight=5 --json",
                "x check-value --json 10.0.0.7:80 weight=5",
            ),
            ("x check-value - --key k", "x check-value --key k -"),
            ("x check-value -- a --json", "x check-value -- a --json"),
            ("x nodes set n weight=5 --help", "x nodes set --help n weight=5"),
            // Others are as they were.
            ("x nodes drain n --wait", "x nodes drain n --wait"),
            ("x announce --key a -- program --key b", "x announce --key a -- program --key b"),
            ("x run-bound 1 2 program --expendable", "x run-bound 1 2 program --expendable"),
            ("x", "x"),
        ] {
            assert_eq!(ordered(line), expected);
        }
    }

    #[test]
    fn unknown_flags_are_no_parameters() {
        let line = ordered("x nodes set n weight=5 --etcd-usr a");
        let error = Cli::try_parse_from(line.split(' ')).expect_err("an unknown flag");
        assert!(error.to_string().contains("there is no flag \"--etcd-usr\""), "{error}");
    }
}
