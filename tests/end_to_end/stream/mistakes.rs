//! Mistakes that are of both blocks together; the others are in `configuration_mistakes`.

use harness::*;

/// The last error of `nginx -t`, of what stands in `http {}` and in `stream {}`.
fn said(http: &str, stream: &str) -> Result<String> {
    let configuration = Configuration::new()
        .main(&cluster("main", "http://127.0.0.1:2379"))
        .http(&format!("upstream {UPSTREAM} {{ server 127.0.0.1:9; }} {http}"))
        .stream(stream);
    let output = Nginx::test(&configuration)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "{http}, {stream}: {said}");
    let lines: Vec<_> = said.lines().filter(|line| line.contains("[emerg]")).collect();
    ensure!(lines.len() == 1, "{said}");
    Ok(lines[0].to_owned())
}

#[tokio::test]
async fn what_both_blocks_have_must_be_the_same_in_both() -> Result<()> {
    const OTHER: &str = " with other parameters";
    let inside = "etcd_cluster inside { endpoint http://127.0.0.1:2379; }";
    for (http, stream, words) in [
        (
            "upstream a { etcd main /p/; }",
            "upstream a { etcd main /q/; }",
            &["duplicate upstream \"a\"", "\"stream\"", "\"http\"", "it was specified earlier in"]
                [..],
        ),
        (
            "etcd_variable $a main /k;",
            "etcd_variable $a main /l;",
            &["duplicate variable name \"$a\" in \"etcd_variable\" directive", OTHER],
        ),
        (
            "etcd_variable $a main /k type=time;",
            "etcd_variable $a main /k;",
            &["conflicting type \"text\" of key \"/k\"", "it is of type \"time\""],
        ),
        (
            "etcd_geo $a main /k/;",
            "etcd_geo $a main /l/;",
            &["duplicate variable name \"$a\" in \"etcd_geo\" directive", OTHER],
        ),
        (inside, inside, &["duplicate cluster \"inside\"", "it was specified earlier in"]),
    ] {
        let said = said(http, stream)?;
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
    Ok(())
}

/// A name means one thing where etcd is asked; nginx's own upstreams may share theirs as ever. What
/// a block defines, the other may use.
#[tokio::test]
async fn what_is_of_one_block_alone_does_not_disturb_the_other() -> Result<()> {
    let inside = "etcd_cluster inside { endpoint http://127.0.0.1:2379; }";
    for (http, stream) in [
        ("upstream a { etcd main /p/; }", "upstream a { server 127.0.0.1:9; }"),
        ("upstream a { server 127.0.0.1:9; }", "upstream a { etcd main /p/; }"),
        ("etcd_variable $a main /k;", "etcd_variable $a main /k;"),
        ("etcd_variable $a main /k;", "etcd_variable $b main /k;"),
        ("etcd_geo $a main /k/;", "etcd_geo $a main /k/;"),
        (inside, "upstream a { etcd inside /p/; }"),
        ("upstream a { etcd inside /p/; }", inside),
    ] {
        let configuration = Configuration::new()
            .main(&cluster("main", "http://127.0.0.1:2379"))
            .http(&format!("upstream {UPSTREAM} {{ server 127.0.0.1:9; }} {http}"))
            .stream(stream);
        let output = Nginx::test(&configuration)?;
        assert!(output.status.success(), "{http}, {stream}: {output:?}");
    }
    Ok(())
}
