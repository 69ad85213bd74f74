//! Answers as `etcd_status` does, of a scene.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use harness::Result;
use status_document::{Format, JsonWriter, Query};
use status_page::{CONTENT_TYPE, PageWriter, headers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::scene::Scene;

/// A server that answers by a scene.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    scene: Arc<Mutex<Scene>>,
    advances: bool,
    task: JoinHandle<()>,
    manner: Arc<Mutex<Manner>>,
}

/// How requests for figures are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As they should be.
    Right,
    /// Connections are taken, and nothing is said.
    Silent,
    /// With this status and text.
    Refused(&'static str, &'static str),
}

impl Server {
    /// Starts one; with `advances` a second of the scene passes with each answer in JSON.
    ///
    /// # Errors
    ///
    /// Those of listening.
    pub async fn start(scene: Scene, advances: bool) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let scene = Arc::new(Mutex::new(scene));
        let manner = Arc::new(Mutex::new(Manner::Right));
        let task =
            tokio::spawn(listen(listener, Arc::clone(&scene), advances, Arc::clone(&manner)));
        Ok(Self { address, scene, advances, task, manner })
    }

    /// Listens no more.
    pub async fn stop(&mut self) {
        self.task.abort();
        // Its end is that it was aborted.
        let _ = (&mut self.task).await;
    }

    /// Listens again where it did.
    ///
    /// # Errors
    ///
    /// If somebody else does by now.
    pub async fn resume(&mut self) -> Result<()> {
        let listener = TcpListener::bind(self.address).await?;
        let (scene, manner) = (Arc::clone(&self.scene), Arc::clone(&self.manner));
        self.task = tokio::spawn(listen(listener, scene, self.advances, manner));
        Ok(())
    }

    /// The address of the page.
    pub fn page(&self) -> String {
        format!("http://{}/deep/below/status?format=html", self.address)
    }

    /// Requests for figures are answered like this from now on.
    pub fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// What is shown.
    pub fn scene(&self) -> MutexGuard<'_, Scene> {
        self.scene.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn listen(
    listener: TcpListener,
    scene: Arc<Mutex<Scene>>,
    advances: bool,
    manner: Arc<Mutex<Manner>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (scene, manner) = (Arc::clone(&scene), Arc::clone(&manner));
        tokio::spawn(async move {
            // A browser that goes away is no failure.
            let _ = serve(stream, &scene, advances, &manner).await;
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    scene: &Mutex<Scene>,
    advances: bool,
    manner: &Mutex<Manner>,
) -> Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let text = String::from_utf8(request)?;
    let target = text.split(' ').nth(1).ok_or("no target")?;
    let (path, arguments) = target.split_once('?').unwrap_or((target, ""));
    let manner = *manner.lock().unwrap_or_else(PoisonError::into_inner);
    if manner == Manner::Silent {
        // Until the browser gives up.
        stream.read_buf(&mut Vec::new()).await?;
        return Ok(());
    }
    let (status, kind, body) = if let Manner::Refused(status, text) = manner {
        (status, "text/plain", text.as_bytes().to_vec())
    } else if path.trim_start_matches('/') != "deep/below/status" {
        ("404 Not Found", "text/plain", path.to_owned().into_bytes())
    } else {
        match Query::parse(arguments.as_bytes()) {
            Err(error) => ("400 Bad Request", "text/plain", error.to_string().into_bytes()),
            Ok(query) => {
                let mut scene = scene.lock().unwrap_or_else(PoisonError::into_inner);
                let (kind, body) = answer(&mut scene, &query, advances);
                ("200 OK", kind, body)
            }
        }
    };
    let mut head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n",
        body.len()
    );
    for (name, value) in headers() {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    Ok(())
}

fn answer(scene: &mut Scene, query: &Query, advances: bool) -> (&'static str, Vec<u8>) {
    let has_rows = !query.leaves_out_peers;
    if query.format == Some(Format::Html) {
        let mut page = PageWriter::new(has_rows).naming_peers(!query.peers.is_empty());
        return (CONTENT_TYPE, scene.write(&mut page, query));
    }
    if advances && query.peers.is_empty() {
        let second = scene.head.time - crate::scene::BEGIN;
        let wave = (second / 40.0).sin() * 14.0 + (second / 7.0).sin() * 3.0;
        scene.advance((48.0 + wave) as u64);
    }
    ("application/json", scene.write(&mut JsonWriter::new(has_rows), query))
}
