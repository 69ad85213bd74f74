//! One wording for each kind of mistake: each is held here.

use std::io;

use directive_table::{CLUSTER_DIRECTIVES, ConfError, DIRECTIVES, Directive, directive};

fn found(name: &str) -> &'static Directive {
    let mut all = DIRECTIVES.iter().chain(CLUSTER_DIRECTIVES);
    all.find(|directive| directive.name == name).expect("a directive of the table")
}

/// What is said of a line of the configuration.
fn message(line: &str) -> String {
    let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    match found(&args[0]).parse(&args[1..]) {
        Ok(_) => "none".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn each_mistake_in_a_line_has_its_message() {
    let unknown_in_drain = "in \"etcd_drain\" directive, it must be \"timeout=\", \"spread=\", \
                            \"rate=\" or \"on=\"";
    let table: &[(&str, &str)] = &[
        ("etcd_drain 30s", &format!("invalid parameter \"30s\" {unknown_in_drain}")),
        (
            "etcd_drain colour=blue",
            &format!("invalid parameter \"colour=blue\" {unknown_in_drain}"),
        ),
        (
            "etcd_drain timeout",
            "invalid parameter \"timeout\" in \"etcd_drain\" directive, it must be \
             \"timeout=time | $variable\"",
        ),
        (
            "etcd_sticky cookie=a secure=off",
            "invalid parameter \"secure=off\" in \"etcd_sticky\" directive, it must be \"secure\"",
        ),
        (
            "etcd_drain timeout=1s timeout=2s",
            "duplicate parameter \"timeout=2s\" in \"etcd_drain\" directive",
        ),
        (
            "etcd_sticky cookie=a secret=pepper secret=salt",
            "duplicate parameter \"secret\" in \"etcd_sticky\" directive",
        ),
        ("etcd_sticky secure", "\"etcd_sticky\" directive must have \"cookie=name\" parameter"),
        (
            "etcd_drain spread=1s rate=5/s",
            "\"rate\" cannot be used with \"spread\" in \"etcd_drain\" directive",
        ),
        ("etcd_check tcp uri=/", "\"uri\" cannot be used with \"tcp\" in \"etcd_check\" directive"),
        (
            "etcd_check http expect=a",
            "\"expect\" cannot be used with \"http\" in \"etcd_check\" directive",
        ),
        ("etcd_check tcp expect=a=b", "none"),
        ("etcd_check tls send=a expect=b name=c", "none"),
        (
            "etcd_geo $a main",
            "invalid number of arguments in \"etcd_geo\" directive, it must be \"etcd_geo $name \
             cluster prefix [empty=0 | 1] [zone=size] [initial=network,… …] [initial_file=file] \
             [origin=cluster:revision];\"",
        ),
        (
            "user a b",
            "invalid number of arguments in \"user\" directive, it must be \"user name;\"",
        ),
        (
            "endpoint",
            "invalid number of arguments in \"endpoint\" directive, it must be \
             \"endpoint url …;\"",
        ),
        (
            "etcd_defaults",
            "invalid number of arguments in \"etcd_defaults\" directive, it must be \
             \"etcd_defaults [weight=number] [max_fails=number] [fail_timeout=time] \
             [max_conns=number | $variable] [slow_start=time];\"",
        ),
        (
            "etcd main",
            "invalid number of arguments in \"etcd\" directive, it must be \"etcd cluster prefix \
             [zone=size] [state=file] [hold=time] [expiry_guard=percent%] [scheme=scheme] \
             [names=all | first];\"",
        ),
        (
            "etcd_cluster a b",
            "invalid number of arguments in \"etcd_cluster\" directive, it must be \
             \"etcd_cluster name { … }\"",
        ),
        (
            "etcd_status json",
            "invalid number of arguments in \"etcd_status\" directive, it must be \
             \"etcd_status;\"",
        ),
        ("etcd_status", "none"),
        ("etcd_drain", "none"),
        ("etcd_geo $a main /a/ initial=10.0.0.1 initial=10.0.0.2 empty=1", "none"),
        ("etcd_balance hash $uri consistent", "none"),
        ("etcd_allow 10.0.0.0/8 unix:", "none"),
        ("etcd_check http uri=/?a=b status=200 mandatory", "none"),
    ];
    for (line, expected) in table {
        assert_eq!(message(line), *expected, "{line}");
    }
}

#[test]
fn each_mistake_that_a_handler_finds_has_its_message() {
    let (etcd, sticky, check) =
        (directive("etcd"), directive("etcd_sticky"), directive("etcd_check"));
    let table: &[(ConfError, &str)] = &[
        (etcd.is_duplicate(), "\"etcd\" directive is duplicate"),
        (
            check.must_follow("etcd"),
            "\"etcd_check\" directive must be placed after the \"etcd\" directive of the same \
             upstream",
        ),
        (etcd.is_outside("http"), "\"etcd\" directive is not allowed outside of \"http\""),
        (
            check.invalid_value("interval", "soon"),
            "invalid value \"soon\" of \"interval\" in \"etcd_check\" directive, it must be a time \
             above 0",
        ),
        (
            check.invalid_value("host", "a\r\nX: y"),
            "invalid value \"a\\r\\nX: y\" of \"host\" in \"etcd_check\" directive, it must be a \
             name in ASCII without spaces and control characters",
        ),
        (
            sticky.invalid_value("secret", "a\tb"),
            "invalid value of \"secret\" in \"etcd_sticky\" directive, it must be a text that is \
             not empty and has no control characters",
        ),
        (
            etcd.invalid_value_of("zone", "4k", "a size of at least 32k"),
            "invalid value \"4k\" of \"zone\" in \"etcd\" directive, it must be a size of at least \
             32k",
        ),
        (
            check.invalid_argument(0, "grpc"),
            "invalid check \"grpc\" in \"etcd_check\" directive, it must be \"http\", \"tcp\" or \
             \"tls\"",
        ),
        (
            directive("etcd_allow").invalid_argument(7, "all"),
            "invalid network \"all\" in \"etcd_allow\" directive, it must be a network \
             (10.0.0.0/8, 2001:db8::/32), an address or \"unix:\"",
        ),
        (
            directive("etcd_geo").duplicate_argument(0, "$a"),
            "duplicate variable name \"$a\" in \"etcd_geo\" directive",
        ),
        (
            sticky.excludes("domain", "cookie=__Host-a"),
            "\"domain\" cannot be used with \"cookie=__Host-a\" in \"etcd_sticky\" directive",
        ),
        (
            sticky.needs("samesite=none", "\"secure\""),
            "\"samesite=none\" cannot be used without \"secure\" in \"etcd_sticky\" directive",
        ),
        (
            etcd.file_failed("state", "/x/y", &io::Error::from_raw_os_error(21)),
            "cannot use \"/x/y\" of \"state\" in \"etcd\" directive (21: Is a directory)",
        ),
        (
            found("ssl_certificate").file_failed("", "/x/y", &io::Error::other("too large")),
            "cannot use \"/x/y\" in \"ssl_certificate\" directive: too large",
        ),
        (
            directive("etcd_geo").file_invalid("initial_file", "/x/y", "\"a\" is no network"),
            "cannot use \"/x/y\" of \"initial_file\" in \"etcd_geo\" directive: \"a\" is no \
             network",
        ),
        (etcd.no_memory(), "no memory for the configuration of \"etcd\""),
    ];
    for (error, expected) in table {
        assert_eq!(error.to_string(), *expected);
    }
}

#[test]
fn a_detail_follows_the_place_of_the_directive() {
    let taken = directive("etcd").file_rejected("state", "/x/y");
    assert!(!taken.has_detail());
    let taken = taken.with_detail(": already used by upstream \"a\" in nginx.conf:8");
    assert!(taken.has_detail());
    assert_eq!(
        taken.at("in nginx.conf:9"),
        "cannot use \"/x/y\" of \"state\" in \"etcd\" directive in nginx.conf:9: already used by \
         upstream \"a\" in nginx.conf:8"
    );
}
