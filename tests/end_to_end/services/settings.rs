//! `services set`, `services unset`, and the settings that `services list` shows.

use harness::*;
use serde_json::{Value as Json, json};

use super::{SERVICES, done, fails, keys, register, services, with};

/// The prefix that the command has if nobody names another one.
const SETTINGS: &str = "/services-settings/";

/// The settings of a service, as they are written.
async fn value(etcd: &Etcd, service: &str) -> Result<Option<String>> {
    Ok(etcd.look_up(&format!("{SETTINGS}{service}")).await?.map(|(value, _)| value))
}

/// Runs `services set` with a text at standard input.
async fn set_from_input(etcd: &Etcd, service: &str, input: &str) -> Result<(i32, String)> {
    let folder = Folder::new("settings")?;
    let file = folder.write("input", input)?.display().to_string();
    let by = ["sh", "-c", "input=$1; shift; exec \"$@\" <\"$input\"", "sh", &file];
    let arguments = ["services", "set", service, "-"];
    let mut program = Program::start_by(&by, &arguments, &[("ETCD_ENDPOINTS", &*etcd.url())])?;
    let code = program.ended(SOON * 3).await?;
    Ok((code, program.log()))
}

#[tokio::test]
async fn settings_are_written_changed_and_removed() -> Result<()> {
    let etcd = Etcd::start().await?;
    register(&etcd, &[("web/1", "10.0.0.1:80")]).await?;
    let first = r#"{"balance":"least_conn"}"#;
    let said = done(&etcd, &["set", "web", first]).await?;
    let words =
        format!("key \"/services-settings/web\" is added with the value \"{first}\", revision ");
    assert!(said.starts_with(&words) && said.lines().count() == 1, "{said}");
    assert_eq!(value(&etcd, "web").await?.as_deref(), Some(first));

    let second = r#"{"balance": "hash $arg_user consistent", "check": "off"}"#;
    let said = done(&etcd, &["set", "/services-settings/web", second]).await?;
    assert!(said.contains("is changed from ") && said.contains(", revision "), "{said}");
    assert_eq!(value(&etcd, "web").await?.as_deref(), Some(second));
    let revision = etcd.revision().await?;
    assert!(done(&etcd, &["set", "web", second]).await?.contains("already"));
    assert_eq!(etcd.revision().await?, revision);

    let (code, said) = set_from_input(&etcd, "web", "{\n  \"max_conns\": 4\n}\n").await?;
    assert_eq!(code, 0, "{said}");
    assert_eq!(value(&etcd, "web").await?.as_deref(), Some("{\n  \"max_conns\": 4\n}\n"));
    assert_eq!(said.lines().count(), 1, "{said}");

    let said = done(&etcd, &["unset", "web"]).await?;
    assert!(said.contains("is removed, its value was \"{\\n  "), "{said}");
    assert_eq!(value(&etcd, "web").await?, None);
    let words = "there is no key \"/services-settings/web\": see \"firehose-router services list \
                 --settings PREFIX\"";
    fails(&etcd, &["unset", "web"], 1, words).await?;

    // Another prefix.
    done(&etcd, &["set", "web", "{}", "--settings", "/own"]).await?;
    assert_eq!(etcd.look_up("/own/web").await?.map(|(value, _)| value).as_deref(), Some("{}"));
    done(&etcd, &["unset", "/own/web", "--settings", "/own/"]).await?;
    assert_eq!(etcd.look_up("/own/web").await?, None);
    assert_eq!(keys(&etcd).await?, ["web/1"], "nodes stay");
    Ok(())
}

#[tokio::test]
async fn settings_that_the_router_would_reject_are_not_written() -> Result<()> {
    let etcd = Etcd::start().await?;
    for (value, reason) in [
        ("least_conn", "the value is not a JSON object"),
        (r#"{"weight":5}"#, "unknown setting \"weight\""),
        (r#"{"balance":"fastest"}"#, "unknown method \"fastest\""),
        (r#"{"check":{"type":"tcp","uri":"/"}}"#, "\"uri\" cannot be used with \"tcp\""),
        (r#"{"check":{"url":"/"}}"#, "unknown field \"url\" of \"check\""),
        (r#"{"balance":"least_time connect"}"#, "least_time"),
    ] {
        let words = "the router would reject key \"/services-settings/web\" with this value: ";
        fails(&etcd, &["set", "web", value], 1, words).await?;
        fails(&etcd, &["set", "web", value], 1, reason).await?;
    }
    let ip_hash = r#"{"balance":"ip_hash"}"#;
    fails(&etcd, &["set", "web", ip_hash, "--stream"], 1, "ip_hash").await?;
    done(&etcd, &["set", "web", ip_hash]).await?;
    done(&etcd, &["set", "web", r#"{"balance":"least_time connect"}"#, "--stream"]).await?;
    // The upstream may check by tcp, or by tls.
    for check in [r#"{"send":"PING","expect":"PONG"}"#, r#"{"name":"db.internal"}"#] {
        done(&etcd, &["set", "web", &format!(r#"{{"check":{check}}}"#)]).await?;
    }
    let long = format!("{{}}{}", " ".repeat(5000));
    let (code, said) = set_from_input(&etcd, "web", &long).await?;
    assert!(code == 1 && said.contains("too long: 5002 bytes, the maximum is 4096"), "{said}");
    let name = "k".repeat(256);
    fails(&etcd, &["set", &name, "{}"], 1, "the key is too long: 256 bytes").await?;
    for (arguments, words) in [
        (&["set", "web/1", "{}"][..], "no slash"),
        (&["set", "", "{}"], "at least one character"),
        (&["set", "/services/web", "{}"], "see --settings"),
        (&["unset", "/services/web"], "see --settings"),
        (&["set", "web"], "<SETTINGS>"),
        (&["set", "web", "{}", "--settings", "/services/settings"], "above or below the prefix"),
        (&["list", "--settings", "/services"], "see --services"),
        (&["list", "--stream"], "--settings"),
        (&["unset", "web", "--services", "/services/"], "--services"),
    ] {
        fails(&etcd, arguments, 2, words).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_service_without_nodes_is_named_when_it_gets_settings() -> Result<()> {
    let etcd = Etcd::start().await?;
    register(&etcd, &[("web/1", "10.0.0.1:80 down"), ("api", "10.0.0.2:80"), ("bad/1", "x")])
        .await?;
    let named = async |service: &str| -> Result<bool> {
        let said = done(&etcd, &["set", service, "{}"]).await?;
        let line = format!("service \"{service}\" has no node below \"/services/\"");
        Ok(said.lines().skip(1).any(|said| said == line))
    };
    assert_eq!((named("web").await?, named("api").await?), (false, false));
    // Neither the services beside it in the order of keys, nor values that are rejected, are its
    // nodes.
    assert_eq!((named("we").await?, named("bad").await?), (true, true));
    let said = done(&etcd, &["set", "web", "{}", "--services", "/other"]).await?;
    assert!(said.contains("service \"web\" has no node below \"/other/\""), "{said}");
    Ok(())
}

#[tokio::test]
async fn services_are_listed_with_their_settings() -> Result<()> {
    let etcd = Etcd::start().await?;
    register(&etcd, &[("api", "10.0.0.1:80"), ("web/1", "10.0.0.2:80"), ("x", "10.0.0.3:80")])
        .await?;
    for (service, settings) in [
        ("", "written about it"),
        ("api", r#"{"balance":"ip_hash","check":{"uri":"/up"},"sticky":null}"#),
        ("new", "{}"),
        ("web", r#"{"balance":"fastest"}"#),
        ("web/1", "{}"),
    ] {
        etcd.put(format!("{SETTINGS}{service}"), settings).await?;
    }
    let said = done(&etcd, &["list", "--settings", SETTINGS]).await?;
    let rows: Vec<Vec<_>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows,
        [
            &["service", "nodes", "settings"][..],
            &["api", "1", "balance,", "check"],
            &["new", "0", "{}"],
            &["web", "1", "rejected"],
            &["web/1", "0", "rejected"],
            &["x", "1"],
        ],
        "{said}"
    );
    let list = async |flags: &[&str]| -> Result<Vec<Json>> {
        let said = done(&etcd, &[&["list", "--json"], flags].concat()).await?;
        Ok(serde_json::from_str(&said)?)
    };
    let listed = list(&["--settings", SETTINGS]).await?;
    assert_eq!(
        listed[0]["settings"],
        json!({"balance": "ip_hash", "check": {"uri": "/up"}, "sticky": null})
    );
    assert_eq!((&listed[0]["settings_rejected"], &listed[0]["nodes"]), (&Json::Null, &json!(1)));
    assert_eq!((&listed[1]["name"], &listed[1]["settings"]), (&json!("new"), &json!({})));
    assert_eq!(listed[2]["settings"], Json::Null);
    let reason = listed[2]["settings_rejected"].as_str().ok_or("no reason")?;
    assert!(reason.contains("unknown method \"fastest\""), "{reason}");
    assert_eq!(listed[4]["settings_rejected"], Json::Null);
    // It is HTTP's alone.
    let listed = list(&["--settings", SETTINGS, "--stream"]).await?;
    let reason = listed[0]["settings_rejected"].as_str().ok_or("no reason")?;
    assert!(reason.contains("ip_hash"), "{reason}");
    let listed = list(&[]).await?;
    assert_eq!(listed.len(), 3);
    assert_eq!(
        (&listed[0]["settings"], &listed[1]["settings_rejected"]),
        (&Json::Null, &Json::Null)
    );
    Ok(())
}

#[tokio::test]
async fn a_removed_service_may_leave_settings() -> Result<()> {
    let etcd = Etcd::start().await?;
    let remove = ["remove", "web", "--settings", SETTINGS];
    register(&etcd, &[("web/1", "10.0.0.1:80")]).await?;
    assert!(!done(&etcd, &remove).await?.contains("settings"));
    register(&etcd, &[("web/1", "10.0.0.1:80")]).await?;
    done(&etcd, &["set", "web", "{}"]).await?;
    let said = done(&etcd, &remove).await?;
    let line = "settings of service \"web\" stay in key \"/services-settings/web\": remove them \
                with \"firehose-router services unset\"";
    assert_eq!(said.lines().last(), Some(line));
    assert_eq!(value(&etcd, "web").await?.as_deref(), Some("{}"));
    fails(&etcd, &["remove", "web", "--settings", "/services"], 2, "see --services").await
}

#[tokio::test]
async fn settings_with_a_lease_keep_it() -> Result<()> {
    let etcd = Etcd::start().await?;
    register(&etcd, &[("web/1", "10.0.0.1:80")]).await?;
    let lease = etcd.grant(60).await?;
    etcd.put_with_lease(&format!("{SETTINGS}web"), "{}", lease).await?;
    let said = done(&etcd, &["set", "web", r#"{"check":"off"}"#]).await?;
    assert!(said.contains(&format!("keeps its lease {lease:x}")), "{said}");
    let (_, kept) = etcd.look_up(&format!("{SETTINGS}web")).await?.ok_or("no key")?;
    assert_eq!(kept, lease);
    Ok(())
}

/// The module takes what the command takes, and acts on it.
#[tokio::test]
async fn a_router_goes_by_what_is_set() -> Result<()> {
    let etcd = Etcd::start().await?;
    let configuration = Configuration::new().http(&cluster("main", &etcd.url())).http(&format!(
        "upstream {UPSTREAM} {{ etcd main {SERVICES}; \
         etcd_group $http_x_service settings={SETTINGS}; etcd_sticky cookie=node secret=pepper; \
         etcd_check tcp; }}"
    ));
    register(&etcd, &[("web/1", "10.0.0.1:80")]).await?;
    let nginx = Nginx::start(configuration).await?;
    nginx.applied(etcd.revision().await?).await?;
    let limit_is = async |expected: u32| {
        eventually(SOON, &format!("max_conns is {expected}"), async || {
            let upstream = nginx.upstream().await?;
            let settings = upstream.groups.as_ref().and_then(|groups| groups.settings.as_ref());
            let settings = settings.ok_or("no settings in the status")?;
            ensure!(settings.rejected.is_none(), "{settings:?}");
            let limits: Vec<_> = upstream.peers.iter().map(|peer| peer.max_conns).collect();
            ensure!(limits == [expected], "{limits:?}");
            Ok(())
        })
        .await
    };
    for (limit, others) in [
        (1, r#""balance":"hash $http_x_user consistent","sticky":"on""#),
        (2, r#""check":{"send":"PING","expect":"PONG"},"drain":{"timeout":"30s"}"#),
        (3, r#""check":{"type":"http","uri":"/healthz"},"slow_start":"1m""#),
    ] {
        done(&etcd, &["set", "web", &format!("{{\"max_conns\":{limit},{others}}}")]).await?;
        limit_is(limit).await?;
    }
    done(&etcd, &["unset", "web"]).await?;
    limit_is(0).await?;
    Ok(())
}

#[tokio::test]
async fn hostile_settings_are_shown_escaped() -> Result<()> {
    let etcd = Etcd::start().await?;
    let name = "a\u{1b}[2J\u{202e}";
    etcd.put(format!("{SETTINGS}{name}"), "{\"\u{1b}]0;x\u{7}\u{202e}\":1}").await?;
    etcd.put([SETTINGS.as_bytes(), b"\xff"].concat(), b"\xff").await?;
    let steers = |character: char| character.is_control() && character != '\n';
    for arguments in [&["list", "--settings", SETTINGS][..], &["set", name, "{}"], &["unset", name]]
    {
        let said = done(&etcd, arguments).await?;
        assert!(!said.contains(steers) && !said.contains('\u{202e}'), "{said:?}");
        assert!(said.contains("a\\u{1b}[2J\\u{202e}"), "{said}");
    }
    let words = "unknown setting \"\\u{1b}\"";
    fails(&etcd, &["set", "web", "{\"\u{1b}\":1}"], 1, "not a JSON object").await?;
    fails(&etcd, &["set", "web", r#"{"\u001b":1}"#], 1, words).await
}

#[tokio::test]
async fn users_need_the_permission_for_settings_and_nodes() -> Result<()> {
    let mut etcd = Etcd::absent()?.with_arguments(&["--bcrypt-cost", "4"]);
    etcd.restart().await?;
    etcd.add_user("operator", "s3cret", SETTINGS).await?;
    etcd.ask_for_users().await?;
    let url = etcd.url();
    let user = [("ETCD_ENDPOINTS", &*url), ("ETCD_USER", "operator"), ("ETCD_PASSWORD", "s3cret")];
    let refused = async |arguments: &[&str], words: &str| -> Result<()> {
        let (code, said) = with(&user, arguments).await?;
        ensure!(code == 1 && said.contains(words), "{arguments:?}: {code}: {said}");
        ensure!(value(&etcd, "web").await?.is_none(), "it was written");
        Ok(())
    };
    // Whether it has nodes is asked before anything is written.
    refused(&["set", "web", "{}"], SERVICES).await?;
    etcd.grant_read("operator", SERVICES).await?;
    refused(&["set", "web", "{}"], "nothing was changed").await?;
    etcd.grant_write("operator", SETTINGS).await?;
    let (code, said) = with(&user, &["set", "web", "{}"]).await?;
    assert_eq!(code, 0, "{said}");
    let (code, said) = with(&user, &["unset", "web"]).await?;
    assert_eq!(code, 0, "{said}");
    Ok(())
}

#[tokio::test]
async fn an_etcd_that_is_away_gets_no_settings() -> Result<()> {
    let mut etcd = Etcd::start().await?;
    etcd.stop().await?;
    for arguments in [&["set", "web", "{}"][..], &["unset", "web"]] {
        let (code, said) = services(&etcd.url(), arguments).await?;
        assert!(code == 1 && said.starts_with("error: etcd: "), "{said}");
    }
    // What is not valid is said without it.
    let (code, said) = services(&etcd.url(), &["set", "web", "[]"]).await?;
    assert!(code == 1 && said.contains("would reject"), "{said}");
    Ok(())
}
