//! What tests of `stream {}` need: nginx's own stream module, and nodes and clients that speak TCP
//! or UDP.

mod load;
mod router;
mod socat;
mod tcp_node;
mod tcp_session;
mod udp_client;
mod udp_node;

use std::path::{Path, PathBuf};
use std::process::Command;

pub use load::TcpLoad;
pub use router::{SESSIONS, StreamRouter, sessions, start_tcp_nodes, stream_server};
pub use socat::Socat;
pub use tcp_node::{NodeSession, TcpNode};
pub use tcp_session::{TcpSession, echo_each, ended_each, open_tcp};
pub use udp_client::UdpClient;
pub use udp_node::UdpNode;

use crate::configuration::nginx;
use crate::{Result, ensure};

/// When nginx's own stream module is loaded, before or after the module under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamModule {
    /// Before it.
    First,
    /// After it.
    Last,
    /// Not at all.
    Absent,
}

/// How the nginx under test has its stream module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// As a file, which `load_module` names.
    Dynamic(PathBuf),
    /// Within itself.
    Static,
    /// It has none.
    Absent,
}

/// How the nginx under test has its stream module.
///
/// # Errors
///
/// When nginx cannot be run.
pub fn stream_kind() -> Result<StreamKind> {
    let output = Command::new(nginx()?).env_remove("NGINX").arg("-V").output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let words: Vec<_> = said.split_whitespace().collect();
    if words.contains(&"--with-stream") {
        return Ok(StreamKind::Static);
    }
    if !words.contains(&"--with-stream=dynamic") {
        return Ok(StreamKind::Absent);
    }
    let value = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
    let folder = match (value("--modules-path="), value("--prefix=")) {
        (Some(folder), _) => PathBuf::from(folder),
        (None, prefix) => Path::new(prefix.unwrap_or("/usr/local/nginx")).join("modules"),
    };
    Ok(StreamKind::Dynamic(folder.join("ngx_stream_module.so")))
}

/// The line that loads nginx's stream module, empty where it is no file of its own.
pub(crate) fn load_stream() -> Result<String> {
    match stream_kind()? {
        StreamKind::Static => Ok(String::new()),
        StreamKind::Absent => Err("this nginx has no stream module".into()),
        StreamKind::Dynamic(file) => {
            let there = file.is_file();
            ensure!(there, "no {}: Debian's package is libnginx-mod-stream", file.display());
            Ok(format!("load_module {};\n", file.display()))
        }
    }
}
