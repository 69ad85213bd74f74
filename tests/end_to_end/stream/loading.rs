//! nginx's stream module before the module under test, after it, or not at all.

use harness::*;

/// What a configuration has.
#[derive(Clone, Copy, Debug)]
struct Case {
    stream_module: StreamModule,
    http: bool,
    stream: bool,
}

/// Each configuration that nginx takes.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for stream_module in [StreamModule::First, StreamModule::Last, StreamModule::Absent] {
        for (http, stream) in [(true, true), (true, false), (false, true), (false, false)] {
            if !stream || stream_module != StreamModule::Absent {
                cases.push(Case { stream_module, http, stream });
            }
        }
    }
    cases
}

/// An upstream of each block, of the same prefix, and a server for sessions; without `http {}` it
/// is where nginx is looked for.
fn configuration(case: Case, etcd: &Etcd, port: u16) -> Configuration {
    let Case { stream_module, http, stream } = case;
    let listen = if http { format!("listen 127.0.0.1:{port};") } else { "listen 8080;".to_owned() };
    let mut all = Configuration::new()
        .stream_module(stream_module)
        .main(&cluster("main", &etcd.url()))
        .http(&upstream("", ""));
    if !http {
        all = all.without_http();
    }
    if stream {
        all = all
            .stream(&sessions("", ""))
            .stream(&format!("server {{ {listen} proxy_pass {SESSIONS}; }}"));
    }
    all
}

/// What is there serves.
async fn check(case: Case, nginx: &Nginx, port: u16) -> Result<()> {
    if case.http {
        eventually(SOON, &format!("{case:?}: a request is served"), async || {
            let answer = nginx.get("/").await?;
            ensure!(answer.status == 200 && answer.peer() == "n0", "{answer:?}");
            Ok(())
        })
        .await?;
    }
    if case.stream {
        let address = if case.http { format!("127.0.0.1:{port}") } else { nginx.address() };
        eventually(SOON, &format!("{case:?}: a session is served"), async || {
            // A node that speaks HTTP takes a session as well.
            let mut session = TcpSession::connect(None, &address).await?;
            session.send(b"GET / HTTP/1.0\r\n\r\n").await?;
            let line = session.line().await?;
            ensure!(line.contains(" 200 "), "{line}");
            Ok(())
        })
        .await?;
    }
    nginx.check_log()
}

/// Whether a case can be had with the nginx under test: one that has stream within itself has it
/// always, before any module that is loaded.
fn is_possible(case: Case) -> Result<bool> {
    Ok(match stream_kind()? {
        StreamKind::Dynamic(_) => true,
        StreamKind::Static => case.stream_module == StreamModule::First,
        StreamKind::Absent => case.stream_module == StreamModule::Absent,
    })
}

#[tokio::test]
async fn every_order_of_loading_serves_what_is_there() -> Result<()> {
    let etcd = Etcd::start().await?;
    let node = Node::start("n0").await?;
    etcd.register(std::slice::from_ref(&node)).await?;
    for case in cases() {
        if !is_possible(case)? {
            continue;
        }
        let port = free_port()?;
        let configuration = configuration(case, &etcd, port);
        if case.http || case.stream {
            let nginx = Nginx::start(configuration).await?;
            check(case, &nginx, port).await.map_err(|error| format!("{case:?}: {error}"))?;
        } else {
            let output = Nginx::test(&configuration)?;
            assert!(output.status.success(), "{case:?}: {output:?}");
        }
    }
    Ok(())
}

/// The last error of `nginx -t`, behind the process.
fn said(configuration: &Configuration) -> Result<String> {
    let output = Nginx::test(configuration)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "{said}");
    let lines: Vec<_> = said.lines().filter(|line| line.contains("[emerg]")).collect();
    ensure!(lines.len() == 1, "{said}");
    Ok(lines[0].to_owned())
}

#[tokio::test]
async fn stream_without_its_module_is_nginxs_own_mistake() -> Result<()> {
    if stream_kind()? == StreamKind::Static {
        return skip("this nginx has stream always");
    }
    let etcd = Etcd::absent()?;
    for http in [true, false] {
        let case = Case { stream_module: StreamModule::Absent, http, stream: true };
        let said = said(&configuration(case, &etcd, free_port()?))?;
        assert!(said.contains("unknown directive \"stream\" in "), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn module_that_is_loaded_twice_is_nginxs_own_mistake() -> Result<()> {
    let (etcd, module) = (Etcd::absent()?, etcd_module()?);
    for case in cases() {
        if is_possible(case)? {
            let configuration =
                configuration(case, &etcd, free_port()?).main(&format!("load_module {module};"));
            let said = said(&configuration)?;
            assert!(said.contains("is already loaded in "), "{case:?}: {said}");
        }
    }
    Ok(())
}

/// `stream {}` comes with a reload, with its module or without, before or after this one, and goes
/// with one.
#[tokio::test]
async fn stream_and_its_module_come_and_go_with_reloads() -> Result<()> {
    let StreamKind::Dynamic(_) = stream_kind()? else {
        return skip("this nginx has no stream module to load");
    };
    let (etcd, port) = (Etcd::start().await?, free_port()?);
    let node = Node::start("n0").await?;
    etcd.register(std::slice::from_ref(&node)).await?;
    let case = |stream_module, stream| Case { stream_module, http: true, stream };
    let (first, last, absent) = (StreamModule::First, StreamModule::Last, StreamModule::Absent);
    let mut nginx =
        Nginx::start(configuration(case(absent, false), &etcd, port).workers(1)).await?;
    check(case(absent, false), &nginx, port).await?;
    for (stream_module, stream) in [
        (last, true),
        (absent, false),
        (last, false),
        (last, true),
        (first, true),
        (absent, false),
        (first, true),
        (first, false),
        (absent, false),
        (last, true),
    ] {
        let case = case(stream_module, stream);
        nginx.configure(configuration(case, &etcd, port).workers(1))?;
        nginx.reload().await?;
        check(case, &nginx, port).await.map_err(|error| format!("{case:?}: {error}"))?;
        let upstreams = nginx.status().await?.upstreams;
        assert_eq!(upstreams.contains_key(SESSIONS), stream, "{case:?}: {:?}", upstreams.keys());
    }
    nginx.check_log()
}
