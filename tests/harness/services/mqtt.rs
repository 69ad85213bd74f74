//! MQTT: Mosquitto's broker and its clients.

use std::fs::File;
use std::process::Command;

use nix::sys::signal::Signal;
use tokio::net::TcpStream;

use super::unprivileged::as_nobody;
use crate::process::Process;
use crate::{Folder, Result, SOON, ensure, eventually, free_port};

/// A broker that anybody may use.
#[derive(Debug)]
pub struct Broker {
    process: Process,
    port: u16,
    folder: Folder,
}

impl Broker {
    /// Starts one, and waits until it accepts connections.
    ///
    /// # Errors
    ///
    /// When there is no `mosquitto`, or it does not run soon.
    pub async fn start() -> Result<Self> {
        let (folder, port) = (Folder::new("mosquitto")?, free_port()?);
        let file = folder.write(
            "mosquitto.conf",
            &format!(
                "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n\
                 log_dest stderr\n"
            ),
        )?;
        let log = File::create(folder.path().join("mosquitto.log"))?;
        let mut command = Command::new("mosquitto");
        as_nobody(&mut command, folder.path())?;
        command.arg("-c").arg(file).stdout(log.try_clone()?).stderr(log);
        // An ordinary user does not have it in the path.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin"));
        let mut broker = Self { process: Process::spawn(&mut command)?, port, folder };
        let runs = eventually(SOON, "Mosquitto listens", async || {
            if broker.process.ended()?.is_some() {
                return Ok(false);
            }
            TcpStream::connect(broker.address()).await?;
            Ok(true)
        })
        .await?;
        ensure!(runs, "Mosquitto has ended: {}", broker.log());
        Ok(broker)
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("mosquitto.log")).unwrap_or_default()
    }

    /// Waits until it has logged that a client has connected.
    ///
    /// # Errors
    ///
    /// When it does not soon.
    pub async fn wait_for_client(&self, id: &str) -> Result<()> {
        eventually(SOON, &format!("{id} is connected"), async || {
            let log = self.log();
            ensure!(log.contains(&format!(" as {id} ")), "{log}");
            Ok(())
        })
        .await
    }
}

/// A device that subscribes to a topic, and connects again when its session ends.
#[derive(Debug)]
pub struct Subscriber {
    process: Process,
    folder: Folder,
}

impl Subscriber {
    /// Starts one with this name and an address of its own of the loopback interface.
    ///
    /// # Errors
    ///
    /// When there is no `mosquitto_sub`.
    pub fn start(address: &str, own: &str, id: &str, topic: &str) -> Result<Self> {
        let folder = Folder::new("mosquitto-sub")?;
        let output = File::create(folder.path().join("messages"))?;
        let mut command = client("mosquitto_sub", address, own)?;
        command.args(["-i", id, "-q", "1", "-t", topic]).stdout(output.try_clone()?).stderr(output);
        Ok(Self { process: Process::spawn(&mut command)?, folder })
    }

    /// The messages that it has, one a line.
    pub fn messages(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("messages")).unwrap_or_default()
    }

    /// Ends it as a person would.
    ///
    /// # Errors
    ///
    /// When it does not end soon.
    pub async fn stop(mut self) -> Result<()> {
        self.process.signal(Signal::SIGINT)?;
        self.process.wait(SOON).await?;
        Ok(())
    }
}

/// Publishes a message from an address of the loopback interface, and waits until the broker has
/// it.
///
/// # Errors
///
/// What `mosquitto_pub` says.
pub async fn publish(address: &str, own: &str, topic: &str, message: &str) -> Result<()> {
    let folder = Folder::new("mosquitto-pub")?;
    let said = folder.path().join("said");
    let output = File::create(&said)?;
    let mut command = client("mosquitto_pub", address, own)?;
    command
        .args(["-q", "1", "-t", topic, "-m", message])
        .stdout(output.try_clone()?)
        .stderr(output);
    let status = Process::spawn(&mut command)?.wait(SOON).await?;
    ensure!(status.success(), "mosquitto_pub: {status}: {}", std::fs::read_to_string(said)?);
    Ok(())
}

/// A client that connects from its own address to `HOST:PORT`.
fn client(program: &str, address: &str, own: &str) -> Result<Command> {
    let (host, port) = address.split_once(':').ok_or("no port")?;
    let mut command = Command::new(program);
    command.args(["-h", host, "-p", port, "-A", own]);
    Ok(command)
}
