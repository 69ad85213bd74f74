//! Certificates by name: a client that speaks TLS gets the one of the name that it asks for, as
//! etcd has it now, and it is nowhere but in memory.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Command, Stdio},
};

use harness::*;

use super::with_map;

/// A client's handshake, by OpenSSL's own program, and the certificate that it got, in PEM.
async fn handshake(port: u16, name: &str, authority: &Path) -> Result<String> {
    let mut client = Command::new("openssl");
    client
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-servername", name])
        .args(["-verify_return_error", "-verify_hostname", name])
        .arg("-CAfile")
        .arg(authority)
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || client.output()).await??;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let certificate = text.split_once(begin).and_then(|(_, rest)| rest.split_once(end));
    match certificate {
        Some((body, _)) if output.status.success() => Ok(format!("{begin}{body}{end}")),
        _ => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}

/// Waits until clients that ask for this name get this certificate.
async fn shows(port: u16, name: &str, certificate: &Certificate, authority: &Path) -> Result<()> {
    eventually(SOON, &format!("{name} has its certificate"), async || {
        let found = handshake(port, name, authority).await?;
        ensure!(found.trim() == certificate.certificate.trim(), "another one: {found}");
        Ok(())
    })
    .await
}

/// Puts a certificate with its key, as one value.
async fn put(etcd: &Etcd, name: &str, certificate: &Certificate) -> Result<i64> {
    etcd.put(format!("/certs/{name}"), format!("{}{}", certificate.certificate, certificate.key))
        .await
}

/// A line of a key that stands nowhere else.
fn line_of(certificate: &Certificate) -> Result<String> {
    Ok(certificate.key.lines().nth(1).ok_or("a key of one line")?.to_owned())
}

/// The files below a folder in which this text is.
fn files_with(folder: &Path, text: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let kind = path.symlink_metadata()?;
        if kind.is_dir() {
            found.extend(files_with(&path, text)?);
        } else if kind.is_file() && kind.size() > 0 {
            let bytes = fs::read(&path)?;
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    Ok(found)
}

#[tokio::test]
async fn certificates_come_by_name_and_are_replaced_without_a_reload() -> Result<()> {
    let (etcd, port) = (Etcd::start().await?, free_port()?);
    let authority = Authority::new("authority of the test")?;
    let of = |name: &str| authority.certificate(&[name]);
    let one = of("one.example.com")?;
    put(&etcd, "one.example.com", &one).await?;
    let configuration = with_map(
        &etcd,
        "etcd_map $ssl_server_name $cert main /certs/ secret hostnames max_length=16k zone=256k;",
    )
    .http(&format!(
        "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate data:$cert; \
         ssl_certificate_key data:$cert; return 200 hello; }}"
    ));
    let nginx = Nginx::start(configuration).await?;
    let file = nginx.folder().write("authority.pem", authority.pem())?;
    shows(port, "one.example.com", &one, &file).await?;
    // Another name, and one that a mask has.
    let two = of("two.example.com")?;
    put(&etcd, "two.example.com", &two).await?;
    let wild = of("*.example.org")?;
    put(&etcd, "*.example.org", &wild).await?;
    shows(port, "two.example.com", &two, &file).await?;
    shows(port, "any.example.org", &wild, &file).await?;
    shows(port, "ONE.example.com", &one, &file).await?;
    assert!(handshake(port, "three.example.com", &file).await.is_err());
    // It is replaced; what is no text stays out.
    let workers = nginx.workers()?;
    let renewed = of("one.example.com")?;
    put(&etcd, "one.example.com", &renewed).await?;
    shows(port, "one.example.com", &renewed, &file).await?;
    let mut malformed = format!("{}{}", renewed.certificate, renewed.key).into_bytes();
    malformed.push(0);
    etcd.put("/certs/one.example.com", malformed).await?;
    let line = nginx.wait_for_log("key \"/certs/one.example.com\" rejected").await?;
    assert!(line.contains("control character"), "{line}");
    shows(port, "one.example.com", &renewed, &file).await?;
    // Without one there is no handshake.
    etcd.delete("/certs/two.example.com").await?;
    eventually(SOON, "it is gone", async || {
        ensure!(handshake(port, "two.example.com", &file).await.is_err(), "it is there");
        Ok(())
    })
    .await?;
    assert_eq!(nginx.workers()?, workers);

    // Nothing that nginx has written or shows has any of the keys.
    let mut shown = nginx.get("/etcd").await?.text();
    shown += &nginx.get("/etcd?format=prometheus").await?.text();
    shown += &nginx.get("/etcd?format=html").await?.text();
    assert!(shown.contains("$cert"), "{shown}");
    for certificate in [&one, &two, &wild, &renewed] {
        let line = line_of(certificate)?;
        assert!(!shown.contains(&line), "the status shows a key");
        let files = files_with(nginx.folder().path(), &line)?;
        assert!(files.is_empty(), "keys are in {files:?}");
    }
    assert_eq!(zone_is_in_dumps(nginx.workers()?[0])?, Some(false));
    Ok(())
}

/// Whether the memory of the smallest shared mapping that has `CERTIFICATE` in it is in core dumps;
/// `None` where there is no such.
fn zone_is_in_dumps(process: i32) -> Result<Option<bool>> {
    use std::os::unix::fs::FileExt;
    let maps = fs::read_to_string(format!("/proc/{process}/smaps"))?;
    let memory = fs::File::open(format!("/proc/{process}/mem"))?;
    let mut range = None;
    let mut found = None;
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        let bounds = first.split_once('-').and_then(|(from, to)| {
            let number = |text| u64::from_str_radix(text, 16).ok();
            Some((number(from)?, number(to)?))
        });
        if let (Some(bounds), Some(permissions)) = (bounds, words.next()) {
            range = Some(bounds).filter(|_| permissions == "rw-s");
        } else if let (Some(flags), Some((from, to))) = (line.strip_prefix("VmFlags:"), range) {
            let mut bytes = vec![0; (to - from) as usize];
            if memory.read_exact_at(&mut bytes, from).is_ok()
                && bytes.windows(11).any(|window| window == b"CERTIFICATE")
            {
                let is_in_dumps = !flags.split_whitespace().any(|flag| flag == "dd");
                found = Some(found.unwrap_or(false) || is_in_dumps);
            }
        }
    }
    Ok(found)
}
