//! That the rows of the table agree with themselves, and how arguments are sorted.

use directive_table::{
    CLUSTER_DIRECTIVES, Context, DIRECTIVES, Seen, cluster_directive, directive,
};

fn args(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn each_row_agrees_with_itself() {
    let mut names = Vec::new();
    for row in DIRECTIVES.iter().chain(CLUSTER_DIRECTIVES) {
        assert!(!names.contains(&row.name), "{} is there twice", row.name);
        names.push(row.name);
        assert!(!row.contexts.is_empty() && !row.summary.is_empty(), "{}", row.name);
        for (place, parameter) in row.parameters.iter().enumerate() {
            let name = format!("{} of {}", parameter.name, row.name);
            assert_eq!(parameter.syntax.is_some(), !parameter.expects.is_empty(), "{name}");
            assert!(row.parameters[..place].iter().all(|p| p.name != parameter.name), "{name}");
            assert!(!(parameter.is_required && parameter.default.is_some()), "{name}");
            let other = parameter.excludes.map(|other| row.parameter(other).name);
            assert_eq!(other, parameter.excludes, "{name}");
        }
    }
}

#[test]
fn a_row_has_a_context_of_nginx_s_or_stands_in_a_cluster() {
    assert!(DIRECTIVES.iter().all(|row| !row.stands_in(Context::Cluster)));
    assert!(CLUSTER_DIRECTIVES.iter().all(|row| row.contexts == [Context::Cluster]));
    assert!(directive("etcd_cluster").stands_in(Context::Main));
    assert!(!directive("etcd").stands_in(Context::Http));
}

/// Nothing looks for duplicates in `http`, where all directives may be there several times.
#[test]
fn what_may_be_given_once_stands_where_that_is_checked() {
    let checked = [Context::Upstream, Context::Location, Context::Cluster];
    for row in DIRECTIVES.iter().chain(CLUSTER_DIRECTIVES) {
        let is_checked = checked.iter().any(|&context| row.stands_in(context));
        assert!(!row.is_once || is_checked, "{}", row.name);
    }
}

#[test]
fn a_directive_is_given_once_unless_its_row_says_otherwise() {
    let mut seen = Seen::default();
    for (name, place, expected) in [
        ("etcd_drain", "in a:1", Ok(())),
        ("etcd_allow", "in a:2", Ok(())),
        ("etcd_allow", "in a:3", Ok(())),
        ("etcd_drain", "in a:4", Err("\"etcd_drain\" directive is duplicate".to_owned())),
    ] {
        let added = seen.add(directive(name), place.to_owned());
        assert_eq!(added.map_err(|error| error.to_string()), expected, "{name} {place}");
    }
    assert_eq!(seen.place("etcd_drain"), Some("in a:1"));
    assert_eq!(seen.place("etcd_allow"), Some("in a:2"));
    assert_eq!(seen.place("etcd_check"), None);
}

#[test]
fn arguments_and_parameters_are_told_apart() {
    let line = args("http uri=/?a=b mandatory interval=9s");
    let args = directive("etcd_check").parse(&line).expect("right");
    assert_eq!(args.arguments(), ["http"]);
    assert_eq!((args.given("uri"), args.value("uri")), (Some("/?a=b"), Some("/?a=b")));
    assert_eq!((args.given("method"), args.value("method")), (None, Some("GET")));
    assert_eq!((args.given("host"), args.value("host")), (None, None));
    assert!(args.is_given("mandatory") && !args.is_given("panic"));
    assert_eq!(args.read("host", |host| Some(host.len())), Ok(None));
    assert_eq!(args.need("fall", |fall| fall.parse().ok()), Ok(3));
    let error = args.need::<u32>("interval", |_| None).expect_err("refused");
    assert!(error.to_string().contains("\"9s\" of \"interval\""), "{error}");
}

#[test]
fn a_parameter_may_be_repeated_where_its_row_says_so() {
    let line = args("$a main /a/ initial=1 empty=1 initial=2");
    let args = directive("etcd_geo").parse(&line).expect("right");
    assert_eq!(args.arguments(), ["$a", "main", "/a/"]);
    assert_eq!(args.all("initial").collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn a_default_of_a_whole_directive_is_its_argument() {
    assert_eq!(cluster_directive("connect_timeout").default_argument(), Some("2s"));
    assert_eq!(cluster_directive("user").default_argument(), None);
    assert_eq!(directive("etcd_balance").default_argument(), Some("round_robin"));
}
