//! The manual page of the module, `ngx_http_upstream_etcd_module(7)`.

use crate::{Context, Directive};

const HEAD: &str = "\
.TH ngx_http_upstream_etcd_module 7 \"\" \"firehose-router\"
.SH NAME
ngx_http_upstream_etcd_module \\- takes the peers of an nginx upstream live from etcd
.SH SYNOPSIS
.nf
load_module modules/ngx_http_upstream_etcd_module.so;

http {
    etcd_cluster main { endpoint http://10.0.0.1:2379; }
    upstream app { etcd main /services/app/; }
}
.fi
.SH DESCRIPTION
A dynamic module of nginx. The peers of an upstream with the directive
.B etcd
are the keys below a prefix. A change of a key applies without a reload, and open connections are
not closed.
.SH DIRECTIVES
";

const FOOT: &str = "\
.SH SEE ALSO
.BR firehose-router (1),
.BR nginx (8),
.BR etcd (1)
";

/// The page, with a paragraph for each directive.
pub fn page<'a>(directives: impl IntoIterator<Item = &'a Directive>) -> String {
    let mut page = HEAD.to_owned();
    for directive in directives {
        let contexts: Vec<&str> = directive.contexts.iter().copied().map(Context::name).collect();
        let syntax = directive.syntax().replace('*', "");
        page += &format!(
            ".SS {}\n{}\n.br\nContext: {}. Default: {}\n.br\n{}.\n",
            directive.name,
            line(&syntax),
            contexts.join(", "),
            line(directive.default.trim_end_matches(';')),
            line(&capitalized(directive.summary)),
        );
        for parameter in directive.parameters {
            let default =
                parameter.default.map_or_else(String::new, |value| format!(" (default {value})"));
            page += &format!(
                ".TP\n.B {}\n{}{}.\n",
                line(&parameter.syntax().replace('*', "")),
                line(&capitalized(&parameter.text.replace('`', ""))),
                line(&default),
            );
        }
    }
    page + FOOT
}

/// The text as a line of roff, which would take a hyphen for one of prose, and a full stop at the
/// begin for a request.
fn line(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('—', "none");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::{capitalized, line};

    #[test]
    fn lines_are_text_for_roff() {
        assert_eq!(line(".a-b\\"), "\\&.a\\-b\\e");
        assert_eq!(capitalized("sets it"), "Sets it");
    }
}
