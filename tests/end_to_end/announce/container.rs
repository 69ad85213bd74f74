//! A node in a container: where it is, Docker's API says. Here that is a unix socket that answers
//! as Docker does.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use harness::*;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio_util::task::AbortOnDropHandle;

use super::{is_gone, value, value_is};

/// What Docker itself answers where there is no such container.
const NONE: &str = r#"{"message":"No such container: firehose-01"}"#;

/// Answers each request with what is set: first, that there is no such container.
struct FakeDocker {
    folder: Folder,
    url: String,
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// Whether it takes connections and answers none.
    hangs: Arc<AtomicBool>,
    task: Option<AbortOnDropHandle<()>>,
}

impl FakeDocker {
    fn start() -> Result<Self> {
        let folder = Folder::new("docker")?;
        let url = format!("unix://{}", folder.path().join("docker.sock").display());
        let answer = Arc::new(Mutex::new((404, NONE.to_owned())));
        let (asked, hangs) = (Arc::default(), Arc::default());
        let mut docker = Self { folder, url, answer, asked, hangs, task: None };
        docker.comes_back()?;
        Ok(docker)
    }

    /// It is being started again: there is nobody at its socket.
    fn goes_away(&mut self) -> Result<()> {
        self.task = None;
        Ok(std::fs::remove_file(self.folder.path().join("docker.sock"))?)
    }

    fn comes_back(&mut self) -> Result<()> {
        let listener = UnixListener::bind(self.folder.path().join("docker.sock"))?;
        let (answers, questions, hangs) =
            (Arc::clone(&self.answer), Arc::clone(&self.asked), Arc::clone(&self.hangs));
        let task = tokio::spawn(async move {
            let mut unanswered = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                if hangs.load(Relaxed) {
                    unanswered.push(stream);
                    continue;
                }
                let mut lines = BufReader::new(&mut stream).lines();
                if let Ok(Some(line)) = lines.next_line().await {
                    questions.lock().expect("no panic").push(line);
                }
                while lines
                    .next_line()
                    .await
                    .is_ok_and(|line| line.is_some_and(|line| !line.is_empty()))
                {}
                let (status, body) = answers.lock().expect("no panic").clone();
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nTransfer-Encoding: \
                     chunked\r\n\r\n"
                );
                let chunks = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
                let _ = stream.write_all(chunks.as_bytes()).await;
            }
        });
        self.task = Some(AbortOnDropHandle::new(task));
        Ok(())
    }

    fn answers(&self, status: u16, body: &str) {
        *self.answer.lock().expect("no panic") = (status, body.to_owned());
    }

    /// Answers with this status, and no word about the container.
    fn fails(&self, status: u16) {
        self.answers(status, "{}");
    }

    /// From now on the container runs, and publishes 7474 here.
    fn publishes(&self, host: &str, port: u16) {
        let body = format!(
            r#"{{"Id":"f00","Name":"/firehose-01","State":{{"Status":"running","Running":true}},
                "HostConfig":{{"NetworkMode":"default"}},"NetworkSettings":{{
                "Ports":{{"7474/tcp":[{{"HostIp":"{host}","HostPort":"{port}"}}]}},
                "Networks":{{"bridge":{{"IPAddress":"192.0.2.1"}}}}}}}}"#
        );
        self.answers(200, &body);
    }

    fn stops(&self) {
        self.answers(200, r#"{"State":{"Running":false},"NetworkSettings":{"Ports":{}}}"#);
    }
}

fn port_of(node: &Node) -> Result<u16> {
    Ok(node.address().to_string().rsplit_once(':').ok_or("no port")?.1.parse()?)
}

#[tokio::test]
async fn container_address_is_followed_while_it_starts_moves_and_stops() -> Result<()> {
    let (etcd, docker) = (Etcd::start().await?, FakeDocker::start()?);
    let nodes = [Node::start("one").await?, Node::start("two").await?];
    let url = etcd.url();
    let arguments = [
        "announce",
        "--key",
        "node",
        "--container",
        "firehose-01",
        "--ttl",
        "3",
        "--check-interval",
        "50ms",
        "--drain",
        "0",
    ];
    let variables = [
        ("ETCD_ENDPOINTS", &*url),
        ("DOCKER_HOST", &*docker.url),
        ("COREOS_PRIVATE_IPV4", "127.0.0.1"),
    ];
    let mut program = Program::start(&arguments, &variables)?;
    let said = program.wait_for_log("there is no container \"firehose-01\"").await?;
    assert!(said.contains("is not announced yet"), "{said}");
    // Published on all addresses: this host's is the one that was named.
    docker.publishes("0.0.0.0", port_of(&nodes[0])?);
    value_is(&etcd, &nodes[0].address().to_string()).await?;
    // Started anew, with another port.
    docker.publishes("0.0.0.0", port_of(&nodes[1])?);
    value_is(&etcd, &nodes[1].address().to_string()).await?;
    docker.stops();
    is_gone(&etcd, SOON).await?;
    let said = program.wait_for_log("the container \"firehose-01\" is not running").await?;
    assert!(said.contains("its container is gone"), "{said}");
    docker.publishes("127.0.0.1", port_of(&nodes[0])?);
    value_is(&etcd, &nodes[0].address().to_string()).await?;
    assert!(
        docker
            .asked
            .lock()
            .expect("no panic")
            .iter()
            .all(|line| line == "GET /containers/firehose-01/json HTTP/1.1")
    );
    program.signal(nix::sys::signal::Signal::SIGTERM)?;
    assert_eq!(program.ended(SOON).await?, 0);
    Ok(())
}

#[tokio::test]
async fn host_address_is_by_default_the_one_towards_etcd() -> Result<()> {
    let (etcd, docker, node) =
        (Etcd::start().await?, FakeDocker::start()?, Node::start("one").await?);
    docker.publishes("", port_of(&node)?);
    let (url, port) = (etcd.url(), "7474");
    let arguments = [
        "announce",
        "--key",
        "node",
        "--container",
        "firehose-01",
        "--port",
        port,
        "--docker-host",
        &docker.url,
        "--ttl",
        "3",
        "--check-interval",
        "50ms",
    ];
    let _program = Program::start(&arguments, &[("ETCD_ENDPOINTS", &url)])?;
    value_is(&etcd, &node.address().to_string()).await?;
    Ok(())
}

/// What keeps Docker from telling where the container is says nothing of the container: the node is
/// checked where it was, and that alone counts.
#[tokio::test]
async fn node_is_checked_where_it_was_while_docker_does_not_answer() -> Result<()> {
    let (etcd, mut docker, node) =
        (Etcd::start().await?, FakeDocker::start()?, Node::start("one").await?);
    docker.publishes("127.0.0.1", port_of(&node)?);
    let arguments =
        ["announce", "--key", "node", "--container", "firehose-01", "--ttl", "30", "--drain", "0"];
    let checks = [
        "--check",
        "http:///healthz",
        "--check-interval",
        "50ms",
        "--check-timeout",
        "2s",
        "--fall",
        "2",
    ];
    let url = etcd.url();
    let variables = [("ETCD_ENDPOINTS", &*url), ("DOCKER_HOST", &*docker.url)];
    let program = Program::start(&[&arguments[..], &checks].concat(), &variables)?;
    let address = node.address().to_string();
    let lease = value_is(&etcd, &address).await?;
    let stays = async || {
        let (checked, began) = (node.counts().health_checks, Instant::now());
        eventually(SOON, "the node is checked, and stays", async || {
            assert_eq!(value(&etcd).await?, Some((address.clone(), lease)), "{}", program.log());
            let more = node.counts().health_checks - checked;
            ensure!(more >= 5 && began.elapsed() > Duration::from_secs(2), "{more} checks");
            Ok(())
        })
        .await
    };
    let silent = async |times: usize| -> Result<()> {
        let text = "the node is checked where it was last";
        program.wait_for_log_lines(text, times).await?;
        ensure!(program.log_lines(text)[times - 1].contains(&address), "{}", program.log());
        Ok(())
    };
    let back = async |times| program.wait_for_log_lines("answers again", times).await;
    docker.goes_away()?;
    silent(1).await?;
    stays().await?;
    docker.comes_back()?;
    back(1).await?;
    docker.hangs.store(true, Relaxed);
    silent(2).await?;
    stays().await?;
    docker.hangs.store(false, Relaxed);
    back(2).await?;
    docker.fails(500);
    silent(3).await?;
    stays().await?;

    // Its own check still counts, and so does what Docker says of the container.
    node.set_health(503);
    is_gone(&etcd, SOON).await?;
    program.wait_for_log("the node does not answer: status 503").await?;
    node.set_health(200);
    value_is(&etcd, &address).await?;
    docker.stops();
    is_gone(&etcd, SOON).await?;
    // Where it was might be another's by now.
    docker.goes_away()?;
    let began = Instant::now();
    eventually(SOON, "nobody is announced", async || {
        assert_eq!(value(&etcd).await?, None);
        ensure!(began.elapsed() > Duration::from_secs(1), "{:?}", began.elapsed());
        Ok(())
    })
    .await
}

/// A container that runs can be without an address while Docker starts it, and a proxy before
/// Docker's socket has answers of its own.
#[tokio::test]
async fn node_is_removed_only_where_docker_says_so() -> Result<()> {
    let (etcd, docker, node) =
        (Etcd::start().await?, FakeDocker::start()?, Node::start("one").await?);
    let arguments =
        ["announce", "--key", "node", "--container", "firehose-01", "--ttl", "30", "--drain", "0"];
    let checks = [
        "--check",
        "http:///healthz",
        "--check-interval",
        "50ms",
        "--check-timeout",
        "4s",
        "--fall",
        "2",
    ];
    let url = etcd.url();
    let variables = [("ETCD_ENDPOINTS", &*url), ("DOCKER_HOST", &*docker.url)];
    let starting = r#"{"State":{"Running":true},"NetworkSettings":{"Ports":{},"Networks":{}}}"#;
    docker.answers(200, starting);
    let mut program = Program::start(&[&arguments[..], &checks].concat(), &variables)?;
    let said = program.wait_for_log("nor has an address of its own").await?;
    assert!(said.contains("is not announced yet"), "{said}");
    assert_eq!(value(&etcd).await?, None);

    let port = port_of(&node)?;
    let address = node.address().to_string();
    docker.publishes("127.0.0.1", port);
    let lease = value_is(&etcd, &address).await?;
    for (times, (status, body, word)) in [
        (404, "<html>404 Not Found</html>", "404 Not Found"),
        (404, r#"{"message":"page not found"}"#, "page not found"),
        (200, "<html>", "expected value"),
        (200, starting, "nor has an address of its own"),
        (
            200,
            r#"{"State":{"Running":true},"NetworkSettings":{
                "Ports":{"7474/tcp":null},"Networks":{"bridge":{"IPAddress":""}}}}"#,
            "nor has an address of its own",
        ),
        (
            200,
            r#"{"State":{"Running":true,"Restarting":true},"NetworkSettings":{
                "Networks":{"bridge":{"IPAddress":"192.0.2.1"}}}}"#,
            "is being restarted",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        docker.answers(status, body);
        let asked = || docker.asked.lock().expect("no panic").len();
        let before = asked();
        eventually(SOON, "it is asked again and again, and the node stays", async || {
            assert_eq!(
                value(&etcd).await?,
                Some((address.clone(), lease)),
                "{body}: {}",
                program.log()
            );
            ensure!(asked() > before + 10, "{} times", asked() - before);
            Ok(())
        })
        .await?;
        let lines = program.log_lines("the node is checked where it was last");
        assert!(lines.len() == times + 1 && lines[times].contains(word), "{word}: {lines:?}");
        docker.publishes("127.0.0.1", port);
        program.wait_for_log_lines("answers again", times + 1).await?;
    }

    // Its own check counts meanwhile.
    docker.answers(200, starting);
    node.set_health(503);
    is_gone(&etcd, SOON).await?;
    program.wait_for_log("the node does not answer: status 503").await?;
    node.set_health(200);
    value_is(&etcd, &address).await?;
    docker.answers(404, NONE);
    is_gone(&etcd, SOON).await?;
    let said = program.wait_for_log("there is no container \"firehose-01\"").await?;
    assert!(said.contains("its container is gone"), "{said}");
    program.signal(nix::sys::signal::Signal::SIGTERM)?;
    assert_eq!(program.ended(SOON).await?, 0);
    Ok(())
}
