//! Tables of an upstream beside that of its peers, and that of the variables.

use status_document::{Change, Endpoint, Live, LiveFigure, LiveKind, Rejection, Unresolved};

use crate::{
    escape::{escaped, push_text},
    moment::Moment,
    numbers::{NOTHING, bytes, count, several},
    sentence::REJECTED,
};

/// What a cell shows.
enum Cell {
    Text(String),
    /// What is already escaped.
    Markup(String),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Begins a table with these columns; by the class of its region they have their widths.
fn push_table_head(out: &mut Vec<u8>, class: &str, caption: &str, headings: &[&str]) {
    let caption = escaped(caption);
    let head = format!(
        "<div class=\"{class}\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\
         <table><caption class=\"hidden\">{caption}</caption><thead><tr>",
    );
    out.extend(head.as_bytes());
    for heading in headings {
        out.extend(format!("<th scope=\"col\">{heading}</th>").as_bytes());
    }
    out.extend(b"</tr></thead><tbody>\n");
}

/// Adds a row; its first cell is its heading.
fn push_row<const N: usize>(out: &mut Vec<u8>, cells: [Cell; N]) {
    out.extend(b"<tr>");
    for (at, cell) in cells.into_iter().enumerate() {
        out.extend(if at == 0 { &b"<th scope=\"row\">"[..] } else { b"<td>" });
        match cell {
            Cell::Text(text) => push_text(out, &text),
            Cell::Markup(markup) => out.extend(markup.as_bytes()),
        }
        out.extend(if at == 0 { &b"</th>"[..] } else { b"</td>" });
    }
    out.extend(b"</tr>\n");
}

/// Ends a table.
pub(crate) fn push_table_end(out: &mut Vec<u8>) {
    out.extend(b"</tbody></table></div>\n");
}

/// The last changes.
pub(crate) fn push_changes(out: &mut Vec<u8>, upstream: &str, changes: &[Change]) {
    if changes.is_empty() {
        out.extend(b"<p class=\"empty\">No change is known.</p>\n");
        return;
    }
    let caption = format!("Changes of {upstream}");
    push_table_head(out, "scroll changes", &caption, &["Time", "Revision", "Cause", "What"]);
    for change in changes {
        let time = Cell::Markup(Moment::of(change.time).element());
        let cause = match &*change.cause {
            "hold_ended" => "hold ended",
            "names" => "host name",
            other => other,
        };
        let what = Cell::Markup(changed(change));
        push_row(out, [time, change.revision.to_string().into(), cause.into(), what]);
    }
    push_table_end(out);
}

/// The keys of a change, by what has happened to them.
fn changed(change: &Change) -> String {
    let mut parts = Vec::new();
    for (sign, word, keys) in [
        ("+", "added", &change.added),
        ("\u{2212}", "removed", &change.removed),
        ("~", "changed", &change.changed),
    ] {
        if !keys.is_empty() {
            parts.push(format!(
                "<span class=\"keys {word}\"><span class=\"sign\" aria-hidden=\"true\">{sign}\
                 </span><span class=\"hidden\">{word}: </span>{}</span>",
                escaped(&keys.join(", "))
            ));
        }
    }
    if change.omitted > 0 {
        let more = count(change.omitted);
        parts.push(format!("<span class=\"keys\">and {more} more</span>"));
    }
    if let Some(detail) = &change.detail {
        parts.push(format!("<span class=\"keys detail\">{}</span>", escaped(detail)));
    }
    format!("<div class=\"what\">{}</div>", parts.concat())
}

/// The keys whose values are rejected, with the reasons.
pub(crate) fn push_rejected(out: &mut Vec<u8>, upstream: &str, rejected: &[Rejection]) {
    if rejected.is_empty() {
        return;
    }
    let first = if rejected.len() as u64 >= REJECTED {
        format!(" (the first {})", count(REJECTED))
    } else {
        String::new()
    };
    out.extend(format!("<h3>Rejected values{first}</h3>\n").as_bytes());
    push_table_head(out, "scroll", &format!("Rejected values of {upstream}"), &["Key", "Reason"]);
    for Rejection { key, reason } in rejected {
        push_row(out, [key.as_str().into(), reason.as_str().into()]);
    }
    push_table_end(out);
}

/// The keys whose host names are not resolved, with the reasons.
pub(crate) fn push_unresolved(
    out: &mut Vec<u8>,
    upstream: &str,
    unresolved: &[Unresolved],
    total: usize,
    now: f64,
) {
    if unresolved.is_empty() {
        return;
    }
    let first = if total > unresolved.len() {
        format!(" (the first {})", count(unresolved.len() as u64))
    } else {
        String::new()
    };
    out.extend(format!("<h3>Host names that are not resolved{first}</h3>\n").as_bytes());
    let caption = format!("Host names of {upstream} that are not resolved");
    push_table_head(out, "scroll", &caption, &["Key", "Name", "Addresses", "Since", "Reason"]);
    for one in unresolved {
        let since = Cell::Markup(Moment::of((now - one.seconds).round()).element());
        push_row(
            out,
            [
                one.key.as_str().into(),
                one.name.as_str().into(),
                count(one.addresses as u64).into(),
                since,
                one.reason.as_deref().unwrap_or("no answer yet").into(),
            ],
        );
    }
    push_table_end(out);
}

/// The members of etcd.
pub(crate) fn push_endpoints(out: &mut Vec<u8>, upstream: &str, endpoints: &[Endpoint]) {
    if endpoints.is_empty() {
        out.extend(b"<p class=\"empty\">No endpoint is known yet.</p>\n");
        return;
    }
    let caption = format!("Endpoints of etcd for {upstream}");
    // Most have none, and then the column takes room for nothing.
    let has_trouble = endpoints.iter().any(|endpoint| endpoint.trouble.is_some());
    let headings = ["Endpoint", "State", "Trouble and remedy"];
    push_table_head(
        out,
        "scroll endpoints",
        &caption,
        if has_trouble { &headings } else { &headings[..2] },
    );
    for endpoint in endpoints {
        // A class is one of these words alone.
        let class =
            Endpoint::STATES.into_iter().find(|state| *state == endpoint.state).unwrap_or_default();
        let state = format!(
            "<span class=\"endpoint {class}\"><span class=\"mark\" aria-hidden=\"true\"></span>\
             {}</span>",
            escaped(&endpoint.state.replace('_', " "))
        );
        let trouble = endpoint.trouble.as_deref().unwrap_or_default();
        let (url, state) = (endpoint.url.as_str().into(), Cell::Markup(state));
        if has_trouble {
            push_row(out, [url, state, trouble.into()]);
        } else {
            push_row(out, [url, state]);
        }
    }
    push_table_end(out);
}

/// Begins the table of the variables.
pub(crate) fn push_live_head(out: &mut Vec<u8>) {
    out.extend(b"<section aria-labelledby=\"variables\"><h2 id=\"variables\">Variables</h2>\n");
    let columns =
        ["Variable", "Cluster", "Key or prefix", "Value", "Revision", "Rejected", "Trouble"];
    push_table_head(out, "scroll", "Values, networks and maps", &columns);
}

/// A variable.
pub(crate) fn push_live(out: &mut Vec<u8>, live: &Live) {
    let number = |name| match live.figures.get(name) {
        Some(LiveFigure::Number(number)) => *number as u64,
        _ => 0,
    };
    let value = match live.kind {
        LiveKind::Prefix => several(number("networks"), "network", "networks"),
        LiveKind::Map => {
            let entries = several(number("entries"), "entry", "entries");
            let (used, total) = (bytes(number("bytes_used")), bytes(number("bytes_total")));
            format!("{entries}, {used} of {total}")
        }
        LiveKind::Key if live.figures.get("set") == Some(&LiveFigure::Flag(true)) => {
            format!("set, {}", bytes(number("size")))
        }
        LiveKind::Key => "default".to_owned(),
    };
    let held = live.held.map(|_| "held: etcd was wiped, restored or replaced".to_owned());
    let state = live.state.as_ref().and_then(|state| Some((state, state.trouble.as_ref()?)));
    let unsaved = state.map(|(state, trouble)| format!("state file {}: {trouble}", state.file));
    push_row(
        out,
        [
            live.name.as_str().into(),
            live.cluster.as_str().into(),
            live.path.as_str().into(),
            value.into(),
            live.revision.map_or_else(|| NOTHING.to_owned(), |number| number.to_string()).into(),
            count(live.rejected_total).into(),
            live.rejected.clone().or(held).or(unsaved).unwrap_or_default().into(),
        ],
    );
}
