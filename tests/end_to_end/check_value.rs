//! `firehose-router check-value`: what the module makes of a value, and the module itself.

use std::io::Write;
use std::process::{Command, Stdio};

use harness::*;

/// Runs it with a value at its standard input: its exit code, and both of its outputs.
fn check(arguments: &[&str], value: &[u8]) -> Result<(i32, String, String)> {
    let mut child = Command::new(firehose_router()?)
        .arg("check-value")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().ok_or("no input")?.write_all(value)?;
    let output = child.wait_with_output()?;
    let text = |bytes| String::from_utf8(bytes).map_err(|error| error.to_string());
    Ok((output.status.code().unwrap_or(-1), text(output.stdout)?, text(output.stderr)?))
}

/// Keys and values, some of which the module takes.
const VALUES: [(&str, &[u8]); 12] = [
    ("plain", b"10.0.0.7:80 weight=5 backup"),
    ("port", b"10.0.0.7:http"),
    ("parameter", b"10.0.0.7:80 wait=5"),
    ("json", b"{\"addr\":\"10.0.0.7:81\",\"weight\":7}"),
    ("field", b"{\"addr\":\"10.0.0.7:81\",\"wait\":7}"),
    ("bytes", b"10.0.0.7:80\xff"),
    ("empty", b""),
    ("upsync/10.0.0.7:82", b"{\"weight\":3,\"down\":1}"),
    ("deleted", b"{\"Op\":1,\"Addr\":\"10.0.0.7:83\"}"),
    ("escapes", b"\x1b[31m\n\xe2\x80\xae:80 x"),
    ("direction\u{202e}", b"10.0.0.7:84"),
    ("nodes", b"{\"nodes\":{\"10.0.0.7:85\":5,\"10.0.0.8:85\":0}}"),
];

#[tokio::test]
async fn it_says_what_the_module_says_of_each_value() -> Result<()> {
    let router = Router::start(1, 1).await?;
    for (name, value) in VALUES {
        router.etcd.put(key(name), value).await?;
    }
    let upstream = router.nginx.applied(router.etcd.revision().await?).await?;
    for (name, value) in VALUES {
        let name = key(name);
        let (code, output, error) = check(&["--key", &name, "-"], value)?;
        let shown = name.replace('\u{202e}', "\\u{202e}");
        let rejected = upstream.rejected.iter().find(|rejected| rejected.key == shown);
        match rejected {
            Some(rejected) => {
                assert_eq!((code, &*output), (1, ""), "{name}: {error}");
                assert!(error.ends_with(&format!("\" rejected: {}\n", rejected.reason)), "{error}");
                router.nginx.wait_for_log(error.trim_end()).await?;
            }
            None => assert_eq!((code, &*error), (0, ""), "{name}: {output}"),
        }
        let shown = output + &error;
        let steers = |character: char| character.is_control() && character != '\n';
        assert!(!shown.contains(steers) && !shown.contains('\u{202e}'), "{name}: {shown:?}");
        let (_, json, _) = check(&["--json", "--key", &name, "-"], value)?;
        let json: serde_json::Value = serde_json::from_str(&json)?;
        assert_eq!(json["valid"], rejected.is_none(), "{name}");
        for peer in json["peers"].as_array().into_iter().flatten() {
            let is_it = |other: &&Peer| peer["address"] == other.address.as_str();
            let other = upstream.peers.iter().find(is_it).ok_or_else(|| format!("no {peer}"))?;
            assert_eq!(peer["weight"], other.weight, "{name}");
            assert_eq!(peer["backup"], other.backup, "{name}");
            assert_eq!(peer["down"], other.down, "{name}");
            assert_eq!(peer["drain"], other.drain, "{name}");
        }
    }
    Ok(())
}

#[test]
fn words_are_a_value_and_flags_stand_for_directives() -> Result<()> {
    let (code, output, _) = check(&["10.0.0.7:80", "weight=5"], b"")?;
    assert!(code == 0 && output.contains("weight=5 max_conns=0"), "{output}");
    let (code, _, error) = check(&["--allow", "192.0.2.0/24", "10.0.0.7:80"], b"")?;
    assert!(code == 1 && error.contains("outside of \"etcd_allow\""), "{error}");
    let (code, output, _) = check(&["--defaults", "max_fails=7", "10.0.0.7:80"], b"")?;
    assert!(code == 0 && output.contains("max_fails=7"), "{output}");
    for wrong in [&["--allow", "x", "a:80"][..], &["--defaults", "x", "a:80"], &[]] {
        let (code, output, error) = check(wrong, b"")?;
        assert!(code == 2 && output.is_empty() && error.starts_with("error: "), "{error}");
    }
    let other = ["--key", "/services/app/tcp@10.0.0.7:80"];
    let (code, output, _) = check(&[&other[..], &["-"]].concat(), b"weight=5")?;
    assert!(
        code == 0 && output.contains("\"/services/app/tcp@10.0.0.7:80\": 1 address"),
        "{output}"
    );
    let (code, _, error) = check(&[&other[..], &["-"]].concat(), b"weight=-1&weight=70000")?;
    let shown = "key \"/services/app/tcp@10.0.0.7:80\" rejected: ";
    assert!(code == 1 && error.contains(shown), "{error}");
    let long = vec![b'{'; 70_000];
    let (code, _, error) = check(&["-"], &long)?;
    assert!(code == 1 && error.contains("the value is too long"), "{error}");
    Ok(())
}
