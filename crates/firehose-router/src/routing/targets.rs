//! What the value of an `etcd_map` leads to.

use live_map::split;

/// A name to which a value leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RouteTarget<'v> {
    pub(crate) name: &'v [u8],
    pub(crate) weight: u32,
}

/// The names of a list with weights; `None` if the value is no list.
pub(crate) fn listed(value: &[u8]) -> Option<Vec<RouteTarget<'_>>> {
    let list = split::list(value).ok()?;
    Some(list.into_iter().map(|(name, weight)| RouteTarget { name, weight }).collect())
}

/// The names that a variable can have by a value, of which it is not known whether the directive
/// has `split`: those of a list that have a weight, and else the value itself.
pub(crate) fn possible_targets(value: &[u8]) -> Vec<&[u8]> {
    let value = without_line_break(value);
    match listed(value) {
        Some(list) => {
            list.iter().filter(|target| target.weight > 0).map(|target| target.name).collect()
        }
        None => vec![value],
    }
}

/// Whether a variable can have this name by a value, be it a list or not.
pub(crate) fn leads_to(value: &[u8], name: &[u8]) -> bool {
    without_line_break(value) == name || possible_targets(value).contains(&name)
}

/// A value without the line break that files have at their ends.
fn without_line_break(value: &[u8]) -> &[u8] {
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    value.strip_suffix(b"\r").unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::{leads_to, possible_targets};

    #[test]
    fn a_value_leads_to_names_with_weights() {
        for (value, expected) in [
            ("web\n", &["web"][..]),
            ("web-v1 90, web-v2 10\r\n", &["web-v1", "web-v2"]),
            ("web-v1 1, web-v2 0", &["web-v1"]),
            // No list.
            ("web v1", &["web v1"]),
            ("", &[""]),
        ] {
            let names: Vec<_> = expected.iter().map(|name| name.as_bytes()).collect();
            assert_eq!(possible_targets(value.as_bytes()), names, "{value}");
            assert!(names.iter().all(|name| leads_to(value.as_bytes(), name)), "{value}");
        }
        assert!(leads_to(b"a 1, b 1", b"a 1, b 1") && !leads_to(b"a 1, b 0", b"b"));
    }
}
