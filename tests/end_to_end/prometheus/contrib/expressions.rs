//! Expressions of PromQL, as far as metrics and labels stand in them.

use harness::*;
use serde_json::Value;

/// What is put in for Grafana's variables.
const VARIABLES: [(&str, &str); 2] = [("$__rate_interval", "5m"), ("$__range", "1h")];

/// Metrics and labels in an expression.
#[derive(Debug, Default)]
pub(super) struct Used {
    /// Names of metrics, each with the labels in its braces.
    pub(super) metrics: Vec<(String, Vec<String>)>,
    /// Labels by which the expression groups and joins.
    pub(super) groups: Vec<String>,
}

impl Used {
    /// Those in this expression.
    pub(super) fn by(expression: &str) -> Self {
        let mut used = Self::default();
        for token in tokens(expression) {
            match token {
                Token::Metric(name, labels) => {
                    used.metrics.push((name.to_owned(), words(labels)));
                }
                Token::Group(labels) => used.groups.extend(words(labels)),
            }
        }
        used
    }
}

/// The selectors in an expression: each metric with what stands in its braces.
pub(super) fn selectors(expression: &str) -> Vec<String> {
    let metrics = tokens(expression).into_iter().filter_map(|token| match token {
        Token::Metric(name, labels) => Some(format!("{name}{{{labels}}}")),
        Token::Group(_) => None,
    });
    metrics.collect()
}

/// The names of the module's metrics in a text of any kind.
pub(super) fn names(text: &str) -> Vec<String> {
    let words = text.split(|it: char| !is_of_word(it));
    words.filter(|word| word.starts_with("nginx_etcd_")).map(str::to_owned).collect()
}

enum Token<'a> {
    /// A name, and what stands in its braces.
    Metric(&'a str, &'a str),
    /// What stands in the parentheses of `by`, `on` and others.
    Group(&'a str),
}

fn is_of_word(it: char) -> bool {
    it.is_ascii_alphanumeric() || it == '_' || it == ':'
}

fn tokens(expression: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = expression;
    while let Some(next) = rest.chars().next() {
        if next == '"' {
            rest = behind_string(rest);
            continue;
        }
        if !is_of_word(next) {
            rest = &rest[next.len_utf8()..];
            continue;
        }
        let end = rest.find(|it| !is_of_word(it)).unwrap_or(rest.len());
        let word = &rest[..end];
        rest = &rest[end..];
        let begin = rest.trim_start();
        match word {
            "by" | "without" | "on" | "ignoring" | "group_left" | "group_right" => {
                let Some(inside) = begin.strip_prefix('(') else { continue };
                let (labels, behind) = inside.split_once(')').unwrap_or((inside, ""));
                tokens.push(Token::Group(labels));
                rest = behind;
            }
            _ if word.starts_with("nginx_") || word == "up" || word.contains(':') => {
                let mut labels = "";
                if let Some(inside) = begin.strip_prefix('{') {
                    let end = end_of_braces(inside);
                    (labels, rest) = inside.split_at(end);
                }
                tokens.push(Token::Metric(word, labels));
            }
            _ => {}
        }
    }
    tokens
}

/// What follows the string that the text begins with.
fn behind_string(text: &str) -> &str {
    let mut is_escaped = false;
    for (at, it) in text.char_indices().skip(1) {
        match it {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

/// Where the braces end whose inside this is.
fn end_of_braces(inside: &str) -> usize {
    let mut rest = inside;
    while let Some(at) = rest.find(['"', '}']) {
        if rest[at..].starts_with('}') {
            return inside.len() - rest.len() + at;
        }
        rest = behind_string(&rest[at..]);
    }
    inside.len()
}

/// The labels in a list of them, or of matchers.
fn words(list: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = list;
    while let Some(at) = rest.find(is_of_word) {
        rest = &rest[at..];
        let end = rest.find(|it| !is_of_word(it)).unwrap_or(rest.len());
        words.push(rest[..end].to_owned());
        let behind = rest[end..].trim_start_matches(['=', '!', '~', ' ']);
        rest = if behind.starts_with('"') { behind_string(behind) } else { behind };
    }
    words
}

/// The expressions of a file of rules, each with the name of the series that it records, if it is
/// no alert.
pub(super) fn of_rules(text: &str) -> Vec<(Option<String>, String)> {
    let mut rules = Vec::new();
    let mut record = None;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim_start();
        if let Some(name) = line.strip_prefix("- record: ") {
            record = Some(name.to_owned());
        } else if line.starts_with("- alert: ") {
            record = None;
        } else if let Some(first) = line.strip_prefix("expr: ") {
            let mut expression = first.trim_start_matches('|').to_owned();
            let is_inside = |line: &&str| {
                line.trim().is_empty() || line.len() - line.trim_start().len() > indent
            };
            while let Some(line) = lines.next_if(is_inside) {
                expression.push(' ');
                expression.push_str(line.trim());
            }
            rules.push((record.take(), expression));
        }
    }
    rules
}

/// The expressions of a dashboard, with values for all variables.
///
/// # Errors
///
/// JSON that is none, and a variable that is not known.
pub(super) fn of_dashboard(json: &[u8]) -> Result<Vec<String>> {
    let dashboard: Value = serde_json::from_slice(json)?;
    let named = dashboard["templating"]["list"].as_array().ok_or("no variables")?;
    let named: Vec<_> = named.iter().filter_map(|it| it["name"].as_str()).collect();
    ensure!(named.contains(&"datasource") && named.contains(&"upstream"), "{named:?}");
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().ok_or("no panels")? {
        ensure!(
            panel["type"] == "row" || panel["datasource"]["uid"] == "${datasource}",
            "{} has a data source of its own",
            panel["title"]
        );
        for target in panel["targets"].as_array().into_iter().flatten() {
            let mut expression = target["expr"].as_str().ok_or("no expression")?.to_owned();
            for (variable, value) in VARIABLES {
                expression = expression.replace(variable, value);
            }
            for name in &named {
                expression = expression.replace(&format!("=\"${name}\""), "=~\".*\"");
                expression = expression.replace(&format!("=~\"${name}\""), "=~\".*\"");
            }
            ensure!(!expression.contains('$'), "an unknown variable in {expression}");
            expressions.push(expression);
        }
    }
    Ok(expressions)
}
