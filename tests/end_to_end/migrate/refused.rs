//! Moves that cannot be made: what is said, and by the flags of which side.

use harness::*;

use super::{keys, migrate, original};

#[tokio::test]
async fn errors_name_the_side_that_they_are_on() -> Result<()> {
    let (old, new, closed) = (original().await?, Etcd::start().await?, ClosedPort::reserve()?);
    let nobody = format!("http://{}", closed.address());
    let (from, to) = (old.url(), new.url());
    for (arguments, code, words) in [
        // It has no v2 keys to give: whoever forgot to say so to etcd is told.
        (["--from", &*to, "--to", &*from], 1, &["--from", &*to, "--enable-v2"][..]),
        (["--from", &nobody, "--to", &to], 1, &["--from", &nobody]),
        (["--from", &from, "--to", &nobody], 1, &["--to", &nobody]),
        (["--from", "ftp://x", "--to", &to], 2, &["--from", "ftp://x"]),
        (["--from", &from, "--to", "ftp://x"], 2, &["--to", "ftp://x"]),
    ] {
        let (ended, said) = migrate(&arguments).await?;
        assert_eq!(ended, code, "{arguments:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{word} in {said}");
        }
    }
    new.put("/firehose/nginx/balance", "ip_hash").await?;
    old.put("/firehose/nginx/balance", "ip_hash").await?;
    let (code, said) = migrate(&["--from", &from, "--to", &to]).await?;
    assert!(code == 1 && said.contains("--from-api"), "{said}");
    Ok(())
}

/// A mistyped prefix or the wrong one of two stores: the target would have no settings, so that
/// everybody may publish.
#[tokio::test]
async fn nothing_to_copy_is_an_error() -> Result<()> {
    let (old, new) = (original().await?, Etcd::start().await?);
    // Not a setting, but what has one below it.
    old.put("/deep/firehose/nginx/balance", "ip_hash").await?;
    let (from, to) = (old.url(), new.url());
    for (arguments, words) in [
        (
            &["--from-prefix", "/nope"][..],
            &["/nope/nginx/", "API v2 or in API v3", "--from-prefix"][..],
        ),
        (
            &["--from-api", "v3"],
            &["/firehose/nginx/", "in API v3;", "--from-api v2", "--from-prefix"],
        ),
        (
            &["--from-prefix", "/nope", "--from-api", "v2"],
            &["/nope/nginx/", "in API v2;", "--from-api v3", "--from-prefix"],
        ),
        (
            &["--from-prefix", "/deep"],
            &["/deep/nginx/", "1 other keys", "firehose/nginx/balance", "--from-prefix"],
        ),
    ] {
        for yes in [&[][..], &["--yes"]] {
            let (code, said) =
                migrate(&[&["--from", &*from, "--to", &*to], arguments, yes].concat()).await?;
            assert_eq!(code, 1, "{arguments:?}: {said}");
            for word in words {
                assert!(said.contains(word), "{word:?} in {said}");
            }
        }
    }
    assert_eq!(keys(&new).await?, []);
    Ok(())
}

#[tokio::test]
async fn source_that_is_the_target_is_refused() -> Result<()> {
    let etcd = Etcd::start().await?;
    etcd.put("/firehose/nginx/balance", "ip_hash").await?;
    let url = etcd.url();
    for to in [url.clone(), format!("{url}/"), format!("http://127.0.0.1:1,{url}")] {
        let (code, said) = migrate(&["--from", &url, "--to", &to]).await?;
        assert!(
            code == 2 && said.contains("the same keys") && said.contains("--enable-v2"),
            "{code}: {said}"
        );
    }
    Ok(())
}

/// As an etcd behind a network that drops every packet: whoever waits is told for whom.
#[tokio::test]
async fn silent_source_is_given_up_as_soon_as_a_silent_target() -> Result<()> {
    let (old, new) = (original().await?, Etcd::start().await?);
    let silent = Link::to(&old.address()).await?;
    silent.silence();
    for (from, to, side) in [(silent.url(), new.url(), "--from"), (old.url(), silent.url(), "--to")]
    {
        let began = Stopwatch::start();
        let (code, said) = migrate(&["--from", &from, "--to", &to]).await?;
        assert!(code == 1 && said.contains(&format!("{side} {}", silent.url())), "{code}: {said}");
        // Of the source in API v2 HTTP's client tells, of the other one etcd's.
        let is_told = ["no answer within 2s", "does not answer"].iter().any(|it| said.contains(it));
        assert!(is_told, "{said}");
        assert!(began.elapsed() < std::time::Duration::from_secs(8), "{:?}", began.elapsed());
    }
    Ok(())
}

/// What is to be set are the flags of the side that it is about.
#[tokio::test]
async fn error_of_etcd_names_the_flags_of_its_side() -> Result<()> {
    let mut closed = Etcd::absent()?.with_arguments(&["--bcrypt-cost", "4"]);
    closed.restart().await?;
    closed.add_user("router", "s3cret", "/firehose/").await?;
    closed.ask_for_users().await?;
    let (open, folder, nobody) =
        (original().await?, Folder::new("migrate")?, ClosedPort::reserve()?);
    let (secured, from) = (closed.url(), open.url());
    let wrong = folder.write("password", "wr0ng")?.display().to_string();
    let nobody = format!("http://{}", nobody.address());
    for (arguments, words) in [
        (
            &["--from", &*secured, "--from-api", "v3", "--to", &*from][..],
            &["set --from-user and --from-password-file"][..],
        ),
        (&["--from", &from, "--to", &secured], &["set --etcd-user and --etcd-password-file"]),
        (
            &[
                "--from",
                &from,
                "--to",
                &secured,
                "--etcd-user",
                "router",
                "--etcd-password-file",
                &wrong,
            ],
            &["--etcd-password-file", "/password"],
        ),
        (&["--from", &nobody, "--from-api", "v3", "--to", &from], &["correct --from"]),
        (&["--from", &from, "--to", &nobody], &["correct --to"]),
        (
            &[
                "--from",
                &from,
                "--to",
                &nobody,
                "--from-user",
                "x",
                "--from-password-file",
                "/nowhere",
            ],
            &["--from-password-file \"/nowhere\" cannot be read"],
        ),
    ] {
        let (code, said) = migrate(arguments).await?;
        assert_eq!(code, 1, "{arguments:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{word:?} in {said}");
        }
        for word in ["\"endpoint\"", "\"user\"", " password_file", "nginx's master"] {
            assert!(!said.contains(word), "{word:?} in {said}");
        }
    }
    Ok(())
}
