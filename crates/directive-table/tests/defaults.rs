//! The table's defaults of peers are those that peers have.

use directive_table::directive;
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
