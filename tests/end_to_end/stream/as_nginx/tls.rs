//! TLS to the peers, and its sessions.

use harness::*;

use crate::stream::source::{Route, SOURCES};

#[tokio::test]
async fn tls_session_of_a_peer_is_resumed() -> Result<()> {
    let certificate = Authority::new("stream")?.certificate(&["node.internal"])?;
    for source in SOURCES {
        let (one, two) = (free_port()?, free_port()?);
        let peers = [format!("127.0.0.1:{one}"), format!("127.0.0.1:{two}")];
        let peers = || peers.iter().map(|address| (address.clone(), ""));
        let routes = [
            Route::new("kept", "", peers()).server("proxy_ssl on; proxy_ssl_session_reuse on;"),
            Route::new("fresh", "", peers()).server("proxy_ssl on; proxy_ssl_session_reuse off;"),
        ];
        let further = [one, two].map(|port| {
            format!(
                "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate tls/node.pem;
                 ssl_certificate_key tls/node.key; ssl_protocols TLSv1.2;
                 ssl_session_cache builtin; return '$ssl_session_reused\\n'; }}"
            )
        });
        let folder = Folder::new("stream-tls")?;
        folder.write("node.pem", &certificate.certificate)?;
        folder.write("node.key", &certificate.key)?;
        let further = further.concat().replace("tls/", &format!("{}/", folder.path().display()));
        let rig = source.start(&routes, &further).await?;
        // Each peer once, and once more.
        let expected = [".", ".", "r", "r"];
        assert_eq!(rig.ask("kept", 4).await?, expected, "{source:?}");
        assert_eq!(rig.ask("fresh", 4).await?, ["."; 4], "{source:?}");
        rig.nginx.check_log()?;
    }
    Ok(())
}
