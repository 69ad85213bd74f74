//! Log servers that are named: they are optional, and a name server that is silent must not keep
//! anybody waiting.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use harness::*;
use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use tokio::net::{UdpSocket, UnixDatagram};

use super::setting;

/// A name that no name server knows.
const NAME: &str = "logs.internal";

/// Becomes the program behind these words, for which /etc/hosts and /etc/resolv.conf are two files
/// of the folder; `None` where that takes rights that the tests do not have.
fn with_names(folder: &Path) -> Result<Option<Vec<String>>> {
    if !geteuid().is_root() {
        println!(
            "skipped: only root can have files of his own in place of /etc/hosts and \
             /etc/resolv.conf"
        );
        return Ok(None);
    }
    let file = |name: &str| folder.join(name).display().to_string();
    let script = "mount --bind \"$1\" /etc/hosts && mount --bind \"$2\" /etc/resolv.conf && \
                  shift 2 && exec \"$@\"";
    let words =
        ["unshare", "--mount", "sh", "-c", script, "sh", &file("hosts"), &file("resolv.conf")];
    Ok(Some(words.map(str::to_owned).to_vec()))
}

/// A name server that takes questions and does not answer.
async fn silent_name_server() -> Result<(UdpSocket, String)> {
    for last in 2..250 {
        let address = format!("127.0.53.{last}");
        if let Ok(socket) = UdpSocket::bind((address.as_str(), 53)).await {
            return Ok((socket, address));
        }
    }
    Err("no address for a name server".into())
}

/// As long as a resolver may wait: longer than any test.
const PATIENT: &str = "options timeout:30 attempts:5";

#[tokio::test]
async fn silent_name_server_delays_no_start_and_no_change() -> Result<()> {
    let files = Folder::new("names")?;
    let Some(by) = with_names(files.path())? else { return Ok(()) };
    let (questions, address) = silent_name_server().await?;
    files.write("hosts", "127.0.0.1 localhost\n")?;
    files.write("resolv.conf", &format!("nameserver {address}\n{PATIENT}\n"))?;
    let etcd = Etcd::start().await?;
    etcd.put(setting("syslog_endpoint"), format!("{NAME}:514")).await?;
    etcd.put(setting("worker_processes"), "2").await?;
    let by: Vec<&str> = by.iter().map(String::as_str).collect();
    let log = format!("syslog:server={NAME},tag=router");
    let mut router =
        Served::start_by(&by, Folder::new("serve")?, &etcd.url(), &["--access-log", &log]).await?;
    assert!(questions.try_recv(&mut [0; 512]).is_ok(), "nobody has asked for the name");
    router.wait_for_line("worker_processes 2;").await?;
    let lines = router.program.log_lines(&setting("syslog_endpoint"));
    assert!(lines.len() == 1 && lines[0].contains("cannot be resolved"), "{lines:?}");
    router.program.wait_for_log(&format!("--access-log: \"{NAME}\" cannot be resolved")).await?;
    etcd.put(setting("worker_processes"), "3").await?;
    router.wait_for_line("worker_processes 3;").await?;
    assert!(!router.configuration()?.contains("syslog:"), "{}", router.configuration()?);
    assert_eq!(router.end(Signal::SIGTERM).await?, 0);
    Ok(())
}

#[tokio::test]
async fn log_server_is_used_as_soon_as_its_name_resolves() -> Result<()> {
    let files = Folder::new("names")?;
    let Some(by) = with_names(files.path())? else { return Ok(()) };
    let hosts = files.write("hosts", "127.0.0.1 localhost\n")?;
    // Nobody is there: each question is refused at once.
    files.write("resolv.conf", "nameserver 127.0.53.1\n")?;
    let server = UdpSocket::bind("127.0.0.1:0").await?;
    let port = server.local_addr()?.port();
    let etcd = Etcd::start().await?;
    etcd.put(setting("syslog_endpoint"), format!("{NAME}:{port}")).await?;
    let by: Vec<&str> = by.iter().map(String::as_str).collect();
    let router = Served::start_by(&by, Folder::new("serve")?, &etcd.url(), &[]).await?;
    router.program.wait_for_log("cannot be resolved").await?;
    std::fs::write(hosts, format!("127.0.0.1 localhost\n127.0.0.1 {NAME}\n"))?;
    router
        .wait_for_line(&format!(
            "error_log syslog:server=127.0.0.1:{port},tag=firehose_router notice;"
        ))
        .await?;
    router
        .program
        .wait_for_log(&format!("nginx has reloaded: syslog_endpoint {NAME}:{port}"))
        .await?;
    let mut datagram = [0; 2048];
    let received = async {
        loop {
            router.get("/syslog-test").await?;
            if let Ok(received) =
                tokio::time::timeout(Duration::from_millis(100), server.recv(&mut datagram)).await
            {
                return Result::<usize>::Ok(received?);
            }
        }
    };
    let length = tokio::time::timeout(SOON, received).await??;
    assert!(String::from_utf8_lossy(&datagram[..length]).contains("firehose_router"));
    router.program.wait_for_log_lines(&setting("syslog_endpoint"), 1).await?;
    Ok(())
}

/// nginx would say with each line that it cannot connect, and not to what.
#[tokio::test]
async fn missing_log_socket_is_logged_once_and_used_when_it_is_there() -> Result<()> {
    let (etcd, folder) = (Etcd::start().await?, Folder::new("log-socket")?);
    let path = folder.path().join("log");
    let server = format!("unix:{}", path.display());
    let router = Served::start(&etcd.url(), &[]).await?;
    etcd.put(setting("syslog_endpoint"), &*server).await?;
    let line = router.program.wait_for_log(&setting("syslog_endpoint")).await?;
    let words = format!("no process listens at \"{server}\"");
    assert!(line.contains("rejected for now") && line.contains(&words), "{line}");
    assert_eq!(router.get("/").await?.status, 502);
    assert!(!router.configuration()?.contains(&server));
    let socket = UnixDatagram::bind(&path)?;
    // nginx's workers are somebody else.
    for (file, mode) in [(folder.path(), 0o755), (&*path, 0o777)] {
        std::fs::set_permissions(file, Permissions::from_mode(mode))?;
    }
    router
        .wait_for_line(&format!("error_log syslog:server={server},tag=firehose_router notice;"))
        .await?;
    router.program.wait_for_log_lines(&setting("syslog_endpoint"), 1).await?;
    eventually(SOON, "a request is logged there", async || {
        router.get("/").await?;
        let mut line = [0; 4096];
        let length = socket.try_recv(&mut line)?;
        ensure!(
            line[..length].windows(5).any(|word| word == b"GET /"),
            "{}",
            line[..length].escape_ascii()
        );
        Ok(())
    })
    .await?;
    assert!(!router.program.log().contains("connect() failed"), "{}", router.program.log());
    Ok(())
}
