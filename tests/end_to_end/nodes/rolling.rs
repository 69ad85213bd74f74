//! The script of docs/how-to/roll-a-fleet.md, as it stands there.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use harness::*;

use super::value;

/// The script, with the status of this router.
fn script(url: &str) -> Result<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/how-to/roll-a-fleet.md");
    let page = std::fs::read_to_string(page)?;
    let begin = page.find("```bash\n#!").ok_or("no script")? + "```bash\n".len();
    let length = page[begin..].find("```").ok_or("no end")?;
    let text = &page[begin..begin + length];
    let example = "http://127.0.0.1:8080/etcd";
    ensure!(text.contains(example), "{text}");
    Ok(text.replace(example, url))
}

#[tokio::test]
async fn the_script_of_the_page_rolls_every_node() -> Result<()> {
    let router = Router::with(3, |etcd| {
        Configuration::new()
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("", "etcd_drain timeout=200ms spread=200ms;"))
    })
    .await?;
    let _sessions = Fleet::open(&router.nginx.address(), "/ws", 6).await?;
    let folder = Folder::new("roll")?;
    // Whoever replaces a node: here nobody does, and it is written down.
    let ssh = folder.write("ssh", "#!/bin/sh\necho \"replaced $1\"\n")?;
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755))?;
    std::os::unix::fs::symlink(firehose_router()?, folder.path().join("firehose-router"))?;
    let path = std::env::var("PATH")?;
    let mut rolling = Command::new("bash");
    rolling
        .args(["-c", &script(&format!("http://{}/etcd", router.nginx.address()))?])
        .env("PATH", format!("{}:{path}", folder.path().display()))
        .env("ETCD_ENDPOINTS", router.etcd.url())
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || rolling.output()).await??;
    let (said, error) =
        (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{said}{error}");
    let mut from = 0;
    for node in &router.nodes {
        for line in [
            format!("node \"{}\" has no open connection", node.name()),
            format!("replaced {}", node.name()),
            format!("{}: in service", node.name()),
        ] {
            let at = said[from..].find(&line).ok_or_else(|| format!("no {line:?}: {said}"))?;
            from += at;
        }
        let value = value(&router.etcd, node.name()).await?;
        assert_eq!(value, Some(node.address().to_string()));
    }
    router.nginx.check_log()
}
