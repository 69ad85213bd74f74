//! A JSON object as text, whose fields can be changed without a change of anything else.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The fields of an object, in their order, where they are in its text.
#[derive(Clone, Debug)]
pub(super) struct ObjectText<'t> {
    text: &'t str,
    /// Behind the brace that begins it.
    start: usize,
    fields: Vec<(String, Range<usize>)>,
}

/// Names and values.
struct Fields<'t>(Vec<(String, &'t RawValue)>);

impl<'de: 't, 't> Deserialize<'de> for Fields<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap;
        impl<'de> Visitor<'de> for OfMap {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(OfMap).map(Fields)
    }
}

impl<'t> ObjectText<'t> {
    /// Reads it; `None` if the text is no object.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let Fields(fields) = serde_json::from_str(text).ok()?;
        let start = text.find('{')? + 1;
        let at = |value: &str| {
            let from = (value.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
            Some(from..from + value.len())
        };
        let fields = fields.into_iter().map(|(name, value)| Some((name, at(value.get())?)));
        Some(Self { text, start, fields: fields.collect::<Option<_>>()? })
    }

    /// The text of a field's value; of several of one name the last one counts.
    pub(super) fn get(&self, name: &str) -> Option<&'t str> {
        let (_, range) = self.fields.iter().rfind(|(other, _)| other == name)?;
        self.text.get(range.clone())
    }

    /// The fields, each with the text of its value.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &'t str)> {
        self.fields
            .iter()
            .filter_map(|(name, range)| Some((name.as_str(), self.text.get(range.clone())?)))
    }

    /// The text of the object with another value of a field, which need not be there.
    pub(super) fn with(&self, name: &str, value: &str) -> String {
        let mut text = self.text.to_owned();
        if let Some((_, range)) = self.fields.iter().rfind(|(other, _)| other == name) {
            text.replace_range(range.clone(), value);
            return text;
        }
        let name = serde_json::Value::from(name);
        match self.fields.last() {
            Some((_, range)) => text.insert_str(range.end, &format!(",{name}:{value}")),
            None => text.insert_str(self.start, &format!("{name}:{value}")),
        }
        text
    }

    /// The text of the object without a field.
    pub(super) fn without(&self, name: &str) -> String {
        let mut text = self.text.to_owned();
        // From the end, so that what is before keeps its place.
        for (index, (other, range)) in self.fields.iter().enumerate().rev() {
            if other != name {
                continue;
            }
            let before = index.checked_sub(1).and_then(|index| self.fields.get(index));
            let all_before_go = self.fields.iter().take(index).all(|(other, _)| other == name);
            match (before, self.fields.get(index + 1)) {
                // With the comma before it.
                (Some((_, before)), _) if !all_before_go => {
                    text.replace_range(before.end..range.end, "");
                }
                // With the comma behind it, if there is still one.
                (_, next) => {
                    let start = before.map_or(self.start, |(_, before)| before.end);
                    let comma = text.get(range.end..).and_then(|rest| rest.find(','));
                    let end = match (next, comma) {
                        (Some(_), Some(comma)) if before.is_none() => range.end + comma + 1,
                        _ => range.end,
                    };
                    text.replace_range(start..end, "");
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::ObjectText;

    fn object(text: &str) -> ObjectText<'_> {
        ObjectText::parse(text).expect("an object")
    }

    #[test]
    fn all_other_text_stays() {
        let text = " { \"a\" : 1.50 ,\n \"b\":{\"c\":[1, 2]} , \"a\": 12345678901234567890 } ";
        let with = |name, value| object(text).with(name, value);
        assert_eq!(with("a", "7"), " { \"a\" : 1.50 ,\n \"b\":{\"c\":[1, 2]} , \"a\": 7 } ");
        assert_eq!(
            with("d\"", "true"),
            " { \"a\" : 1.50 ,\n \"b\":{\"c\":[1, 2]} , \"a\": 12345678901234567890,\
             \"d\\\"\":true } "
        );
        assert_eq!(object(text).without("a"), " {\n \"b\":{\"c\":[1, 2]} } ");
        assert_eq!(object(text).without("b"), " { \"a\" : 1.50 , \"a\": 12345678901234567890 } ");
        assert_eq!(object(text).get("b"), Some("{\"c\":[1, 2]}"));
        assert_eq!(object("{}").with("a", "1"), "{\"a\":1}");
        assert_eq!(object("{ }").with("a", "1"), "{\"a\":1 }");
        assert_eq!(object("{\"a\":1,\"a\":2}").without("a"), "{}");
        assert!(ObjectText::parse("[]").is_none() && ObjectText::parse("{").is_none());
    }

    proptest! {
        #[test]
        fn changes_are_those_of_the_object(
            fields in prop::collection::vec(("[abc]", 0_u8..3), 0..5),
            name in "[abc]",
            spaces in "[ \n]{0,2}",
        ) {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| format!("{spaces}\"{name}\"{spaces}:{spaces}{value}{spaces}"))
                .collect();
            let text = format!("{{{spaces}{}}}", fields.join(","));
            let read = |text: &str| serde_json::from_str::<Map<String, Value>>(text);
            let mut expected = read(&text).expect("an object");
            expected.insert(name.clone(), 9.into());
            prop_assert_eq!(read(&object(&text).with(&name, "9")).expect("with"), expected.clone());
            expected.remove(&name);
            let without = object(&text).without(&name);
            let after = read(&without).map_err(|error| format!("{text} {without} {error}"));
            prop_assert_eq!(after, Ok(expected));
        }
    }
}
