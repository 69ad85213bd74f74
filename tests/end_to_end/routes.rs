//! `firehose-router routes`: keys of an `etcd_map` in a real etcd, with an nginx that follows them.

mod access;
mod following;
mod lists;
mod secrets;

use harness::*;

/// The prefix that the command has if nobody names another one.
const ROUTES: &str = "/routes/";

/// Runs it to its end: the exit code, and what it has said on both outputs.
async fn routes(etcd: &str, arguments: &[&str]) -> Result<(i32, String)> {
    with(&[("ETCD_ENDPOINTS", etcd)], arguments).await
}

/// The same with variables.
async fn with(variables: &[(&str, &str)], arguments: &[&str]) -> Result<(i32, String)> {
    let mut program = Program::start(&[&["routes"], arguments].concat(), variables)?;
    let code = program.ended(SOON * 3).await?;
    Ok((code, program.log()))
}

/// The same with a text at standard input.
async fn with_input(etcd: &str, arguments: &[&str], input: &str) -> Result<(i32, String)> {
    let folder = Folder::new("input")?;
    let file = folder.write("input", input)?.display().to_string();
    let by = ["sh", "-c", "input=$1; shift; exec \"$@\" <\"$input\"", "sh", &file];
    let arguments = [&["routes"], arguments].concat();
    let mut program = Program::start_by(&by, &arguments, &[("ETCD_ENDPOINTS", etcd)])?;
    let code = program.ended(SOON * 3).await?;
    Ok((code, program.log()))
}

/// Runs it, and checks that it has succeeded.
async fn done(etcd: &Etcd, arguments: &[&str]) -> Result<String> {
    let (code, said) = routes(&etcd.url(), arguments).await?;
    ensure!(code == 0, "{arguments:?}: {code}: {said}");
    Ok(said)
}

/// Runs it, and checks that it has failed with these words and has written nothing.
async fn refused(etcd: &Etcd, arguments: &[&str], words: &str) -> Result<()> {
    fails(etcd, arguments, 1, words).await
}

/// The same with this exit code.
async fn fails(etcd: &Etcd, arguments: &[&str], expected: i32, words: &str) -> Result<()> {
    let before = etcd.revision().await?;
    let (code, said) = routes(&etcd.url(), arguments).await?;
    ensure!(code == expected && said.contains(words), "{arguments:?}: {code}: {said}");
    ensure!(etcd.revision().await? == before, "{arguments:?}: something was written");
    Ok(())
}

/// The value of a key.
async fn value(etcd: &Etcd, name: &str) -> Result<Option<String>> {
    Ok(etcd.look_up(&format!("{ROUTES}{name}")).await?.map(|(value, _)| value))
}

#[tokio::test]
async fn keys_are_written_changed_and_removed() -> Result<()> {
    let etcd = Etcd::start().await?;
    let (code, said) = routes(&etcd.url(), &["list"]).await?;
    assert_eq!((code, said.trim()), (0, "there is no key below \"/routes/\""));
    assert_eq!(done(&etcd, &["list", "--json"]).await?.trim(), "[]");

    let said = done(&etcd, &["set", "shop.example.com", "web-v1"]).await?;
    let words = "key \"/routes/shop.example.com\" is added with the value \"web-v1\", revision ";
    assert!(said.starts_with(words), "{said}");
    let said = done(&etcd, &["set", "/routes/shop.example.com", "web-v1", "80,", "v2"]).await?;
    assert!(said.contains("is changed from \"web-v1\" to \"web-v1 80, v2\", revision "), "{said}");
    assert!(said.contains("with --split this command checks it"), "{said}");
    assert_eq!(value(&etcd, "shop.example.com").await?.as_deref(), Some("web-v1 80, v2"));
    let said = done(&etcd, &["set", "*.example.com", "web"]).await?;
    assert!(said.contains("with --hostnames this command checks it"), "{said}");
    let revision = etcd.revision().await?;
    let said = done(&etcd, &["set", "shop.example.com", "web-v1 80, v2", "--split"]).await?;
    assert_eq!(
        said.trim(),
        "key \"/routes/shop.example.com\" has the value \"web-v1 80, v2\" already"
    );
    assert_eq!(etcd.revision().await?, revision);

    let said = done(&etcd, &["remove", "shop.example.com"]).await?;
    assert!(said.contains("is removed, its value was \"web-v1 80, v2\", revision "), "{said}");
    assert_eq!(value(&etcd, "shop.example.com").await?, None);
    refused(&etcd, &["remove", "shop.example.com"], "see \"firehose-router routes list\"").await
}

#[tokio::test]
async fn an_existing_key_stays_if_that_is_asked_for() -> Result<()> {
    let etcd = Etcd::start().await?;
    done(&etcd, &["set", "a", "one", "--if-absent"]).await?;
    refused(&etcd, &["set", "a", "two", "--if-absent"], "omit --if-absent to change it").await?;
    // As it should be.
    done(&etcd, &["set", "a", "one", "--if-absent"]).await?;
    assert_eq!(value(&etcd, "a").await?.as_deref(), Some("one"));

    let mut programs = Vec::new();
    for number in 0..5 {
        let value = number.to_string();
        let arguments = ["routes", "set", "b", &value, "--if-absent"];
        programs.push(Program::start(&arguments, &[("ETCD_ENDPOINTS", &*etcd.url())])?);
    }
    let mut winners = Vec::new();
    for (number, program) in programs.iter_mut().enumerate() {
        match program.ended(SOON).await? {
            0 => winners.push(number.to_string()),
            code => assert!(code == 1 && program.log().contains("exists"), "{}", program.log()),
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(value(&etcd, "b").await?, winners.pop());
    Ok(())
}

#[tokio::test]
async fn wrong_flags_and_names_are_refused_by_name() -> Result<()> {
    let etcd = Etcd::start().await?;
    for (arguments, words) in [
        (&["set", "/other/a", "web"][..], "see --routes"),
        (&["set", "a"], "<VALUE>"),
        (&["set", "a", "web", "--max-length", "2m"], "from 1 to 1m"),
        (&["list", "--routes", "/"], "besides slashes"),
        (&["list", "--secret", "--services", "/services/"], "cannot be used with"),
        (&["list", "--prefix", "/firehose"], "--prefix"),
        (&[], "list"),
    ] {
        fails(&etcd, arguments, 2, words).await?;
    }
    Ok(())
}
