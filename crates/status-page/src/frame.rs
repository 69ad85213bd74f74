//! What is around the upstreams.

use status_document::Head;

use crate::{
    assets::{SCRIPT, STYLE},
    escape::push_text,
    moment::Moment,
    numbers::count,
    sentence::{Notice, Summary},
};

/// What needs attention, as a list with these attributes.
pub(crate) fn push_notices(out: &mut Vec<u8>, notices: &[Notice], attributes: &str) {
    if notices.is_empty() {
        return;
    }
    out.extend(format!("<ul class=\"notices\"{attributes}>").as_bytes());
    for (level, text) in notices {
        let item = format!(
            "<li class=\"{}\"><span class=\"mark\" aria-hidden=\"true\"></span>",
            level.class()
        );
        out.extend(item.as_bytes());
        push_text(out, text);
        out.extend(b"</li>");
    }
    out.extend(b"</ul>\n");
}

/// Writes everything before the first upstream's name.
pub(crate) fn push_begin(out: &mut Vec<u8>, head: &Head) {
    out.extend(
        b"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
          <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
          <meta name=\"color-scheme\" content=\"light dark\">\n<title>etcd status</title>\n<style>",
    );
    out.extend(STYLE.as_bytes());
    out.extend(b"</style>\n<script>");
    out.extend(SCRIPT.as_bytes());
    out.extend(
        b"</script>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the upstreams</a>\n\
          <header><h1>etcd status</h1>\n<p id=\"facts\">",
    );
    let watcher =
        head.watcher_pid.map_or_else(|| "no watcher".to_owned(), |pid| format!("watcher {pid}"));
    let facts = format!(
        "nginx {} \u{b7} module {} \u{b7} worker {} \u{b7} {watcher} \u{b7} ",
        head.nginx_version, head.version, head.pid
    );
    push_text(out, &facts);
    out.extend(Moment::of(head.time).element().as_bytes());
    out.extend(b"</p></header>\n<nav aria-label=\"Upstreams\"><ul>\n");
}

/// A line of the list of upstreams.
pub(crate) fn push_link(out: &mut Vec<u8>, number: usize, summary: &Summary) {
    let link = format!(
        "<li><a href=\"#upstream-{number}\" class=\"{}\">\
         <span class=\"mark\" aria-hidden=\"true\"></span>",
        summary.level().class()
    );
    out.extend(link.as_bytes());
    push_text(out, &summary.name);
    let note = format!("<span class=\"note\">{}</span></a></li>\n", summary.note_of_link());
    out.extend(note.as_bytes());
}

/// Writes what is between that list and the first upstream; `rejected` are the variables whose
/// values are rejected.
pub(crate) fn push_main(out: &mut Vec<u8>, rejected: &[Notice]) {
    if !rejected.is_empty() {
        let link = format!(
            "<li><a href=\"#variables\" class=\"warn\">\
             <span class=\"mark\" aria-hidden=\"true\"></span>Variables\
             <span class=\"note\">{} rejected</span></a></li>\n",
            count(rejected.len() as u64)
        );
        out.extend(link.as_bytes());
    }
    out.extend(b"</ul></nav>\n");
    push_notices(out, rejected, " id=\"attention\"");
    out.extend(b"<main id=\"main\" tabindex=\"-1\">\n");
}

/// Writes what is after everything.
pub(crate) fn push_end(out: &mut Vec<u8>) {
    out.extend(b"</main>\n</body>\n</html>\n");
}
