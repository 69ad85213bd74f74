//! `etcd_map` in `stream`.

use harness::*;

use super::route;

async fn says(address: &str, expected: &str) -> Result<()> {
    eventually(SOON, &format!("a session says {expected}"), async || {
        let heard = TcpSession::open(address).await?;
        ensure!(heard.node() == expected, "{}", heard.node());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn sessions_get_the_value_of_the_key_that_they_name() -> Result<()> {
    let (etcd, answer, choice) = (Etcd::start().await?, free_port()?, free_port()?);
    let nodes = start_tcp_nodes(2).await?;
    etcd.put("/blue/x", nodes[0].address()).await?;
    etcd.put("/green/x", nodes[1].address()).await?;
    let configuration = StreamRouter::without_server(&etcd)
        .stream("etcd_map $remote_addr $color main /routes/ default=blue;")
        .stream("etcd_map port-$server_port $split main /splits/ split=$remote_addr volatile;")
        .stream("etcd_map $b $a main /a/; etcd_map $a $b main /b/;")
        .stream("upstream blue { etcd main /blue/; } upstream green { etcd main /green/; }")
        .stream(&stream_server(answer, "", "return '$color $split\\n';"))
        .stream(&stream_server(choice, "", "proxy_pass $color;"))
        .stream(&stream_server(free_port()?, "", "return '$a';"));
    let nginx = Nginx::start(configuration).await?;
    let port = answer;
    let [answer, choice] = [answer, choice].map(|port| format!("127.0.0.1:{port}"));
    says(&answer, "blue ").await?;
    says(&choice, "n0").await?;
    etcd.put(route("127.0.0.1"), "green").await?;
    etcd.put(format!("/splits/port-{port}"), "web-v1 0, web-v2 1").await?;
    says(&answer, "green web-v2").await?;
    says(&choice, "n1").await?;
    etcd.delete(&route("127.0.0.1")).await?;
    etcd.put(format!("/splits/port-{port}"), "web-v1 1, web-v2 0").await?;
    says(&answer, "blue web-v1").await?;
    says(&choice, "n0").await?;
    nginx.check_log()
}

#[tokio::test]
async fn a_circle_in_stream_is_an_error_as_nginx_says_it() -> Result<()> {
    let (etcd, port) = (Etcd::start().await?, free_port()?);
    let configuration = StreamRouter::without_server(&etcd)
        .stream("etcd_map $b $a main /a/; etcd_map $a $b main /b/;")
        .stream(&stream_server(port, "", "return '$a';"));
    let nginx = Nginx::start(configuration).await?;
    assert!(TcpSession::open(&format!("127.0.0.1:{port}")).await.is_err());
    nginx.wait_for_log("cycle while evaluating variable").await?;
    assert!(!nginx.log().contains("exited on signal"), "{}", nginx.log());
    Ok(())
}

/// One directive in both blocks is one variable, whose keys are followed once.
#[tokio::test]
async fn the_same_map_in_http_and_stream_is_one() -> Result<()> {
    let (etcd, port) = (Etcd::start().await?, free_port()?);
    let map = "etcd_map $remote_addr $color main /routes/ default=none;";
    let configuration = StreamRouter::without_server(&etcd)
        .http(map)
        .stream(map)
        .stream(&stream_server(port, "", "return '$color\\n';"))
        .server("location = /map { return 200 '<$color>'; }");
    let nginx = Nginx::start(configuration).await?;
    etcd.put(route("127.0.0.1"), "red").await?;
    says(&format!("127.0.0.1:{port}"), "red").await?;
    eventually(SOON, "a request gets it", async || {
        let answer = nginx.get("/map").await?.text();
        ensure!(answer == "<red>", "{answer}");
        Ok(())
    })
    .await?;
    let status = nginx.status().await?;
    assert_eq!(status.maps.len(), 1);
    nginx.wait_for_log_lines("\"$color\": 1 entries", 1).await?;
    nginx.check_log()
}
