//! A real Chromium without a window, driven by its DevTools protocol.

mod connection;
mod tab;

pub use self::tab::Tab;

use std::fs::File;
use std::process::Command;

use serde_json::json;

use self::connection::Connection;
use crate::process::Process;
use crate::{Folder, Result, SOON, eventually};

/// Names of the program.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A running Chromium with a profile of its own.
#[derive(Debug)]
pub struct Browser {
    // Dropped in this order: it writes to its profile to the end.
    connection: Connection,
    _process: Process,
    _folder: Folder,
    port: u16,
}

impl Browser {
    /// Starts one, and waits until it answers.
    ///
    /// # Errors
    ///
    /// If there is none, or it does not start.
    pub async fn start() -> Result<Self> {
        let program = program()?;
        let folder = Folder::new("chromium")?;
        let output = File::create(folder.path().join("output.log"))?;
        let mut command = Command::new(program);
        command
            .args([
                "--headless=new",
                // Its sandbox is not for root, and in few containers; the pages are ours.
                "--no-sandbox",
                "--remote-debugging-port=0",
                "--no-first-run",
                "--disable-gpu",
                "--disable-extensions",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--force-color-profile=srgb",
                "--lang=en-US",
                "--window-size=1280,900",
            ])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .env("TZ", "UTC")
            .env("HOME", folder.path())
            .stdout(output.try_clone()?)
            .stderr(output);
        let mut process = Process::spawn(command.arg("about:blank"))?;
        let path = folder.path().join("profile/DevToolsActivePort");
        let log = || std::fs::read_to_string(folder.path().join("output.log")).unwrap_or_default();
        let found = eventually(SOON, "Chromium listens", async || {
            if let Some(status) = process.ended()? {
                return Ok(Err(format!("Chromium has ended ({status}): {}", log())));
            }
            let text = std::fs::read_to_string(&path)?;
            let (port, path) = text.trim().split_once('\n').ok_or("half a file")?;
            Ok(Ok((port.parse::<u16>()?, path.to_owned())))
        })
        .await?;
        let (port, path) = found?;
        let connection = Connection::open(&format!("127.0.0.1:{port}"), &path).await?;
        Ok(Self { connection, _process: process, _folder: folder, port })
    }

    /// Opens a tab, which is then the one that is seen.
    ///
    /// # Errors
    ///
    /// Those of the protocol.
    pub async fn tab(&self) -> Result<Tab> {
        let made =
            self.connection.call("Target.createTarget", json!({ "url": "about:blank" })).await?;
        let id = made["targetId"].as_str().ok_or("no target")?.to_owned();
        let address = format!("127.0.0.1:{}", self.port);
        let connection = Connection::open(&address, &format!("/devtools/page/{id}")).await?;
        Tab::of(connection).await
    }
}

fn program() -> Result<String> {
    if let Ok(program) = std::env::var("CHROMIUM") {
        return Ok(program);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = PROGRAMS
        .into_iter()
        .find(|name| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()));
    let found = found.ok_or("no Chromium: install Debian's chromium, or set CHROMIUM to one")?;
    Ok(found.to_owned())
}
