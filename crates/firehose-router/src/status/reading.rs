//! What is read of each router.

use std::{collections::BTreeSet, path::Path};

use nginx_syntax::quoted;

use super::{
    options::{PeersShown, StatusOptions},
    problems::{Problem, problems},
};
use crate::routers::{Document, FetchError, StatusPlace, fetch};

/// What one router says.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// Its URL.
    pub(super) name: String,
    /// The document as it came, made fit for a terminal.
    pub(super) text: String,
    pub(super) document: Result<Document, FetchError>,
    /// What is wrong.
    pub(super) problems: Vec<Problem>,
}

impl Reading {
    /// Why there is no document.
    pub(super) fn error(&self) -> Option<String> {
        self.document.as_ref().err().map(ToString::to_string)
    }
}

/// Reads all of them, at once.
pub(super) async fn read_all(options: &StatusOptions, places: &[StatusPlace]) -> Vec<Reading> {
    let mut tasks = Vec::new();
    for place in places {
        let (place, cacert) = (asked(options, place), options.routers.cacert().map(Path::to_owned));
        tasks.push(tokio::spawn(async move { fetch(&place, cacert.as_deref()).await }));
    }
    let mut readings = Vec::new();
    for (place, task) in places.iter().zip(tasks) {
        let text = task.await.unwrap_or_else(|error| Err(FetchError::Failed(error.to_string())));
        readings.push(reading(options, &place.name, text));
    }
    readings
}

/// The place with what is asked for.
fn asked(options: &StatusOptions, place: &StatusPlace) -> StatusPlace {
    let named = |name: &'static str, values: &[String]| -> Vec<(&'static str, String)> {
        values.iter().map(|value| (name, value.clone())).collect()
    };
    let mut query = named("upstream", &options.upstream);
    // A key with a prefix is found in the whole list: only there it is known which prefix it is.
    let is_whole = options.peer.iter().any(|key| key.starts_with('/'));
    if !is_whole {
        query.extend(named("peer", &options.peer));
    }
    if options.peers == PeersShown::None && options.peer.is_empty() {
        query.push(("peers", "0".to_owned()));
    }
    let query: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    place.with_query(&query)
}

fn reading(options: &StatusOptions, name: &str, text: Result<String, FetchError>) -> Reading {
    let name = name.to_owned();
    let read = text.and_then(|text| {
        let document: Document = serde_json::from_str(&text).map_err(|error| {
            FetchError::Failed(format!("the answer is not the document of etcd_status: {error}"))
        })?;
        Ok((document, text))
    });
    let (mut document, text) = match read {
        Ok(read) => read,
        Err(error) => {
            let (text, problems) = (String::new(), Vec::new());
            return Reading { name, text, document: Err(error), problems };
        }
    };
    // Modules that know no queries say everything.
    if !options.upstream.is_empty() {
        document.upstreams.retain(|name, _| options.upstream.contains(name));
        if let Some(missing) =
            options.upstream.iter().find(|name| !document.upstreams.contains_key(*name))
        {
            let error = FetchError::Refused(format!("there is no upstream \"{missing}\""));
            let (text, problems) = (String::new(), Vec::new());
            return Reading { name, text, document: Err(error), problems };
        }
    }
    if let Err(error) = keep_peers(&mut document, &options.peer) {
        let (text, problems) = (String::new(), Vec::new());
        return Reading { name, text, document: Err(error), problems };
    }
    let problems = problems(&document, !options.peer.is_empty());
    Reading { name, text: without_steering(&text), document: Ok(document), problems }
}

/// Leaves only the peers with these keys, if there are any.
///
/// # Errors
///
/// Where no peer has one of the keys.
fn keep_peers(document: &mut Document, keys: &[String]) -> Result<(), FetchError> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut known = BTreeSet::new();
    for upstream in document.upstreams.values_mut() {
        let prefix = upstream.prefix.as_str();
        upstream.peers.retain(|peer| {
            let own = peer.key.as_deref().unwrap_or_default();
            let mut is_kept = false;
            for key in keys {
                let is_own = key == own
                    || !own.is_empty() && key.strip_prefix(prefix).is_some_and(|key| key == own);
                if is_own {
                    known.insert(key.as_str());
                    is_kept = true;
                }
            }
            is_kept
        });
        // What the module has counted may be more than what is left.
        upstream.peers_by_state = None;
    }
    match keys.iter().find(|key| !known.contains(key.as_str())) {
        None => Ok(()),
        Some(key) if key.is_empty() => {
            Err(FetchError::Refused("there is no peer of a \"server\" line".to_owned()))
        }
        Some(key) => {
            Err(FetchError::Refused(format!("there is no peer with the key {}", quoted(key))))
        }
    }
}

/// The same document without characters that would steer a terminal: outside of ASCII they can only
/// be in texts, where JSON has escapes for them.
fn without_steering(json: &str) -> String {
    let steers = |character: char| {
        !character.is_ascii_whitespace() && nginx_syntax::disturbs_a_line(character)
    };
    if !json.contains(steers) {
        return json.to_owned();
    }
    let mut text = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if steers(character) {
            // None of them is beyond what one escape takes.
            text += &format!("\\u{:04x}", character as u32);
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Document, keep_peers, without_steering};

    #[test]
    fn peers_are_kept_by_key_and_typing_errors_are_told() {
        let upstreams = json!({"a": {
            "prefix": "/p/",
            "peers_by_state": {"up": 9},
            "peers": [{"key": "n"}, {"key": "m"}, {"key": null, "address": "b:80"}],
        }});
        let kept = |keys: &[&str]| {
            let document = json!({"upstreams": upstreams});
            let mut document: Document = serde_json::from_value(document).expect("a document");
            let keys: Vec<_> = keys.iter().map(|&key| key.to_owned()).collect();
            keep_peers(&mut document, &keys).map_err(|error| error.to_string())?;
            let upstream = &document.upstreams["a"];
            assert_eq!(upstream.peers_by_state.is_none(), !keys.is_empty());
            Ok::<_, String>(upstream.peers.iter().map(|peer| peer.key.clone()).collect::<Vec<_>>())
        };
        let key = |key: &str| Some(key.to_owned());
        assert_eq!(kept(&[]).map(|peers| peers.len()), Ok(3));
        assert_eq!(kept(&["n"]), Ok(vec![key("n")]));
        assert_eq!(kept(&["/p/n", "m"]), Ok(vec![key("n"), key("m")]));
        assert_eq!(kept(&[""]), Ok(vec![None]));
        let error = || "there is no peer with the key \"typo\"".to_owned();
        assert_eq!(kept(&["n", "typo"]), Err(error()));
    }

    #[test]
    fn json_for_a_terminal_says_the_same() {
        let json = "{\n  \"a\": \"\u{202e}x\u{9b}\u{7f}é\\n\"\n}";
        let text = without_steering(json);
        assert!(!text.contains(['\u{202e}', '\u{9b}', '\u{7f}']), "{text:?}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(value(&text), value(json));
        assert_eq!(without_steering("{\"a\": 1}"), "{\"a\": 1}");
    }
}
