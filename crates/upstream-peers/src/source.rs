//! Where a peer comes from, as far as the peer itself does not show it.

use std::sync::Arc;

/// What a watcher that takes a peer over must know of its key and its value, beside what the peer
/// shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// etcd's key below the prefix, if the peer has another name; it begins with that.
    pub key: Option<Arc<str>>,
    /// See [`Value::priority`](crate::Value::priority).
    pub priority: i64,
    /// Whether the peer is `backup` for its priority alone.
    pub is_standby: bool,
    /// See [`Value::scheme`](crate::Value::scheme).
    pub scheme: Option<Arc<str>>,
}

/// The rest of the key behind the name, the priority, whether the peer is `backup` for that alone,
/// and the scheme.
type Parts<'t> = (&'t str, i64, bool, Option<&'t str>);

impl Source {
    /// Takes it from the text that [`text`](Self::text) gives for a peer of this name. Any other
    /// text says nothing.
    pub fn of_text(name: &str, text: Option<&str>) -> Self {
        let Some(text) = text else { return Self::default() };
        // Borrowed texts would have to have no escapes.
        type Owned = (String, i64, bool, Option<String>);
        let Ok((rest, priority, is_standby, scheme)) = serde_json::from_str::<Owned>(text) else {
            return Self::default();
        };
        let key = (!rest.is_empty()).then(|| format!("{name}{rest}").into());
        Self { key, priority, is_standby, scheme: scheme.map(Arc::from) }
    }

    /// As a text without the name; `None` if there is nothing to say.
    pub fn text(&self, name: &str) -> Option<Arc<str>> {
        if *self == Self::default() {
            return None;
        }
        let Self { key, priority, is_standby, scheme } = self;
        let rest = key.as_deref().and_then(|key| key.strip_prefix(name)).unwrap_or_default();
        let parts: Parts<'_> = (rest, *priority, *is_standby, scheme.as_deref());
        serde_json::to_string(&parts).ok().map(Arc::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_read_as_it_was_written() {
        let source = |key: &str, priority, is_standby, scheme: Option<&str>| Source {
            key: (!key.is_empty()).then(|| key.into()),
            priority,
            is_standby,
            scheme: scheme.map(Arc::from),
        };
        for (source, text) in [
            (Source::default(), None),
            (source("a/url", 0, false, None), Some(r#"["/url",0,false,null]"#)),
            (source("", i64::MIN, true, Some("a\"")), {
                Some(r#"["",-9223372036854775808,true,"a\""]"#)
            }),
        ] {
            assert_eq!(source.text("a").as_deref(), text);
            assert_eq!(Source::of_text("a", text), source);
        }
        for text in ["", "[]", "{}", r#"["",0,false]"#, r#"["",0,false,null] x"#] {
            assert_eq!(Source::of_text("a", Some(text)), Source::default(), "{text}");
        }
    }
}
