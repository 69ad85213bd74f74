//! The table of settings, its grammars, its messages, and the documentation.

use super::{Rendering, Setting, SettingError, Since, TABLE};

#[test]
fn defaults_are_values_that_the_setting_takes() {
    for setting in Setting::all() {
        assert_eq!(Setting::of_key(setting.key()), Some(setting));
        if let Some(default) = setting.default() {
            assert_eq!(setting.read(default.as_bytes()).as_deref(), Ok(default));
        }
    }
    assert_eq!(Setting::of_key("worker"), None);
}

#[test]
fn good_values_are_read() {
    for (setting, value, read) in [
        (Setting::WorkerProcesses, "auto", "auto"),
        (Setting::WorkerProcesses, " 8\n", "8"),
        (Setting::WorkerRlimitNofile, "65536", "65536"),
        (Setting::KeepaliveTimeout, "0", "0"),
        (Setting::KeepaliveTimeout, "1m30s", "1m30s"),
        (Setting::KeepaliveTimeout, "500ms", "500ms"),
        (Setting::KeepaliveTimeout, "1h 30m", "1h30m"),
        (Setting::DrainSpread, "90d", "90d"),
        (Setting::DrainTimeout, "1d12h", "1d12h"),
        (Setting::ServerName, "a.example.com  *.example.org _", "a.example.com *.example.org _"),
        (Setting::ServerName, "bücher.example", "bücher.example"),
        (Setting::HealthcheckPath, "/healthz?deep=1", "/healthz?deep=1"),
        (Setting::HealthcheckMethod, "head", "HEAD"),
        (Setting::HealthcheckMethod, "GET\n", "GET"),
        (Setting::Balance, "random  two", "random two"),
        (Setting::Balance, "random two least_conn", "random two least_conn"),
        (Setting::Balance, "least_time header inflight", "least_time header inflight"),
        (Setting::Balance, "least_time last_byte", "least_time last_byte"),
        (Setting::Balance, "peak_ewma", "peak_ewma"),
        (Setting::Balance, "least_time", "least_time"),
        (Setting::Balance, "hash $request_uri consistent", "hash $request_uri consistent"),
        (Setting::AcceptProxy, "TRUE", "on"),
        (Setting::AcceptProxy, "0", "off"),
        (Setting::SyslogEndpoint, "udp://logs.internal:514", "logs.internal:514"),
        (Setting::SyslogEndpoint, "[::1]:514", "[::1]:514"),
        (Setting::SyslogEndpoint, "unix:/dev/log", "unix:/dev/log"),
        (Setting::MaxConns, "0", "0"),
        (Setting::ClientMaxBodySize, "0", "0"),
        (Setting::ClientMaxBodySize, "20M", "20M"),
        (Setting::ClientMaxBodySize, "1024g", "1024g"),
        (Setting::ClientMaxBodySize, "1048576", "1048576"),
    ] {
        assert_eq!(setting.read(value.as_bytes()).as_deref(), Ok(read), "{setting:?} {value}");
    }
}

#[test]
fn bad_values_are_refused_and_cannot_end_a_directive() {
    for setting in Setting::all().filter(|&setting| setting != Setting::PutAllow) {
        for value in [
            "a;b",
            "4; user root",
            "1 }",
            "\"",
            "'a'",
            "a\\b",
            "{",
            "$(id)",
            "a\nb",
            "-1",
            "\u{1b}",
            "#",
            "${a",
        ] {
            assert!(setting.read(value.as_bytes()).is_err(), "{setting:?} {value:?}");
        }
        assert_eq!(setting.read(b" \n"), Err(SettingError::Empty));
        assert_eq!(setting.read(b"\xff"), Err(SettingError::NotText));
        assert_eq!(setting.read(&[b'1'; 2000]), Err(SettingError::TooLong));
    }
    for (setting, value) in [
        (Setting::WorkerProcesses, "0"),
        (Setting::WorkerProcesses, "257"),
        (Setting::WorkerProcesses, "4.0"),
        (Setting::WorkerConnections, "31"),
        (Setting::WorkerConnections, "many"),
        (Setting::KeepaliveTimeout, "s"),
        (Setting::KeepaliveTimeout, "5x"),
        (Setting::KeepaliveTimeout, "30s1m"),
        (Setting::KeepaliveTimeout, "99999999999999999999"),
        (Setting::KeepaliveTimeout, "2y"),
        (Setting::KeepaliveTimeout, "1M"),
        (Setting::KeepaliveTimeout, "5 5"),
        (Setting::DrainTimeout, "91d"),
        (Setting::DrainTimeout, "s"),
        (Setting::HealthcheckPath, "healthz"),
        (Setting::HealthcheckPath, "/a b"),
        (Setting::HealthcheckMethod, "POST"),
        (Setting::HealthcheckMethod, "HEAD /"),
        (Setting::Balance, "fastest"),
        (Setting::Balance, "hash uri"),
        (Setting::Balance, "hash $"),
        (Setting::Balance, "hash"),
        (Setting::Balance, "random two least_time"),
        (Setting::Balance, "least_time inflight"),
        (Setting::AcceptProxy, "maybe"),
        (Setting::SyslogEndpoint, "host:0"),
        (Setting::SyslogEndpoint, "a:b:c"),
        (Setting::SyslogEndpoint, "host,tag=x"),
        (Setting::MaxConns, "4294967296"),
        (Setting::ClientMaxBodySize, "m"),
        (Setting::ClientMaxBodySize, "1t"),
        (Setting::ClientMaxBodySize, "1.5m"),
        (Setting::ClientMaxBodySize, "1025g"),
        (Setting::ClientMaxBodySize, "99999999999999999999"),
    ] {
        assert!(setting.read(value.as_bytes()).is_err(), "{setting:?} {value}");
    }
}

#[test]
fn rows_are_in_the_order_of_their_names() {
    for (index, row) in TABLE.iter().enumerate() {
        assert_eq!(row.setting as usize, index, "{}", row.key);
    }
    assert_eq!(Setting::PutAllow as usize + 1, TABLE.len());
}

#[test]
fn messages_are_worded_so() {
    let message =
        |setting: Setting, value: &[u8]| setting.read(value).expect_err("an error").to_string();
    for (setting, value, expected) in [
        (Setting::WorkerProcesses, "many", "\"many\" is not a number from 1 to 256 or \"auto\""),
        (Setting::WorkerConnections, "31", "\"31\" is not a number from 32 to 1000000"),
        (
            Setting::KeepaliveTimeout,
            "2y",
            "\"2y\" is not a time in nginx's syntax (65s, 500ms, 1m30s) of at most 366d",
        ),
        (
            Setting::ServerName,
            "~^a",
            "\"~^a\" is not a server name or several, separated by spaces; regular expressions \
            are not supported",
        ),
        (Setting::HealthcheckPath, "x", "\"x\" is not a URL path that begins with \"/\""),
        (Setting::HealthcheckMethod, "POST", "\"POST\" is not \"GET\" or \"HEAD\""),
        (
            Setting::Balance,
            "fastest",
            "\"fastest\" is not one of \"round_robin\", \"least_conn\", \"random\", \
            \"random two\", \"ip_hash\", \"least_time header\", \"least_time last_byte\" (both \
            also with \"inflight\"), \"peak_ewma\", \"hash KEY\" and \
            \"hash KEY consistent\", where KEY has nginx variables such as $request_uri or \
            $arg_user",
        ),
        (
            Setting::AcceptProxy,
            "maybe",
            "\"maybe\" is not \"on\" or \"off\" (also yes, true, 1; no, false, 0)",
        ),
        (Setting::SyslogEndpoint, "a:b", "\"a:b\" is not HOST, HOST:PORT or unix:PATH"),
        (
            Setting::ClientMaxBodySize,
            "1t",
            "\"1t\" is not a size in nginx's syntax (512k, 10m, 1g) of at most 1024g, or 0 for no \
            limit",
        ),
        (Setting::Balance, " ", "the value is empty; delete the key to use the default"),
        (
            Setting::PutAllow,
            "10.0.0.0/8",
            "this key must not exist: write each network to a key of its own below it, such as \
            put_allow/office with the value 10.0.0.0/8 (\"firehose-router migrate\" copies them \
            from etcd v2), and then delete this key; while it exists, only the networks below it \
            may publish",
        ),
    ] {
        assert_eq!(message(setting, value.as_bytes()), expected);
    }
    assert_eq!(message(Setting::Balance, b"\xff"), "the value is not valid UTF-8");
    let long = [b'1'; 2000];
    assert_eq!(
        message(Setting::Balance, &long),
        "the value is too long: the maximum is 1024 bytes"
    );
    let unknown = SettingError::Unknown.to_string();
    assert!(
        unknown.starts_with(
            "there is no setting of this name; the settings are worker_processes, worker_rlimit"
        ) && unknown.ends_with(", put_allow/NAME"),
        "{unknown}"
    );
}

fn document(name: &str) -> String {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    std::fs::read_to_string(file).expect("a document")
}

/// What stands between backticks in a cell of a table.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// A row of the reference for each setting.
pub(crate) fn reference() -> String {
    let mut table = "| key | default | value | applied | |\n|---|---|---|---|---|\n".to_owned();
    for row in &TABLE {
        let is_network = row.setting == Setting::PutAllow;
        let key =
            if is_network { "`put_allow/`*name*".to_owned() } else { format!("`{}`", row.key) };
        let default = row.default.map_or_else(|| "—".to_owned(), |default| format!("`{default}`"));
        let value = if is_network {
            "an address or a network, or several, or nothing".to_owned()
        } else {
            row.grammar.expected()
        };
        let applied = if row.is_live || is_network { "immediately" } else { "by a reload" };
        let text = row.text;
        table += &format!("| {key} | {default} | {value} | {applied} | {text} |\n");
    }
    table
}

/// docs/tutorials/from-original-router.md says which settings the original did not have.
#[test]
fn the_documentation_says_what_is_new() {
    let page = document("docs/tutorials/from-original-router.md");
    let row = page.lines().find(|line| line.starts_with('|') && line.ends_with("| — | new |"));
    let cells = row.expect("the new settings").split('|').nth(1).unwrap_or_default();
    let names = quoted(cells).into_iter().map(|name| name.trim_start_matches("/firehose/nginx/"));
    let mut documented: Vec<_> = names.map(|name| Setting::of_key(name).expect(name)).collect();
    documented.sort_unstable();
    let new = TABLE.iter().filter(|row| row.since != Since::Original).map(|row| row.setting);
    assert_eq!(documented, new.collect::<Vec<_>>());
}

#[test]
fn the_template_has_every_setting() {
    let template = document("nginx-conf/router.conf.jinja");
    for setting in Setting::all().filter(|setting| setting.rendering() != Rendering::Nothing) {
        assert!(template.contains(setting.key()), "{}", setting.key());
    }
}
