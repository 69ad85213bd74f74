//! Behind etcd's grpc-proxy.

use std::process::{Child, Command, Stdio};

use etcd_watch::{Cause, Update};

use crate::etcd::{Etcd, free_port};
use crate::followed::{Followed, PREFIX, cluster, key};

/// One that is ended with the value.
pub struct Proxy {
    child: Child,
    port: u16,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Proxy {
    pub fn start(etcd: &Etcd) -> Self {
        let port = free_port();
        let child = Command::new("etcd")
            .args(["grpc-proxy", "start", "--endpoints", &format!("127.0.0.1:{}", etcd.port)])
            .args(["--listen-addr", &format!("127.0.0.1:{port}")])
            // Newer ones end if they cannot reach themselves there.
            .args(["--advertise-client-url", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd is installed");
        Self { child, port }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// It answers reads, and no progress requests: that is said, and nothing is listed again for it.
#[tokio::test]
async fn it_is_followed_without_a_resync() {
    let etcd = Etcd::start().await;
    let mut kv = etcd.kv().await;
    kv.put(key("a"), "1", None).await.expect("a put");
    let proxy = Proxy::start(&etcd);
    let mut followed = Followed::start(&cluster(&[proxy.url()]), PREFIX);
    // It may not listen yet at the first attempt.
    followed.until_alive().await;
    let (lists, losses) = (followed.causes.len(), followed.losses.len());
    // The store moves on, so that it is to be compared.
    kv.put("/elsewhere", "1", None).await.expect("a put");
    followed.until(|update| matches!(update, Update::Noted { .. })).await;
    for number in 0..4 {
        kv.put(key("b"), number.to_string(), None).await.expect("a put");
        kv.delete(key("b"), None).await.expect("a deletion");
        kv.put(key("a"), number.to_string(), None).await.expect("a put");
        followed.until_exact(&etcd).await;
        followed.until_alive().await;
    }
    assert_eq!(
        (followed.causes.len(), followed.losses.len()),
        (lists, losses),
        "{:?}",
        followed.losses
    );
    assert!(
        matches!(followed.causes[..], [Cause::Start | Cause::Unreachable]),
        "{:?}",
        followed.causes
    );
    let [note] = &followed.notes[..] else { panic!("{:?}", followed.notes) };
    assert!(note.contains("grpc-proxy"), "{note}");
}
