//! Links of a page, and what links can lead to.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A link, or an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it leads to, as it is written.
    pub target: String,
    /// Where the link stands in the page, in bytes.
    pub range: Range<usize>,
}

fn parser(page: &str) -> Parser<'_> {
    Parser::new_ext(page, Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES)
}

/// The links of a page, in their order.
pub fn links(page: &str) -> Vec<Link> {
    let links = parser(page).into_offset_iter().filter_map(|(event, range)| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(Link { target: dest_url.into_string(), range })
        }
        _ => None,
    });
    links.collect()
}

/// The anchors of a page's headings, as GitHub and mdBook make them: in lower case, hyphens for
/// spaces, without other punctuation; one that is there already gets a number behind it.
pub fn anchors(page: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    let mut heading: Option<String> = None;
    for event in parser(page) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let anchor = anchor(&heading.take().unwrap_or_default());
                let count = (1..).find(|count| !anchors.contains(&numbered(&anchor, *count)));
                anchors.push(numbered(&anchor, count.unwrap_or_default()));
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    *heading += &text;
                }
            }
            _ => {}
        }
    }
    anchors
}

fn numbered(anchor: &str, count: u32) -> String {
    if count == 1 { anchor.to_owned() } else { format!("{anchor}-{}", count - 1) }
}

fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|character| match character {
        ' ' => Some('-'),
        '-' | '_' => Some(character),
        _ if character.is_alphanumeric() => Some(character),
        _ => None,
    });
    kept.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::{anchors, links};

    #[test]
    fn links_are_found_and_examples_are_not() {
        let page = "[a](b.md#c) `[no](x)` ![d](e.svg)\n\n```\n[no](y)\n```\n\n[f]\n\n[f]: g.md\n";
        let targets: Vec<_> = links(page).into_iter().map(|link| link.target).collect();
        assert_eq!(targets, ["b.md#c", "e.svg", "g.md"]);
        assert_eq!(&page[links(page)[0].range.clone()], "[a](b.md#c)");
    }

    #[test]
    fn anchors_are_those_of_the_headings() {
        let page = "# One *two*: `three`, 4\n\n## ssl_name\n\n## Again\n\n## Again\n";
        assert_eq!(anchors(page), ["one-two-three-4", "ssl_name", "again", "again-1"]);
    }
}
