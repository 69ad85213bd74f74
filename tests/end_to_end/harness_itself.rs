//! The harness does what the other tests rely on; none of this needs the module.

use std::path::Path;

use harness::*;

fn stock(node: &Node) -> Configuration {
    Configuration::stock().http(&format!("upstream {UPSTREAM} {{ server {}; }}", node.address()))
}

#[tokio::test]
async fn nginx_serves_http_and_websocket_and_leaves_nothing_behind() -> Result<()> {
    let node = Node::start("n1").await?;
    let mut nginx = Nginx::start(stock(&node)).await?;
    let answer = nginx.get("/path").await?;
    assert_eq!((answer.status, answer.node()), (200, "n1"), "{answer:?}");
    assert!(nginx.workers()?.contains(&answer.worker()), "{answer:?}");
    let mut session = nginx.websocket("/ws").await?;
    assert_eq!(session.node(), "n1");
    session.echo("hello").await?;

    let before = nginx.workers()?;
    nginx.reload().await?;
    assert_eq!(nginx.old_workers()?, [session.worker()], "the session keeps one old worker");
    session.echo("still there").await?;
    session.close().await?;
    eventually(SOON, "the old workers end", async || {
        ensure!(before.iter().all(|pid| !running(*pid)), "they run");
        Ok(())
    })
    .await?;

    let (master, workers) = (nginx.master(), nginx.workers()?);
    let path = nginx.folder().path().to_owned();
    nginx.check_log()?;
    nginx.configure(stock(&node).workers(1))?;
    drop(nginx);
    assert!(!running(master));
    eventually(SOON, "the workers are gone", async || {
        ensure!(workers.iter().all(|pid| !running(*pid)), "they run");
        Ok(())
    })
    .await?;
    assert!(std::env::var_os("KEEP_TEMP").is_some() || !Path::new(&path).exists());
    Ok(())
}

#[tokio::test]
async fn nginx_refused_says_why() -> Result<()> {
    let configuration = Configuration::stock().http("no_such_directive;");
    let error = Nginx::start(configuration.clone()).await.map(drop).unwrap_err().to_string();
    assert!(error.contains("no_such_directive"), "{error}");
    let output = Nginx::test(&configuration)?;
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no_such_directive"), "{output:?}");
    Ok(())
}

#[tokio::test]
async fn etcd_keeps_its_store_through_every_end() -> Result<()> {
    let mut etcd = Etcd::start().await?;
    let first = etcd.put("/a", "1").await?;
    etcd.stop().await?;
    etcd.restart().await?;
    assert_eq!(etcd.revision().await?, first);
    etcd.kill().await?;
    etcd.restart().await?;
    assert_eq!(etcd.delete("/a").await?, first + 1);
    let many = (0..300).map(|n| (format!("/many/{n}"), n.to_string()));
    assert_eq!(etcd.put_all(many).await?, first + 4);
    assert_eq!(etcd.delete_all("/many/").await?, first + 5);
    etcd.compact().await?;
    assert_eq!(etcd.metric("etcd_debugging_mvcc_watcher_total").await?, 0.0);
    etcd.pause().await?;
    assert!(tokio::time::timeout(SOON / 50, etcd.revision()).await.is_err());
    etcd.resume()?;
    assert_eq!(etcd.revision().await?, first + 5);
    Ok(())
}

#[tokio::test]
async fn a_link_is_cut_silent_and_mended() -> Result<()> {
    let node = Node::start("n1").await?;
    let link = Link::to(&node.address().to_string()).await?;
    let address = link.url().replace("http://", "");
    let mut connection = Connection::open(&address).await?;
    connection.get("/").await?;
    link.cut();
    assert!(connection.get("/").await.is_err());
    assert!(get(&address, "/").await.is_err());
    link.mend();
    let mut connection = Connection::open(&address).await?;
    connection.get("/").await?;
    link.silence();
    assert!(tokio::time::timeout(SOON / 100, connection.get("/")).await.is_err());
    link.mend();
    get(&address, "/").await?;
    Ok(())
}

#[tokio::test]
async fn pipelined_answers_come_in_the_order_of_the_questions() -> Result<()> {
    let node = Node::start("n1").await?;
    let answers = "location = /echo { add_header X-Echo $arg_n always; add_header X-Sent $http_x_sent always; return 204; }";
    let nginx = Nginx::start(stock(&node).server(answers)).await?;
    let question = |number: usize| {
        Question::new(format!("/echo?n={number}")).header("X-Sent", format!("{}", number + 1))
    };
    let questions: Vec<_> = (0..1000).map(question).collect();
    for (number, answer) in pipelined(&nginx.address(), &questions).await?.iter().enumerate() {
        assert_eq!(
            (answer.header("x-echo"), answer.header("x-sent")),
            (&*number.to_string(), &*(number + 1).to_string())
        );
    }
    // It does not wait for what it could not tell from the next answer.
    let error = pipelined(&nginx.address(), &[Question::new("/")]).await.unwrap_err().to_string();
    assert!(error.contains("with a body"), "{error}");
    Ok(())
}
