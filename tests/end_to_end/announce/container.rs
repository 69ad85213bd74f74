//! A node in a container: where it is, Docker's API says. Here that is a unix socket that answers as Docker does.

use std::sync::{Arc, Mutex};

use harness::*;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio_util::task::AbortOnDropHandle;

use super::{is_gone, value_is};

/// Answers each request with what is set.
struct FakeDocker {
    _folder: Folder,
    url: String,
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<Mutex<Vec<String>>>,
    _task: AbortOnDropHandle<()>,
}

impl FakeDocker {
    fn start() -> Result<Self> {
        let folder = Folder::new("docker")?;
        let socket = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&socket)?;
        let (answer, asked) =
            (Arc::new(Mutex::new((404, String::new()))), Arc::<Mutex<Vec<String>>>::default());
        let (answers, questions) = (Arc::clone(&answer), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut lines = BufReader::new(&mut stream).lines();
                if let Ok(Some(line)) = lines.next_line().await {
                    questions.lock().expect("no panic").push(line);
                }
                while lines.next_line().await.is_ok_and(|line| line.is_some_and(|line| !line.is_empty())) {}
                let (status, body) = answers.lock().expect("no panic").clone();
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                );
                let chunks = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
                let _ = stream.write_all(chunks.as_bytes()).await;
            }
        });
        let url = format!("unix://{}", socket.display());
        Ok(Self { _folder: folder, url, answer, asked, _task: AbortOnDropHandle::new(task) })
    }

    /// From now on the container runs, and publishes 7474 here.
    fn publishes(&self, host: &str, port: u16) {
        let body = format!(
            r#"{{"Id":"f00","Name":"/firehose-01","State":{{"Status":"running","Running":true}},"HostConfig":{{"NetworkMode":"default"}},
                "NetworkSettings":{{"Ports":{{"7474/tcp":[{{"HostIp":"{host}","HostPort":"{port}"}}]}},"Networks":{{"bridge":{{"IPAddress":"192.0.2.1"}}}}}}}}"#
        );
        *self.answer.lock().expect("no panic") = (200, body);
    }

    fn stops(&self) {
        let body = r#"{"State":{"Running":false},"NetworkSettings":{"Ports":{}}}"#;
        *self.answer.lock().expect("no panic") = (200, body.to_owned());
    }
}

fn port_of(node: &Node) -> Result<u16> {
    Ok(node.address().to_string().rsplit_once(':').ok_or("no port")?.1.parse()?)
}

#[tokio::test]
async fn its_address_is_followed_while_it_starts_moves_and_stops() -> Result<()> {
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
    let variables =
        [("ETCD_ENDPOINTS", &*url), ("DOCKER_HOST", &*docker.url), ("COREOS_PRIVATE_IPV4", "127.0.0.1")];
    let mut program = Program::start(&arguments, &variables)?;
    let said = program.wait_for_log("there is no container \"firehose-01\"").await?;
    assert!(said.contains("does not answer yet"), "{said}");
    // Published on all addresses: this host's is the one that was named.
    docker.publishes("0.0.0.0", port_of(&nodes[0])?);
    value_is(&etcd, &nodes[0].address().to_string()).await?;
    // Started anew, with another port.
    docker.publishes("0.0.0.0", port_of(&nodes[1])?);
    value_is(&etcd, &nodes[1].address().to_string()).await?;
    docker.stops();
    is_gone(&etcd, SOON).await?;
    program.wait_for_log("the container \"firehose-01\" does not run").await?;
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
async fn without_a_word_this_hosts_address_is_the_one_towards_etcd() -> Result<()> {
    let (etcd, docker, node) = (Etcd::start().await?, FakeDocker::start()?, Node::start("one").await?);
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
