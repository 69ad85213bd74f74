//! What a check sends, as nginx's configuration has it: nginx reads some escapes before the module.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::task::AbortOnDropHandle;

use super::*;

/// Answers each client "ok", and gives what it has sent until then.
async fn listener() -> Result<(String, UnboundedReceiver<Vec<u8>>, AbortOnDropHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let (sender, receiver) = unbounded_channel();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            // All that a check sends comes at once.
            if let Ok(1..) = stream.read_buf(&mut bytes).await {
                let _ = stream.write_all(b"ok").await;
                let _ = sender.send(bytes);
            }
        }
    });
    Ok((address, receiver, AbortOnDropHandle::new(task)))
}

#[tokio::test]
async fn bytes_are_sent_as_the_configuration_says() -> Result<()> {
    let cases: [(&str, &[u8]); 9] = [
        ("send=PING", b"PING\r\n"),
        (r"send=PING\n", b"PING\n"),
        (r#""send=PING\r\n""#, b"PING\r\n"),
        (r#""send=a\tb \"c\" 'd'""#, b"a\tb \"c\" 'd'\r\n"),
        (r"'send=a;{'", b"a;{\r\n"),
        (r"send=a\x5Cb", b"a\\b\r\n"),
        (r"send=a\\\\b", b"a\\b\r\n"),
        (r"send=a\\nb", b"a\nb\r\n"),
        (r"send=\x00\xFF\x0d", b"\x00\xff\r"),
    ];
    let etcd = Etcd::start().await?;
    let mut configuration =
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("", ""));
    let mut listeners = Vec::new();
    for (number, (send, _)) in cases.iter().enumerate() {
        let (address, receiver, task) = listener().await?;
        configuration = configuration.http(&format!(
            "upstream u{number} {{ etcd main /u{number}/; server {address};
                etcd_check tcp {send} expect=ok interval=50ms timeout=10s; }}"
        ));
        listeners.push((receiver, task));
    }
    let nginx = Nginx::start(configuration).await?;
    for ((receiver, _task), (send, bytes)) in listeners.iter_mut().zip(cases) {
        let sent = tokio::time::timeout(SOON, receiver.recv()).await?.ok_or("no check")?;
        assert_eq!(sent, bytes, "{send}");
    }
    nginx.check_log()
}
