//! Connections to peers with TLS.

use harness::*;

use super::{certificate, keeping};

#[tokio::test]
async fn connections_with_tls_are_kept() -> Result<()> {
    let (etcd, folder) = (Etcd::start().await?, Folder::new("tls")?);
    let (private, certificate) = certificate(&folder)?;
    let location = "location /tls { proxy_pass https://firehose; proxy_http_version 1.1; \
                    proxy_set_header Connection \"\"; }";
    for (parameters, expected) in [("8", 1), ("8 requests=4", 3), ("8 timeout=1ms", 12)] {
        // The worker of the round before may not have ended yet.
        let port = free_port()?;
        // nginx is its own node here: it numbers its connections.
        let node = format!(
            "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate};
                ssl_certificate_key {private};
                location / {{ add_header X-Connection $connection; return 200; }} }}"
        );
        let nginx = Nginx::start(keeping(&etcd, parameters).http(&node).server(location)).await?;
        nginx.applied(etcd.put(key("tls"), format!("127.0.0.1:{port}")).await?).await?;
        let mut connections = Vec::new();
        for _ in 0..12 {
            let answer = nginx.get("/tls").await?;
            ensure!(answer.status == 200, "{answer:?}");
            connections.push(answer.header("x-connection").to_owned());
        }
        connections.dedup();
        if parameters.contains("timeout") {
            // A millisecond may be long enough for the next request.
            assert!(connections.len() <= expected, "{parameters}: {connections:?}");
        } else {
            assert_eq!(connections.len(), expected, "{parameters}: {connections:?}");
        }
        nginx.reload().await?;
        eventually(SOON, "the old worker has gone", async || {
            ensure!(nginx.old_workers()?.is_empty(), "{:?}", nginx.old_workers()?);
            Ok(())
        })
        .await?;
        assert_eq!(nginx.get("/tls").await?.status, 200);
        nginx.check_log()?;
    }
    Ok(())
}
