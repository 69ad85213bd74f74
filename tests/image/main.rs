//! The container image, on a Docker engine: what `make test-image` runs. `cargo test` leaves it
//! out, since there may be no engine.

mod fleet;
mod labels;

use std::time::{Duration, Instant};

use harness::*;
use nix::sys::signal::Signal;

/// How long a container may take to be what it is to be: Docker itself looks every 5 s whether it
/// is healthy.
const CONTAINER: Duration = Duration::from_secs(60);

/// etcd and a network that it is in.
struct Setting {
    // Dropped in this order: a network with somebody in it cannot be removed.
    etcd: Container,
    network: Network,
}

impl Setting {
    async fn start() -> Result<Self> {
        let network = Network::new("firehose-router-test")?;
        let etcd = Container::start(&[
            "--network",
            network.name(),
            "--network-alias",
            "etcd",
            &image("TEST_ETCD_IMAGE")?,
            "etcd",
            "--listen-client-urls=http://0.0.0.0:2379",
            "--advertise-client-urls=http://etcd:2379",
        ])?;
        let setting = Self { etcd, network };
        eventually(CONTAINER, "etcd answers", async || setting.etcdctl(&["endpoint", "health"]))
            .await?;
        Ok(setting)
    }

    fn etcdctl(&self, arguments: &[&str]) -> Result<String> {
        docker(&[&["exec", "-e", "ETCDCTL_API=3", self.etcd.id(), "etcdctl"], arguments].concat())
    }

    /// A router with nothing but the endpoints, and these arguments of Docker's.
    fn router(&self, more: &[&str]) -> Result<Container> {
        let image = image("TEST_IMAGE")?;
        let network = ["--network", self.network.name(), "-e", "ETCD_ENDPOINTS=http://etcd:2379"];
        Container::start(&[&network, more, &[&*image]].concat())
    }

    /// A node with its announcer, in a container of its own.
    fn node(&self, key: &str) -> Result<Container> {
        let image = image("TEST_NODE_IMAGE")?;
        let script = format!(
            "exec firehose-router announce --key {key} --addr :7474 --ttl 5 --drain 0 -- demo-node \
             --listen 0.0.0.0:7474 --name {key}"
        );
        Container::start(&[
            "--network",
            self.network.name(),
            "-e",
            "ETCD_ENDPOINTS=http://etcd:2379",
            "--entrypoint",
            "sh",
            &image,
            "-c",
            &script,
        ])
    }
}

async fn healthy(router: &Container) -> Result<()> {
    eventually(CONTAINER, "Docker finds it healthy", async || {
        let health = router.inspect("{{.State.Health.Status}}")?;
        ensure!(health == "healthy", "{health}: {}", router.log()?);
        Ok(())
    })
    .await
}

/// Waits until a node of this name answers through the router.
async fn routed(router: &Container, node: &str) -> Result<()> {
    let address = format!("{}:80", router.address()?);
    eventually(CONTAINER, &format!("{node} answers"), async || {
        let answer = get(&address, "/").await?;
        ensure!(
            answer.status == 200 && answer.node() == node,
            "{} {}",
            answer.status,
            answer.node()
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn with_nothing_but_endpoints_it_is_healthy_routes_and_is_not_root() -> Result<()> {
    let setting = Setting::start().await?;
    let router = setting.router(&[])?;
    healthy(&router).await?;
    let node = setting.node("node-1")?;
    routed(&router, "node-1").await?;
    assert_eq!(router.inspect("{{.Config.User}}")?, "101:101");
    let users = docker(&["exec", router.id(), "sh", "-c", "cat /proc/[0-9]*/status | grep ^Uid"])?;
    assert!(users.lines().all(|line| line.split_whitespace().nth(1) == Some("101")), "{users}");
    // No compiler.
    assert!(docker(&["exec", router.id(), "sh", "-c", "command -v cc gcc rustc cargo"]).is_err());
    // A setting, a node by hand, and one that is gone.
    setting.etcdctl(&["put", "/firehose/nginx/worker_processes", "2"])?;
    eventually(CONTAINER, "two workers", async || {
        let count = docker(&[
            "exec",
            router.id(),
            "sh",
            "-c",
            "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -c '[w]orker process'",
        ])?;
        ensure!(count == "2", "{count}");
        Ok(())
    })
    .await?;
    drop(node);
    let address = format!("{}:80", router.address()?);
    eventually(CONTAINER, "nobody is left", async || {
        ensure!(get(&address, "/").await?.status == 502, "somebody answers");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn docker_stop_ends_it_in_time_with_sessions_open() -> Result<()> {
    let setting = Setting::start().await?;
    let router = setting.router(&[])?;
    let _node = setting.node("node-1")?;
    routed(&router, "node-1").await?;
    let mut session = WebSocket::open(&format!("{}:80", router.address()?), "/ws").await?;
    session.echo("open").await?;
    let began = Instant::now();
    docker(&["stop", router.id()])?;
    let took = began.elapsed();
    println!("docker stop took {took:?} with a session open");
    // Docker kills after ten seconds; nobody had to be killed.
    assert_eq!(router.inspect("{{.State.ExitCode}}")?, "0", "{}", router.log()?);
    assert!(!router.log()?.contains("SIGKILL"));
    Ok(())
}

#[tokio::test]
async fn a_read_only_root_and_any_user_will_do() -> Result<()> {
    let setting = Setting::start().await?;
    let _node = setting.node("node-1")?;
    for more in [
        &["--read-only"][..],
        &["--read-only", "--tmpfs", "/run", "--tmpfs", "/var/lib/firehose-router"],
        &[
            "--read-only",
            "--user",
            "12345:12345",
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
        ],
        &["--user", "0:0"],
    ] {
        let router = setting.router(more)?;
        healthy(&router).await?;
        routed(&router, "node-1").await?;
        assert_eq!(docker(&["exec", router.id(), "firehose-router", "healthcheck"])?, "ok");
    }
    Ok(())
}

#[tokio::test]
async fn a_start_without_etcd_is_a_start() -> Result<()> {
    let setting = Setting::start().await?;
    let router = setting.router(&["-e", "ETCD_ENDPOINTS=http://no-such-etcd:2379"])?;
    healthy(&router).await?;
    assert!(router.log()?.contains("nginx starts with the defaults"), "{}", router.log()?);
    Ok(())
}

#[tokio::test]
async fn an_announcer_finds_a_containers_address_with_docker() -> Result<()> {
    let setting = Setting::start().await?;
    let node_image = image("TEST_NODE_IMAGE")?;
    let node = [
        "--publish",
        "127.0.0.1::7474",
        "--entrypoint",
        "demo-node",
        &node_image,
        "--listen",
        "0.0.0.0:7474",
        "--name",
        "node-1",
    ];
    let node = Container::start(&node)?;
    let port =
        node.inspect("{{(index (index .NetworkSettings.Ports \"7474/tcp\") 0).HostPort}}")?;
    let endpoint = format!("http://{}:2379", setting.etcd.address()?);
    let docker_host =
        std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let arguments = [
        "announce",
        "--key",
        "node-1",
        "--container",
        node.id(),
        "--ttl",
        "5",
        "--check-interval",
        "200ms",
        "--drain",
        "0",
    ];
    let variables = [("ETCD_ENDPOINTS", &*endpoint), ("DOCKER_HOST", &*docker_host)];
    let mut program = Program::start(&arguments, &variables)?;
    let value =
        async || setting.etcdctl(&["get", "--print-value-only", "/firehose/upstream/node-1"]);
    eventually(CONTAINER, "its address is announced", async || {
        let value = value().await?;
        ensure!(value == format!("127.0.0.1:{port}"), "{value:?}");
        Ok(())
    })
    .await?;
    // Another start gives it another port.
    docker(&["restart", "-t", "0", node.id()])?;
    let port =
        node.inspect("{{(index (index .NetworkSettings.Ports \"7474/tcp\") 0).HostPort}}")?;
    eventually(CONTAINER, "its new address is announced", async || {
        let value = value().await?;
        ensure!(value == format!("127.0.0.1:{port}"), "{value:?}");
        Ok(())
    })
    .await?;
    docker(&["stop", "-t", "0", node.id()])?;
    eventually(CONTAINER, "it is gone", async || {
        let value = value().await?;
        ensure!(value.is_empty(), "{value:?}");
        Ok(())
    })
    .await?;
    program.signal(Signal::SIGTERM)?;
    assert_eq!(program.ended(SOON).await?, 0);
    Ok(())
}
