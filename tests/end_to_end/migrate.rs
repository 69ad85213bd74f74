//! `firehose-router migrate`, and the way by hand in `docs/tutorials/from-original-router.md`: from
//! a real etcd's v2 keys, or from another's v3 ones.

mod refused;

use std::process::Command;

use harness::*;
use hyper::Method;
use hyper::body::Bytes;

/// What the original router had in etcd v2; the last one has a time to live.
const ORIGINAL: [(&str, &str); 8] = [
    ("/firehose/nginx/worker_processes", "2"),
    ("/firehose/nginx/server_name", "stream.example.com www.example.com"),
    ("/firehose/nginx/put_allow/office", "10.0.0.0/8"),
    ("/firehose/nginx/put_allow/deep/below", "192.0.2.7"),
    // A directory and an empty key in it, which is a network by its name.
    ("/firehose/nginx/put_allow/198.51.100.0/24", ""),
    ("/firehose/upstream/by-hand", "127.0.0.1:7474"),
    ("/firehose/instance/firehose-01", "running"),
    ("/firehose/upstream/kept-alive", "127.0.0.1:7475"),
];

/// Those that are to be in etcd v3 afterwards.
const COPIED: [&str; 6] = [
    "/firehose/nginx/put_allow/198.51.100.0/24",
    "/firehose/nginx/put_allow/deep/below",
    "/firehose/nginx/put_allow/office",
    "/firehose/nginx/server_name",
    "/firehose/nginx/worker_processes",
    "/firehose/upstream/by-hand",
];

fn value_of(key: &str) -> &'static str {
    ORIGINAL.iter().find(|(other, _)| *other == key).expect("a key").1
}

/// An etcd as the original router's, with its keys.
async fn original() -> Result<Etcd> {
    let mut etcd = Etcd::absent()?.with_arguments(&["--enable-v2"]);
    etcd.restart().await?;
    for (key, value) in ORIGINAL {
        let mut arguments = vec!["set", key, value];
        if key.ends_with("kept-alive") {
            arguments.extend(["--ttl", "600"]);
        }
        v2(&etcd, &arguments)?;
    }
    Ok(etcd)
}

/// The client that etcd v2 came with.
fn v2(etcd: &Etcd, arguments: &[&str]) -> Result<()> {
    let output = Command::new("etcdctl")
        .env("ETCDCTL_API", "2")
        .args(["--endpoints", &etcd.url()])
        .args(arguments)
        .output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Runs it to its end: the exit code, and what it has said.
async fn migrate(arguments: &[&str]) -> Result<(i32, String)> {
    let mut program = Program::start(&[&["migrate"], arguments].concat(), &[])?;
    let code = program.ended(SOON).await?;
    Ok((code, program.log()))
}

/// All keys below `/firehose/`, with their values.
async fn keys(etcd: &Etcd) -> Result<Vec<(String, String)>> {
    etcd.all_below("/firehose/").await
}

fn copied() -> Vec<(String, String)> {
    COPIED.iter().map(|key| ((*key).to_owned(), value_of(key).to_owned())).collect()
}

async fn publish(router: &Served) -> Result<u16> {
    Ok(router
        .connect()
        .await?
        .send(Method::PUT, "/channel", Bytes::from_static(b"news"))
        .await?
        .status)
}

#[tokio::test]
async fn v2_keys_are_shown_first_and_then_written_once() -> Result<()> {
    let (old, new) = (original().await?, Etcd::start().await?);
    let (from, to) = (old.url(), new.url());
    let sides = ["--from", &*from, "--to", &*to];
    let empty = new.revision().await?;
    let (code, said) = migrate(&sides).await?;
    assert_eq!(code, 0, "{said}");
    for words in [
        format!("from {from}, API v2"),
        format!("to   {to}, API v3"),
        "put     nginx/put_allow/office = \"10.0.0.0/8\"".to_owned(),
        "skip    upstream/kept-alive".to_owned(),
        "skip    instance/firehose-01".to_owned(),
        "6 to write, 0 there already".to_owned(),
        "nothing was written: run with --yes to write".to_owned(),
    ] {
        assert!(said.contains(&words), "{words:?} in {said}");
    }
    assert_eq!(new.revision().await?, empty, "something was written");

    let yes = [&sides[..], &["--yes"]].concat();
    let (code, said) = migrate(&yes).await?;
    assert!(
        code == 0 && said.contains("6 written") && said.contains("compared: 6 the same, 0 missing"),
        "{said}"
    );
    assert_eq!(keys(&new).await?, copied());
    let written = new.revision().await?;
    let (code, said) = migrate(&yes).await?;
    assert!(
        code == 0 && said.contains("0 to write, 6 there already") && said.contains("0 written"),
        "{said}"
    );
    assert_eq!(new.revision().await?, written, "something was written twice");

    // What has changed there since is somebody's, who is told of it.
    new.put("/firehose/nginx/worker_processes", "3").await?;
    new.delete("/firehose/nginx/put_allow/office").await?;
    let (code, said) = migrate(&yes).await?;
    assert!(
        code == 1 && said.contains("nginx/worker_processes = \"2\", there \"3\""),
        "{code}: {said}"
    );
    assert!(said.contains("1 written") && said.contains("1 with another value"), "{said}");
    let overwrite = [&yes[..], &["--overwrite"]].concat();
    let (code, said) = migrate(&overwrite).await?;
    assert!(code == 0 && said.contains("replace nginx/worker_processes"), "{said}");
    assert_eq!(keys(&new).await?, copied());
    Ok(())
}

/// What a PUT was before, it is after: who may publish goes with the rest.
#[tokio::test]
async fn migrated_router_lets_nobody_else_publish() -> Result<()> {
    let (old, new, node) = (original().await?, Etcd::start().await?, Node::start("node").await?);
    let (code, said) = migrate(&["--from", &old.url(), "--to", &new.url(), "--yes"]).await?;
    assert_eq!(code, 0, "{said}");
    new.delete("/firehose/upstream/by-hand").await?;
    new.register(std::slice::from_ref(&node)).await?;
    let router = Served::start(&new.url(), &[]).await?;
    router.wait_for_keys(&["node"]).await?;
    for _ in 0..8 {
        assert_eq!(publish(&router).await?, 403);
    }
    new.put("/firehose/nginx/put_allow/here", "127.0.0.0/8").await?;
    eventually(SOON, "a PUT from a network that is named", async || {
        let status = publish(&router).await?;
        ensure!(status == 200, "{status}");
        Ok(())
    })
    .await
}

/// v2's keys and v3's of the same etcd are two stores.
#[tokio::test]
async fn v2_keys_go_to_v3_of_the_same_etcd() -> Result<()> {
    let etcd = original().await?;
    let url = etcd.url();
    for _ in 0..2 {
        let (code, said) = migrate(&["--from", &url, "--to", &url, "--yes"]).await?;
        assert!(code == 0 && said.contains("API v2"), "{said}");
        assert_eq!(keys(&etcd).await?, copied());
    }
    let (code, said) =
        migrate(&["--from", &url, "--to", &url, "--from-api", "v3", "--yes"]).await?;
    assert!(code == 2 && said.contains("the same keys"), "{said}");
    Ok(())
}

#[tokio::test]
async fn v3_keys_go_to_another_etcd_or_below_another_prefix() -> Result<()> {
    let (old, new) = (Etcd::start().await?, Etcd::start().await?);
    // More than etcd takes in one transaction.
    let networks = (0..300).map(|number| {
        (
            format!("/firehose/nginx/put_allow/{number:03}"),
            format!("10.{}.{}.0/24", number / 256, number % 256),
        )
    });
    let networks: Vec<_> = networks.collect();
    old.put_all(networks.clone()).await?;
    let lease = old.grant(600).await?;
    old.put_with_lease("/firehose/upstream/announced", "127.0.0.1:1", lease).await?;
    let (from, to) = (old.url(), new.url());
    let (code, said) = migrate(&["--from", &from, "--to", &to, "--yes"]).await?;
    assert!(code == 0 && said.contains(&format!("from {from}, API v3")), "{said}");
    assert!(
        said.contains("skip    upstream/announced") && said.contains("compared: 300 the same"),
        "{said}"
    );
    assert_eq!(keys(&new).await?, networks);
    let (code, said) = migrate(&[
        "--from",
        &from,
        "--to",
        &from,
        "--from-prefix",
        "/firehose",
        "--prefix",
        "/other",
        "--yes",
    ])
    .await?;
    assert_eq!(code, 0, "{said}");
    assert_eq!(old.all_below("/other/nginx/put_allow/").await?.len(), 300);
    Ok(())
}

/// Who may publish by a key that goes by itself is not copied; then nobody says that not everybody
/// may.
#[tokio::test]
async fn move_that_opens_publishing_is_refused() -> Result<()> {
    let (old, new) = (Etcd::start().await?, Etcd::start().await?);
    old.put("/firehose/nginx/balance", "ip_hash").await?;
    old.put("/firehose/nginx/put_allow/", "").await?;
    let lease = old.grant(600).await?;
    old.put_with_lease("/firehose/nginx/put_allow/office", "10.0.0.0/8", lease).await?;
    // A directory's mark, which names nobody.
    new.put("/firehose/nginx/put_allow/", "10.0.0.0/8").await?;
    let (from, to) = (old.url(), new.url());
    let sides = ["--from", &*from, "--to", &*to];
    let before = new.revision().await?;
    for yes in [&[][..], &["--yes"]] {
        let (code, said) = migrate(&[&sides, yes].concat()).await?;
        assert_eq!(code, 1, "{said}");
        for words in [
            "skip    nginx/put_allow/office",
            "let everybody publish",
            "without a lease",
            "nothing was written",
        ] {
            assert!(said.contains(words), "{words:?} in {said}");
        }
    }
    assert_eq!(new.revision().await?, before, "something was written");
    new.put("/firehose/nginx/put_allow/office", "10.0.0.0/8").await?;
    let (code, said) = migrate(&[&sides[..], &["--yes"]].concat()).await?;
    assert!(code == 0 && said.contains("1 written"), "{code}: {said}");
    Ok(())
}

#[tokio::test]
async fn settings_that_the_router_refuses_are_named_and_directory_marks_skipped() -> Result<()> {
    let (old, new) = (Etcd::start().await?, Etcd::start().await?);
    for (key, value) in [
        ("nginx/", ""),
        ("nginx/accept_proxy", ""),
        ("nginx/put_allow/", "10.0.0.0/8"),
        ("nginx/put_allow/office", "10.0.0.0/8"),
        ("upstream/", ""),
        ("upstream/eu/", ""),
        ("upstream/eu/node", "10.0.0.1:80"),
    ] {
        old.put(format!("/firehose/{key}"), value).await?;
    }
    let (code, said) = migrate(&["--from", &old.url(), "--to", &new.url(), "--yes"]).await?;
    assert_eq!(code, 0, "{said}");
    for words in [
        "the router would reject it: the value is empty; delete the key to use the default\n",
        "skip    nginx/ = ",
        "skip    nginx/put_allow/ = \"10.0.0.0/8\": a directory marker, which names no \
         network",
        "skip    upstream/ = ",
        "skip    upstream/eu/ = ",
        "3 written",
    ] {
        assert!(said.contains(words), "{words:?} in {said}");
    }
    let written: Vec<_> = keys(&new).await?.into_iter().map(|(key, _)| key).collect();
    let expected = [
        "/firehose/nginx/accept_proxy",
        "/firehose/nginx/put_allow/office",
        "/firehose/upstream/eu/node",
    ];
    assert_eq!(written, expected);
    Ok(())
}

/// The commands in the document, as they stand there.
#[tokio::test]
async fn documented_script_does_the_same() -> Result<()> {
    let (old, new) = (original().await?, Etcd::start().await?);
    let document = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/tutorials/from-original-router.md"
    ))?;
    let script = document
        .split("```sh\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .ok_or("no script")?;
    let script =
        script.lines().filter(|line| !line.starts_with("old=") && !line.starts_with("new="));
    let script = script.collect::<Vec<_>>().join("\n");
    let run = || -> Result<String> {
        let output = Command::new("sh")
            .args(["-euc", &script])
            .envs([("old", old.url()), ("new", new.url())])
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    };
    run()?;
    let settings: Vec<_> =
        copied().into_iter().filter(|(key, _)| key.starts_with("/firehose/nginx/")).collect();
    assert_eq!(keys(&new).await?, settings);
    let (code, said) = migrate(&["--from", &old.url(), "--to", &new.url()]).await?;
    assert!(code == 0 && said.contains("1 to write, 5 there already"), "{said}");
    Ok(())
}
