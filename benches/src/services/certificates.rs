//! What a handshake takes with a certificate that is looked up by the name of the host, beside
//! certificates in files.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use harness::{
    Configuration, Etcd, Folder, Mode, Nginx, Result, UPSTREAM, cluster, ensure, eventually,
    free_port,
};

use super::rounds::DEADLINE;
use crate::plan::Plan;
use crate::table::Table;
use crate::throughput::time_of;

/// The prefix of the certificates.
const PREFIX: &str = "/certificates/";
/// The host.
const HOST: &str = "host.example";
/// Certificates of other hosts.
const OTHERS: usize = 1_000;
/// Handshakes before they are measured.
const WARM_UP: usize = 10;
/// Kinds of keys, with openssl's options for one.
const KINDS: [(&str, &[&str]); 2] = [
    ("ECDSA P-256", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("RSA 2048", &["-newkey", "rsa:2048"]),
];

/// A certificate and its key in PEM, in this order.
fn pem(options: &[&str], folder: &Path) -> Result<String> {
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-nodes", "-days", "1"]).args(options);
    command.args([
        "-subj",
        &format!("/CN={HOST}"),
        "-addext",
        &format!("subjectAltName=DNS:{HOST}"),
    ]);
    command.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
    let output = command.output()?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(std::fs::read_to_string(certificate)? + &std::fs::read_to_string(key)?)
}

/// A handshake, without a session of one before.
fn shake_hands(port: u16) -> Result<()> {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-servername", HOST, "-brief"])
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(said.contains("CONNECTION ESTABLISHED"), "no handshake: {said}");
    Ok(())
}

/// The processor time of a handshake with the server on this port, in microseconds.
fn time(worker: i32, port: u16, count: usize) -> Result<f64> {
    (0..WARM_UP).try_for_each(|_| shake_hands(port))?;
    let before = time_of(worker)?;
    (0..count).try_for_each(|_| shake_hands(port))?;
    Ok((time_of(worker)? - before).as_secs_f64() * 1e6 / count as f64)
}

/// Measures with each kind of keys.
///
/// # Errors
///
/// Where something could not be measured.
pub async fn measure(plan: &Plan) -> Result<Table> {
    let title = format!(
        "A handshake without a session, one certificate of {} (µs of processor of the worker)",
        OTHERS + 1
    );
    let columns = ["one file", "a file by name", "data: by name"];
    let mut table = Table::new(&title, columns);
    for (kind, options) in KINDS {
        let folder = Folder::new("certificates")?;
        let pem = pem(options, folder.path())?;
        let file = folder.write(&format!("{HOST}.pem"), &pem)?;
        // A worker reads the file by name as its own user.
        set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        set_permissions(&file, Permissions::from_mode(0o644))?;
        let etcd = Etcd::start().await?;
        let host = |number: usize| match number {
            0 => HOST.to_owned(),
            _ => format!("host-{number}.example"),
        };
        etcd.put_all((0..=OTHERS).map(|number| (PREFIX.to_owned() + &host(number), pem.clone())))
            .await?;
        let ports = [free_port()?, free_port()?, free_port()?];
        let by_name = folder.path().join("$ssl_server_name.pem").display().to_string();
        let sources = [file.display().to_string(), by_name, "data:$certificate".to_owned()];
        let mut http = format!(
            "etcd_map $ssl_server_name $certificate main {PREFIX} secret max_length=8k zone=32m;
            upstream {UPSTREAM} {{ server 127.0.0.1:1; }}\n"
        );
        for (port, source) in ports.iter().zip(&sources) {
            http += &format!(
                "server {{
                    listen 127.0.0.1:{port} ssl; return 204;
                    ssl_certificate {source}; ssl_certificate_key {source};
                }}\n"
            );
        }
        let configuration = Configuration::new()
            .mode(Mode::Foreground)
            .workers(1)
            .http(&cluster("main", &etcd.url()))
            .http(&http);
        let nginx = Nginx::start(configuration).await?;
        eventually(DEADLINE, "the certificates", async || shake_hands(ports[2])).await?;
        let worker = *nginx.workers()?.first().ok_or("no worker")?;
        let times: Vec<f64> =
            ports.iter().map(|&port| time(worker, port, plan.handshakes)).collect::<Result<_>>()?;
        let figure = |at: usize| format!("{:.0}", times[at]);
        table.row(kind, figure(0), figure(1), figure(2));
        nginx.check_log()?;
    }
    Ok(table)
}
