//! `firehose-router nodes`: keys of nodes in a real etcd, with a router that follows them.

mod draining;
mod etcd;
mod leases;
mod rolling;

use harness::*;

/// Runs it to its end: the exit code, and what it has said on both outputs.
async fn nodes(etcd: &str, arguments: &[&str]) -> Result<(i32, String)> {
    with(&[("ETCD_ENDPOINTS", etcd)], arguments).await
}

/// The same with variables.
async fn with(variables: &[(&str, &str)], arguments: &[&str]) -> Result<(i32, String)> {
    let mut program = Program::start(&[&["nodes"], arguments].concat(), variables)?;
    let code = program.ended(SOON * 3).await?;
    Ok((code, program.log()))
}

/// Runs it, and checks that it has succeeded.
async fn done(etcd: &Etcd, arguments: &[&str]) -> Result<String> {
    let (code, said) = nodes(&etcd.url(), arguments).await?;
    ensure!(code == 0, "{arguments:?}: {code}: {said}");
    Ok(said)
}

/// Runs it, and checks that it has failed with these words and has written nothing.
async fn refused(etcd: &Etcd, arguments: &[&str], words: &str) -> Result<()> {
    let before = etcd.revision().await?;
    let (code, said) = nodes(&etcd.url(), arguments).await?;
    ensure!(code == 1 && said.contains(words), "{arguments:?}: {code}: {said}");
    ensure!(etcd.revision().await? == before, "{arguments:?}: something was written");
    Ok(())
}

/// The value of a key.
async fn value(etcd: &Etcd, name: &str) -> Result<Option<String>> {
    Ok(etcd.look_up(&key(name)).await?.map(|(value, _)| value))
}

#[tokio::test]
async fn a_router_follows_what_is_changed() -> Result<()> {
    let router = Router::start(1, 1).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let node = Node::start("new").await?;
    let address = node.address().to_string();
    let said = done(etcd, &["add", "new", &address, "weight=5"]).await?;
    assert!(said.contains("is added with the value"), "{said}");
    let upstream = nginx.wait_for_peer("new").await?;
    assert_eq!(upstream.peer("new").map(|peer| peer.weight), Some(5));

    let said = done(etcd, &["set", &key("new"), "weight=7", "backup"]).await?;
    assert!(said.contains("is changed from"), "{said}");
    let revision = etcd.revision().await?;
    let upstream = nginx.applied(revision).await?;
    let peer = upstream.peer("new").ok_or("no peer")?;
    assert_eq!((peer.weight, peer.backup), (7, true));
    let said = done(etcd, &["set", "new", "weight=7"]).await?;
    assert!(said.contains("already") && etcd.revision().await? == revision, "{said}");

    done(etcd, &["drain", "new"]).await?;
    let upstream = nginx.applied(etcd.revision().await?).await?;
    assert_eq!(upstream.peer("new").map(|peer| &*peer.state), Some("drain"));
    done(etcd, &["undrain", "new"]).await?;
    done(etcd, &["set", "new", "-weight", "-backup"]).await?;
    assert_eq!(value(etcd, "new").await?.as_deref(), Some(&*address));
    let upstream = nginx.applied(etcd.revision().await?).await?;
    assert_eq!(upstream.peer("new").map(|peer| &*peer.state), Some("up"));

    let said = done(etcd, &["list"]).await?;
    assert!(said.contains("new") && said.contains("n0") && said.contains(&address), "{said}");
    done(etcd, &["remove", "new"]).await?;
    assert_eq!(value(etcd, "new").await?, None);
    nginx.wait_for_keys(&["n0"]).await?;
    nginx.check_log()
}

#[tokio::test]
async fn what_the_router_would_reject_is_refused() -> Result<()> {
    let etcd = Etcd::start().await?;
    done(&etcd, &["add", "n", "10.0.0.7:80"]).await?;
    etcd.put(key("skydns"), r#"{"host":"10.0.0.7"}"#).await?;
    etcd.put(key("bytes"), b"10.0.0.7:80 \xff").await?;
    etcd.put(key("zero"), "10.0.0.7:80 weight=0 drain").await?;
    for (arguments, words) in [
        (&["add", "n", "10.0.0.8:80"][..], "exists, with the value \"10.0.0.7:80\""),
        (&["add", "new", "10.0.0.8:http"], "would reject key \"/firehose/upstream/new\""),
        (&["add", "new\n", "10.0.0.8:80"], "control character"),
        (&["set", "none", "weight=5"], "there is no key \"/firehose/upstream/none\""),
        (&["drain", "none"], "there is no key"),
        (&["remove", "none"], "there is no key"),
        (&["drain", "skydns"], "of the form \"SkyDNS\", which has no place for \"drain\""),
        (&["set", "bytes", "weight=5"], "not valid UTF-8"),
    ] {
        refused(&etcd, arguments, words).await?;
    }
    let (code, said) = nodes(&etcd.url(), &["undrain", "zero"]).await?;
    assert!(code == 1 && said.contains("set a weight"), "{said}");
    assert!(!said.contains("is changed from"), "{said}");
    assert_eq!(value(&etcd, "zero").await?.as_deref(), Some("10.0.0.7:80 weight=0 drain"));
    for arguments in
        [&["set", "n", "weight=x"][..], &["set", "n", "wait=1"], &["set", "n"], &["add", "n"], &[]]
    {
        let (code, said) = nodes(&etcd.url(), arguments).await?;
        assert_eq!(code, 2, "{arguments:?}: {said}");
    }
    let revision = etcd.revision().await?;
    let (code, said) = nodes(&etcd.url(), &["add", "/firehose/nginx/foo", "10.0.0.1:80"]).await?;
    assert!(code == 2 && said.contains("--upstream-prefix"), "{said}");
    assert_eq!(etcd.revision().await?, revision);
    // What a router rejects can be removed all the same.
    done(&etcd, &["remove", "bytes"]).await?;
    Ok(())
}

#[tokio::test]
async fn hostile_keys_and_values_are_shown_escaped() -> Result<()> {
    let etcd = Etcd::start().await?;
    let names = ["a\u{1b}[2J", "b\u{202e}", "<script>\"'", "c\n\u{9b}", &"k".repeat(255)];
    for name in names {
        etcd.put(key(name), "10.0.0.7:80 \u{1b}]0;x\u{7}").await?;
    }
    etcd.put([PREFIX.as_bytes(), b"\xff\xfe"].concat(), b"\xff").await?;
    let said = done(&etcd, &["list"]).await?;
    let steers = |character: char| character.is_control() && character != '\n';
    assert!(!said.contains(steers) && !said.contains('\u{202e}'), "{said:?}");
    assert!(said.contains("a\\u{1b}[2J") && said.contains("<script>"), "{said}");
    let said = done(&etcd, &["list", "--json"]).await?;
    let list: Vec<serde_json::Value> = serde_json::from_str(&said)?;
    assert_eq!(list.len(), names.len() + 1);
    for name in names {
        let found = list.iter().find(|node| node["key"] == name).ok_or("a key")?;
        assert!(found["rejected"].is_string(), "{found}");
        let said = done(&etcd, &["remove", name]).await?;
        assert!(!said.contains(steers) && !said.contains('\u{202e}'), "{said:?}");
    }
    Ok(())
}

#[tokio::test]
async fn values_of_other_programs_keep_their_fields() -> Result<()> {
    let etcd = Etcd::start().await?;
    for (name, before, change, after) in [
        (
            "grpc",
            r#"{"Op":0,"Addr":"10.0.0.7:80","Metadata":{"z":1.50,"a":[1]}, "x":null}"#,
            "drain",
            r#"{"Op":0,"Addr":"10.0.0.7:80","Metadata":{"z":1.50,"a":[1],"drain":true}, "x":null}"#,
        ),
        (
            "own",
            "{ \"addr\": \"10.0.0.7:80\", \"weight\": \"1\" }",
            "weight=5",
            "{ \"addr\": \"10.0.0.7:80\", \"weight\": \"5\" }",
        ),
        ("upsync/10.0.0.7:80", "", "weight=5", r#"{"weight":5}"#),
    ] {
        etcd.put(key(name), before).await?;
        done(&etcd, &["set", name, change]).await?;
        assert_eq!(value(&etcd, name).await?.as_deref(), Some(after));
    }
    Ok(())
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_made() -> Result<()> {
    const CHANGES: [&str; 5] = ["weight=5", "max_conns=6", "max_fails=7", "backup", "drain"];
    let etcd = Etcd::start().await?;
    etcd.put(key("n"), "10.0.0.7:80").await?;
    let mut programs = Vec::new();
    for change in CHANGES {
        let arguments = ["nodes", "set", "n", change];
        programs.push(Program::start(&arguments, &[("ETCD_ENDPOINTS", &*etcd.url())])?);
    }
    for program in &mut programs {
        assert_eq!(program.ended(SOON).await?, 0, "{}", program.log());
    }
    let value = value(&etcd, "n").await?.ok_or("no key")?;
    for change in CHANGES {
        assert!(value.split(' ').any(|word| word == change), "{value}");
    }
    Ok(())
}
