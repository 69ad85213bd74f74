//! What the module would make of a value, for people and as JSON.

use serde_json::{Map, Value as Json, json};
use upstream_peers::{
    KeyContent, Overrides, Parameters, PriorityOrder, Target, Value, ValueError, ValueForm,
    form_of, messages, parse_value,
};

use super::options::Context;
use crate::terminal::shown;

/// What comes of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Report {
    /// Peers.
    Peers {
        form: Option<ValueForm>,
        /// Their name.
        name: String,
        peers: Vec<ReportedPeer>,
    },
    /// A setting of the peer that another key names.
    Setting { form: Option<ValueForm>, of: String, weight: Option<u32> },
    /// Nothing.
    Rejected { key: String, reason: String },
}

/// A peer, or several where it is a host name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ReportedPeer {
    value: Value,
    parameters: Parameters,
    is_selected: bool,
}

impl Report {
    pub(super) fn new(context: &Context, value: &[u8]) -> Self {
        let form = form_of(&context.key, value);
        let content = parse_value(&context.key, value, &context.reading);
        match content.and_then(|content| permitted(context, content)) {
            Ok(KeyContent::Servers { name, values }) => {
                let peers = values.into_iter().map(|value| ReportedPeer {
                    parameters: value.overrides.apply(context.defaults),
                    is_selected: context.reading.wants(&value.labels, value.scheme.as_deref()),
                    value,
                });
                Self::Peers { form, name: name.to_owned(), peers: peers.collect() }
            }
            Ok(KeyContent::Setting { of, weight }) => {
                Self::Setting { form, of: of.to_owned(), weight }
            }
            Err(reason) => Self::Rejected {
                key: format!("{}{}", context.prefix, context.key),
                reason: reason.to_string(),
            },
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let named = |form: &Option<ValueForm>| form.map_or("", ValueForm::as_str);
        match self {
            Self::Peers { form, name, peers } => {
                let count = match peers.len() {
                    1 => "1 address".to_owned(),
                    count => format!("{count} addresses"),
                };
                let head = format!("peer \"{}\": {count}, form: {}\n", shown(name), named(form));
                peers.iter().fold(head, |text, peer| text + &peer.text(*form))
            }
            Self::Setting { form, of, weight } => {
                let what = match weight {
                    Some(weight) => format!("the weight {weight}"),
                    None => "nothing that the router uses".to_owned(),
                };
                format!("setting of peer \"{}\": {what}, form: {}\n", shown(of), named(form))
            }
            Self::Rejected { key, reason } => {
                format!("{}\n", messages::rejected(&shown(key), reason))
            }
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> String {
        let json = match self {
            Self::Peers { form, name, peers } => {
                let peers: Vec<_> = peers.iter().map(|peer| peer.json(*form)).collect();
                json!({
                    "valid": true,
                    "form": form.map(ValueForm::as_str),
                    "name": name,
                    "peers": peers,
                })
            }
            Self::Setting { form, of, weight } => {
                json!({
                    "valid": true,
                    "form": form.map(ValueForm::as_str),
                    "name": of,
                    "weight": weight,
                    "peers": [],
                })
            }
            Self::Rejected { key, reason } => {
                json!({"valid": false, "key": key, "reason": reason})
            }
        };
        format!("{json:#}\n")
    }
}

/// The same, unless an address is where none may be. The module rejects the whole value then.
fn permitted<'k>(context: &Context, content: KeyContent<'k>) -> Result<KeyContent<'k>, ValueError> {
    if let KeyContent::Servers { values, .. } = &content {
        for value in values {
            if let Target::Address(address) = &value.target
                && !context.allow.permits(address)
            {
                return Err(ValueError::NotAllowed(address.clone()));
            }
        }
    }
    Ok(content)
}

impl ReportedPeer {
    fn text(&self, form: Option<ValueForm>) -> String {
        let Value { target, labels, priority, .. } = &self.value;
        let all = Overrides::from(self.parameters);
        let route = self.value.overrides.route.as_ref();
        let route = route.map_or_else(String::new, |route| format!(" route={route}"));
        let mut lines = vec![target.to_string(), format!("  parameters:{all}{route}")];
        if !labels.pairs().is_empty() {
            let pairs: Vec<_> = labels
                .pairs()
                .into_iter()
                .map(|(name, value)| shown(&format!("{name}={value}")))
                .collect();
            lines.push(format!("  labels: {}", pairs.join(" ")));
        }
        if let Some((written, order)) = form.and_then(|form| form.written_priority(*priority))
            && *priority != 0
        {
            let order = match order {
                PriorityOrder::LowerFirst => "lower",
                PriorityOrder::HigherFirst => "higher",
            };
            lines.push(format!("  priority: {written}, {order} ones serve first"));
        }
        if matches!(target, Target::Name { .. }) {
            lines.push("  a host name: each of its addresses is a peer".to_owned());
        }
        if !self.is_selected {
            lines.push("  no peer: its labels are not those of etcd_select".to_owned());
        }
        lines.iter().map(|line| format!("  {line}\n")).collect()
    }

    fn json(&self, form: Option<ValueForm>) -> Json {
        let mut json = peer(&self.value, self.parameters, form);
        if let Json::Object(fields) = &mut json {
            fields.insert("selected".to_owned(), self.is_selected.into());
        }
        json
    }
}

/// The servers of a value, with nginx's defaults for what they do not set.
pub(crate) fn peers_json(values: &[Value], form: Option<ValueForm>) -> Json {
    let defaults = Parameters::default();
    values.iter().map(|value| peer(value, value.overrides.apply(defaults), form)).collect()
}

fn peer(value: &Value, parameters: Parameters, form: Option<ValueForm>) -> Json {
    let Parameters { weight, max_conns, max_fails, fail_timeout, slow_start, backup, down, drain } =
        parameters;
    let (address, host) = match &value.target {
        Target::Address(address) => (Some(address.to_string()), None),
        Target::Name { host, port } => (None, Some(format!("{host}:{port}"))),
    };
    let labels: Map<_, _> =
        value.labels.pairs().into_iter().map(|(name, value)| (name, value.into())).collect();
    let priority = form.and_then(|form| form.written_priority(value.priority));
    let priority = priority.map(|(written, _)| written);
    json!({
        "address": address,
        "host": host,
        "weight": weight,
        "max_conns": max_conns,
        "max_fails": max_fails,
        "fail_timeout": fail_timeout,
        "slow_start": slow_start,
        "backup": backup,
        "down": down,
        "drain": drain,
        "route": value.overrides.route.as_deref(),
        "labels": labels,
        "priority": priority,
        "scheme": value.scheme.as_deref(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;
    use upstream_peers::{Allow, Reading, Select};

    use super::{Context, Report};

    /// As it is without flags.
    fn report(key: &str, value: &str) -> Report {
        let context = Context { key: key.to_owned(), ..Context::default() };
        Report::new(&context, value.as_bytes())
    }

    #[test]
    fn peers_are_told_with_their_parameters() {
        let text = report("node-1", "10.0.0.7:80 weight=5 backup").text();
        assert_eq!(
            text,
            "peer \"node-1\": 1 address, form: nginx\n  10.0.0.7:80\n    parameters: weight=5 \
             max_conns=0 max_fails=1 fail_timeout=10 slow_start=0 backup\n"
        );
        let text = report("a", r#"{"addr":"node:80","route":"r","labels":{"a":"b\n"}}"#).text();
        for words in ["  node:80\n", " route=r\n", "labels: a=b\\n", "host name", "JSON with addr"]
        {
            assert!(text.contains(words), "{text}");
        }
        let text = report("a\u{1b}/weight", "5").text();
        assert!(text.contains("key \"a\\u{1b}/weight\" rejected:"), "{text}");
        let text = report("a/weight", "5").text();
        assert!(text.contains("setting of peer \"a\": the weight 5"), "{text}");
    }

    #[test]
    fn json_has_a_field_for_everything() {
        let json: Json =
            serde_json::from_str(&report("n", "10.0.0.7:80 drain").json()).expect("JSON");
        assert_eq!(json["valid"], true);
        assert_eq!(json["peers"][0]["address"], "10.0.0.7:80");
        assert_eq!(json["peers"][0]["drain"], true);
        assert_eq!(json["peers"][0]["selected"], true);
        let json: Json = serde_json::from_str(&report("n", "10.0.0.7:x").json()).expect("JSON");
        assert_eq!(json["valid"], false);
        let reason = "invalid port \"x\": it must be a number from 1 to 65535";
        assert_eq!(json["reason"], reason);
    }

    #[test]
    fn a_priority_is_told_as_its_value_has_it() {
        let skydns = |priority| format!(r#"{{"host":"10.0.0.7","port":80,"priority":{priority}}}"#);
        let apisix = r#"{"nodes":[{"host":"10.0.0.7","port":80,"weight":1,"priority":3}]}"#;
        for (value, written, words) in [
            (skydns(20), 20, "priority: 20, lower ones serve first"),
            (skydns(5), 5, "priority: 5, lower ones serve first"),
            (apisix.to_owned(), 3, "priority: 3, higher ones serve first"),
        ] {
            let report = report("n", &value);
            assert!(report.text().contains(words), "{}", report.text());
            let json: Json = serde_json::from_str(&report.json()).expect("JSON");
            assert_eq!(json["peers"][0]["priority"], written);
        }
        let json: Json = serde_json::from_str(&report("n", "10.0.0.7:80").json()).expect("JSON");
        assert_eq!(json["peers"][0]["priority"], Json::Null);
    }

    #[test]
    fn directives_of_an_upstream_count() {
        let mut allow = Allow::default();
        let _ = allow.add("10.0.0.0/8").expect("a network");
        let mut select = Select::default();
        select.add("role=primary").expect("a label");
        let reading = Reading { select, ..Reading::default() };
        let context = Context {
            key: "n".to_owned(),
            prefix: "/p/".to_owned(),
            reading,
            allow,
            ..Context::default()
        };
        let outside = Report::new(&context, b"192.0.2.7:80");
        let expected =
            "key \"/p/n\" rejected: the address 192.0.2.7:80 is outside of \"etcd_allow\"\n";
        assert_eq!(outside.text(), expected);
        let replica = Report::new(&context, br#"{"addr":"10.0.0.7:80","labels":{"role":"x"}}"#);
        assert!(replica.text().contains("not those of etcd_select"), "{}", replica.text());
        assert!(Report::new(&context, b"\xff").text().contains("not valid UTF-8"));
    }
}
