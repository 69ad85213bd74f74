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
    eventually(SOON, "the session keeps one old worker", async || {
        let old = nginx.old_workers()?;
        ensure!(old == [session.worker()], "{old:?}");
        Ok(())
    })
    .await?;
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
    etcd.pause()?;
    assert!(tokio::time::timeout(SOON / 50, etcd.revision()).await.is_err());
    etcd.resume()?;
    assert_eq!(etcd.revision().await?, first + 5);
    Ok(())
}

#[tokio::test]
async fn link_is_cut_silent_and_mended() -> Result<()> {
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
    let answers = "location = /echo { add_header X-Echo $arg_n always; add_header X-Sent \
                   $http_x_sent always; return 204; }";
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

#[tokio::test]
async fn a_fleet_s_sessions_say_what_they_received_and_how_they_ended() -> Result<()> {
    let node = Node::start("n1").await?;
    let nginx = Nginx::start(stock(&node)).await?;
    let fleet = Fleet::open(&nginx.address(), "/ws", 100).await?;
    assert_eq!((fleet.open_sessions(), node.sessions().len()), (100, 100));
    fleet.echo("hello").await?;
    fleet.chatter(10, std::time::Duration::from_millis(5));
    let number = node.broadcast(1000) + 1;
    assert_eq!(node.broadcast(1000), number);
    fleet.received(number).await?;
    assert!(node.sessions().iter().all(|session| session.sent == number), "{:?}", node.sessions());
    fleet.in_order()?;

    // The node is killed: nginx sees its connections reset or ended, and ends those of the clients.
    let sessions = fleet.sessions();
    let paths: std::collections::BTreeSet<_> =
        sessions.iter().map(|session| session.path()).collect();
    assert!(paths.len() == 100 && paths.contains("/ws?session=99"));
    node.kill().await;
    assert_eq!(fleet.ended(SOON).await?.len(), 100);
    assert!(fleet.sessions()[0].echo("gone").await.is_err());
    let record = fleet.sessions()[1].record();
    assert_eq!(
        (record.broadcasts, record.first, record.last, record.echoes),
        (number, 1, number, 1)
    );
    nginx.check_log()
}

#[tokio::test]
async fn a_session_s_end_is_told_as_it_was() -> Result<()> {
    let node = Node::start("n1").await?;
    let address = node.address().to_string();
    Session::open(&address, "/ws").await?.close().await?;
    let stopped = Session::open(&address, "/ws").await?;
    node.stop().await;
    assert_eq!(stopped.ended(SOON).await?.how, Ending::CloseFrame(1001));

    // Closed without a word, and with a reset, by a server that has said its name.
    for (reset, how) in [(false, Ending::Eof), (true, Ending::Reset)] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let server = async {
            let (stream, _) = listener.accept().await?;
            let mut socket = tokio_tungstenite::accept_async(stream).await?;
            futures_util::SinkExt::send(&mut socket, "n1".into()).await?;
            Result::Ok(socket)
        };
        let (session, server) = tokio::try_join!(Session::open(&address, "/ws"), server)?;
        if reset {
            server.get_ref().set_zero_linger()?;
        }
        drop(server);
        assert_eq!(session.ended(SOON).await?.how, how);
    }
    Ok(())
}

#[tokio::test]
async fn a_session_that_is_not_read_holds_its_node_up() -> Result<()> {
    const MEGABYTE: usize = 1 << 20;
    let node = Node::start("n1").await?;
    let session = Session::open(&node.address().to_string(), "/ws").await?;
    session.stop_reading();
    let mut number = node.broadcast(MEGABYTE);
    eventually(SOON, "the buffers are full", async || {
        number = node.broadcast(MEGABYTE);
        ensure!(node.sessions()[0].sent + 8 < number, "{:?} of {number}", node.sessions());
        Ok(())
    })
    .await?;
    session.read_on();
    session.received(number).await?;
    assert_eq!(session.record().disorder, None);
    session.close().await
}

#[tokio::test]
async fn a_stopwatch_leaves_out_what_others_need_the_machine_for() -> Result<()> {
    let watch = Stopwatch::start();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let (busy, passed) = (watch.elapsed(), watch.passed());
    assert!(busy <= passed && passed.as_millis() >= 100, "{busy:?} of {passed:?}");
    Ok(())
}

#[tokio::test]
async fn prometheus_gives_what_it_has_scraped() -> Result<()> {
    let text = "location = /metrics { default_type 'text/plain; version=0.0.4'; \
                return 200 '# TYPE a counter\\na{b=\"c\\\\\\\\\"} 5\\na{b=\"d\"} +Inf\\n'; }";
    let nginx = Nginx::start(
        Configuration::stock().http("upstream firehose { server 127.0.0.1:1; }").server(text),
    )
    .await?;
    let target =
        |job, path| Target { job, address: nginx.address(), path, query: &[("one", "two")] };
    let folder = Folder::new("rules")?;
    let rules = "groups: [{name: g, rules: [{alert: Five, expr: a == 5}, \
                 {record: 'a:wrong', expr: 'a * on () a'}]}]";
    let rules = folder.write("rules.yml", rules)?;
    let prometheus = Prometheus::start(&[target("one", "/metrics")], &[&rules]).await?;
    prometheus.scraped().await?;
    assert_eq!(prometheus.value("a{b=\"c\\\\\"}").await?, 5.0);
    assert_eq!(prometheus.value("a{b=\"d\"}").await?, f64::INFINITY);
    assert!(prometheus.value("a").await.is_err(), "two series are one value");
    assert!(prometheus.query("a{").await.is_err(), "half an expression is one");
    assert_eq!(prometheus.names("a").await?[..1], ["a"]);
    prometheus.scraped().await?;
    let raw = prometheus.query("a{b=\"d\"}[1h]").await?;
    assert!(raw.len() == 1 && raw[0].samples.len() >= 2, "{raw:?}");
    eventually(SOON, "the rules are evaluated", async || {
        let rules = prometheus.rules().await?;
        ensure!(rules.len() == 2 && rules[0].state == "firing", "{rules:?}");
        ensure!(rules[1].health == "err" && rules[1].error.contains("many"), "{rules:?}");
        Ok(())
    })
    .await?;
    let both = [target("one", "/metrics"), target("two", "/nothing")];
    let prometheus = Prometheus::start(&both, &[]).await?;
    eventually(SOON, "both were scraped, one in vain", async || {
        let scraped = [prometheus.value("up{job=\"one\"}"), prometheus.value("up{job=\"two\"}")];
        let [one, two] = scraped;
        ensure!((one.await?, two.await?) == (1.0, 0.0), "not yet");
        Ok(())
    })
    .await
}
