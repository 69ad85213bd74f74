//! The table's defaults are those of the crates that use them.

use std::time::Duration;

use directive_table::directive;
use etcd_watch::DEFAULT_HOLD;
use upstream_peers::{Overrides, Parameters};

#[test]
fn defaults_of_etcd_defaults_are_those_of_peers() {
    for parameter in directive("etcd_defaults").parameters {
        let default = parameter.default.expect("a default");
        let mut overrides = Overrides::default();
        overrides.set_word(&format!("{}={default}", parameter.name)).expect(parameter.name);
        assert_eq!(
            overrides.apply(Parameters::default()),
            Parameters::default(),
            "{}={default}",
            parameter.name
        );
    }
}

#[test]
fn default_of_hold_is_that_of_etcd_watch() {
    let hold = directive("etcd").parameter("hold");
    let milliseconds = hold.default.and_then(nginx_syntax::milliseconds).expect("a time");
    assert_eq!(Duration::from_millis(milliseconds), DEFAULT_HOLD);
}
