//! What the forms are called.

use upstream_peers::{Reading, ValueForm, form_of, parse_value};

/// A key and a value of each form.
const EXAMPLES: [(ValueForm, &str, &str); 19] = [
    (ValueForm::Server, "node", "10.0.0.7:80 weight=5"),
    (ValueForm::Server, "node", "http://10.0.0.7:80"),
    (ValueForm::Own, "node", r#"{"addr":"10.0.0.7:80"}"#),
    (ValueForm::Grpc, "node", r#"{"Op":0,"Addr":"10.0.0.7:80"}"#),
    (ValueForm::SkyDns, "node", r#"{"host":"10.0.0.7","port":80}"#),
    (ValueForm::DolphinScheduler, "node", r#"{"host":"10.0.0.7","port":1,"serverStatus":0}"#),
    (ValueForm::DolphinScheduler, "10.0.0.7:80", r#"{"serverStatus":"NORMAL"}"#),
    (ValueForm::Dubbo, "node", r#"{"Host":"10.0.0.7","Port":20000}"#),
    (ValueForm::Nodes, "node", r#"{"nodes":{"10.0.0.7:80":5}}"#),
    (ValueForm::Kratos, "node", r#"{"endpoints":["http://10.0.0.7:80"]}"#),
    (ValueForm::Kitex, "node", r#"{"network":"tcp","address":"10.0.0.7:80"}"#),
    (ValueForm::Vulcand, "node", r#"{"URL":"http://10.0.0.7:80"}"#),
    (ValueForm::Patroni, "node", r#"{"conn_url":"postgres://10.0.0.7/a","state":"running"}"#),
    (ValueForm::Scalingo, "node", r#"{"name":"a.example","ports":{"http":"80"}}"#),
    (ValueForm::AddressInKey, "a/10.0.0.7:80", r#"{"weight":1}"#),
    (ValueForm::Rpcx, "Arith/tcp@10.0.0.7:80", "weight=5"),
    (ValueForm::DubboUrl, "dubbo%3A%2F%2F10.0.0.7%3A20000%2Fa", ""),
    (ValueForm::Traefik, "node/url", "http://10.0.0.7:80/"),
    (ValueForm::TraefikSetting, "node/weight", "5"),
];

#[test]
fn every_form_has_a_name_of_its_own() {
    for (form, key, value) in EXAMPLES {
        assert_eq!(form_of(key, value.as_bytes()), Some(form), "{key} {value}");
        let read = parse_value(key, value.as_bytes(), &Reading::default());
        assert!(read.is_ok(), "{key} {value}: {read:?}");
    }
    for form in ValueForm::ALL {
        assert!(EXAMPLES.iter().any(|(example, ..)| *example == form), "{form}");
        let same = ValueForm::ALL.iter().filter(|other| other.as_str() == form.as_str()).count();
        assert_eq!(same, 1, "{form}");
    }
    assert_eq!(form_of("10.0.0.7:80", b""), Some(ValueForm::AddressInKey));
    for (key, value) in [("node", ""), ("node", "{"), ("node", "\u{fffd}{}")] {
        let is_text = value.starts_with('\u{fffd}');
        assert_eq!(form_of(key, value.as_bytes()).is_some(), is_text, "{value}");
    }
    assert_eq!(form_of("node", b"\xff"), None);
}
