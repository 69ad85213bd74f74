//! What values of each form become.

use proptest::prelude::*;
use upstream_peers::{KeyContent, Reading, parse_value};

use super::{ParameterChange, edit};

fn changes(words: &str) -> Vec<ParameterChange> {
    words.split(' ').map(|word| ParameterChange::parse(word).expect(word)).collect()
}

fn edited(key: &str, value: &str, words: &str) -> Result<String, String> {
    edit(key, value, &changes(words), &Reading::default()).map_err(|error| error.to_string())
}

#[test]
fn values_in_nginx_syntax_keep_all_else() {
    for (value, words, expected) in [
        ("10.0.0.7:80", "weight=5", "10.0.0.7:80 weight=5"),
        ("10.0.0.7:80 weight=5 backup", "weight=7 down", "10.0.0.7:80 weight=7 backup down"),
        (" 10.0.0.7:80\tweight=5;\n", "drain", " 10.0.0.7:80\tweight=5 drain;\n"),
        ("10.0.0.7:80 drain weight=5", "-drain", "10.0.0.7:80 weight=5"),
        ("10.0.0.7:80 weight=1 backup weight=2", "weight=3", "10.0.0.7:80 backup weight=3"),
        ("10.0.0.7:80  weight=1  weight=2 ;", "-weight", "10.0.0.7:80 ;"),
        ("http://10.0.0.7:80/", "down", "http://10.0.0.7:80/ down"),
        ("unix:/run/weight=5", "weight=7", "unix:/run/weight=5 weight=7"),
        // A value that is rejected can be mended.
        ("10.0.0.7:80 weight=none", "weight=5", "10.0.0.7:80 weight=5"),
    ] {
        assert_eq!(edited("node", value, words).as_deref(), Ok(expected), "{value}: {words}");
    }
}

#[test]
fn values_in_json_keep_all_else() {
    for (key, value, words, expected) in [
        (
            "node",
            "{ \"addr\": \"10.0.0.7:80\", \"labels\": {\"a\": 1.50} }",
            "weight=5 drain fail_timeout=1m",
            "{ \"addr\": \"10.0.0.7:80\", \"labels\": {\"a\": 1.50},\"weight\":5,\"drain\":true,\
             \"fail_timeout\":\"1m\" }",
        ),
        (
            "node",
            r#"{"addr":"10.0.0.7:80","weight":"5","drain":1}"#,
            "weight=7 -drain",
            r#"{"addr":"10.0.0.7:80","weight":"7"}"#,
        ),
        (
            "node",
            r#"{"Op":0,"Addr":"10.0.0.7:80","Metadata":null}"#,
            "drain",
            r#"{"Op":0,"Addr":"10.0.0.7:80","Metadata":{"drain":true}}"#,
        ),
        (
            "node",
            r#"{"Addr":"10.0.0.7:80","Metadata":{"weight":1,"zone":"a"}}"#,
            "weight=5",
            r#"{"Addr":"10.0.0.7:80","Metadata":{"weight":5,"zone":"a"}}"#,
        ),
        (
            "node",
            r#"{"host":"10.0.0.7","weight":1,"ttl":60}"#,
            "weight=5",
            r#"{"host":"10.0.0.7","weight":5,"ttl":60}"#,
        ),
        (
            "node",
            r#"{"Host":"10.0.0.7","Port":1,"Enable":true,"Healthy":true,"More":[1]}"#,
            "down weight=5",
            r#"{"Host":"10.0.0.7","Port":1,"Enable":false,"Healthy":true,"More":[1],"Weight":5}"#,
        ),
        (
            "node",
            r#"{"nodes":{"10.0.0.7:80":1,"10.0.0.8:80":2},"type":"x"}"#,
            "weight=0",
            r#"{"nodes":{"10.0.0.7:80":0,"10.0.0.8:80":0},"type":"x"}"#,
        ),
        (
            "node",
            r#"{"nodes":[{"host":"10.0.0.7","weight":1},{"host":"10.0.0.8","port":81}]}"#,
            "weight=5",
            r#"{"nodes":[{"host":"10.0.0.7","weight":5},{"host":"10.0.0.8","port":81,"weight":5}]}"#,
        ),
        (
            "node",
            r#"{"metadata":{"weight":"1","a":"b"},"endpoints":["http://10.0.0.7:80"]}"#,
            "weight=5",
            r#"{"metadata":{"weight":"5","a":"b"},"endpoints":["http://10.0.0.7:80"]}"#,
        ),
        (
            "node",
            r#"{"network":"tcp","address":"10.0.0.7:80","tags":{}}"#,
            "weight=5",
            r#"{"network":"tcp","address":"10.0.0.7:80","tags":{},"weight":5}"#,
        ),
        ("a/10.0.0.7:80", "", "weight=5 down", r#"{"weight":5,"down":true}"#),
        ("a/10.0.0.7:80", r#"{"down":0}"#, "down", r#"{"down":1}"#),
        ("a/tcp@10.0.0.7:80", "", "weight=5", "weight=5"),
        (
            "a/tcp@10.0.0.7:80",
            "group=a&weight=1",
            "weight=5 down",
            "group=a&weight=5&state=inactive",
        ),
        ("a/tcp@10.0.0.7:80", "state=inactive&a=b", "-down", "a=b"),
    ] {
        assert_eq!(edited(key, value, words).as_deref(), Ok(expected), "{value}: {words}");
    }
}

#[test]
fn what_has_no_place_is_refused_with_its_form() {
    for (key, value, words, expected) in [
        ("node", r#"{"host":"10.0.0.7"}"#, "drain", "SkyDNS"),
        ("node", r#"{"host":"10.0.0.7"}"#, "weight=0", "a weight of 0 means"),
        ("node", r#"{"Addr":"10.0.0.7:80"}"#, "weight=0", "gRPC naming"),
        ("node", r#"{"Addr":"10.0.0.7:80","Metadata":"text"}"#, "weight=5", "gRPC naming"),
        ("node", r#"{"nodes":{"10.0.0.7:80":1}}"#, "drain", "\"weight=0\" drains"),
        ("node", r#"{"nodes":[{"address":"10.0.0.7:80"}]}"#, "weight=5", "; only APISIX has"),
        ("node", r#"{"URL":"http://10.0.0.7:80"}"#, "down", "vulcand"),
        ("node", r#"{"conn_url":"postgres://10.0.0.7/a"}"#, "down", "Patroni"),
        ("node/url", "http://10.0.0.7:80", "weight=5", "NAME/weight"),
        ("dubbo%3A%2F%2F10.0.0.7%3A20000", "", "weight=5", "dubbo-go, interfaces"),
        ("a/tcp@10.0.0.7:80", "", "backup", "rpcx"),
        ("node", "", "weight=5", "rejects it: the value is empty"),
        ("node", "10.0.0.7:x", "weight=5", "would reject the value: invalid port"),
        // An instance that is not healthy stays down.
        ("node", r#"{"Host":"10.0.0.7","Port":1,"Healthy":false}"#, "-down", "dubbo-go"),
    ] {
        let error = edited(key, value, words).expect_err(value);
        assert!(error.contains(expected), "{value}: {words}: {error}");
    }
    for word in ["weight", "weight=x", "down=1", "-down=1", "-", "", "addr=10.0.0.7:80", "-addr"] {
        assert!(ParameterChange::parse(word).is_err(), "{word}");
    }
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        (0_u32..70).prop_map(|weight| format!("weight={weight}")),
        (0_u32..9).prop_map(|number| format!("max_fails={number}")),
        (0_u32..9).prop_map(|number| format!("fail_timeout={number}m")),
        prop::sample::select(vec!["down", "drain", "backup", "route=a"]).prop_map(str::to_owned),
    ]
}

fn change() -> impl Strategy<Value = String> {
    prop_oneof![
        word(),
        prop::sample::select(vec!["-weight", "-max_fails", "-down", "-drain", "-route"])
            .prop_map(str::to_owned),
    ]
}

proptest! {
    /// In the forms that have a place for everything, all changes are made, and only these.
    #[test]
    fn changes_say_what_they_should_in_each_form(
        words in prop::collection::vec(word(), 0..5),
        changed in prop::collection::vec(change(), 1..4),
        json in any::<bool>(),
    ) {
        let written = format!("10.0.0.7:80 {}", words.join(" "));
        let value = parse_value("node", written.as_bytes(), &Reading::default());
        let value = value.expect("a value").into_values().remove(0);
        let text = if json { value.to_json() } else { written };
        let after = edited("node", &text, &changed.join(" ")).expect("an edit");
        let read = parse_value("node", after.as_bytes(), &Reading::default());
        let read = read.map(KeyContent::into_values).expect("a value").remove(0);
        let mut expected = value.overrides.clone();
        for change in changes(&changed.join(" ")) {
            change.apply(&mut expected).expect("a change");
        }
        prop_assert_eq!(read.overrides, expected);
        prop_assert_eq!(read.target, value.target);
    }

    /// Whatever a value is, an edit does not panic, and makes nothing that the router rejects.
    #[test]
    fn hostile_values_are_changed_well_or_not_at_all(
        key in "[a-z@/:.0-9]{1,20}",
        value in any::<String>(),
        changed in change(),
    ) {
        if let Ok(after) = edited(&key, &value, &changed) {
            prop_assert!(parse_value(&key, after.as_bytes(), &Reading::default()).is_ok());
        }
    }
}
