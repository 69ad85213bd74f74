//! Files that are good, or ignored, and names of files that cannot be.

use super::*;
use upstream_peers::{Labels, OwnParameters, Parameters, Peer, SocketAddress, Source};

/// A list with one node for each key.
fn list(prefix: &str, keys: &[&str], node: &Node) -> Result<SavedState> {
    let peer = |key: &&str| {
        Ok(Peer {
            key: (*key).into(),
            address: SocketAddress::Ip(node.address().to_string().parse()?),
            server: node.address().to_string().into(),
            parameters: Parameters::default(),
            own: OwnParameters::ALL,
            route: None,
            labels: Labels::default(),
            create_revision: 1,
            source: Source::default(),
        })
    };
    Ok(SavedState {
        cluster: "main".to_owned(),
        prefix: prefix.to_owned(),
        cluster_id: 1,
        revision: 1,
        peers: keys.iter().map(peer).collect::<Result<_>>()?,
        settings: None,
    })
}

/// What a file may hold that is ignored, and what is said of it.
fn useless(good: &[u8], foreign: Vec<u8>) -> Vec<(Vec<u8>, &'static str)> {
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.to_vec();
        change(&mut bytes);
        bytes
    };
    let middle = good.len() / 2;
    vec![
        (Vec::new(), "it is empty"),
        (with(&|bytes| bytes.truncate(middle)), "it is cut short"),
        (with(&|bytes| bytes.truncate(10)), "it is cut short"),
        (with(&|bytes| bytes.push(b'\n')), "it is longer than its first line says"),
        (with(&|bytes| bytes[middle] ^= 1), "it is damaged: its checksum is wrong"),
        (
            with(&|bytes| bytes.last_mut().into_iter().for_each(|last| *last ^= 0x80)),
            "it is damaged",
        ),
        (with(&|bytes| bytes[0] ^= 0x20), "it is not a state file of peers"),
        (with(&|bytes| bytes[20] = b'7'), "it is of version 7, which this module does not know"),
        (vec![0; 10_000], "it is not a state file of peers"),
        (b"{\"peers\":[]}\n".to_vec(), "it is not a state file of peers"),
        (foreign, "it is of the prefix \"/other/\" of the cluster \"main\""),
    ]
}

#[tokio::test]
async fn useless_file_is_logged_and_does_not_stop_nginx() -> Result<()> {
    let (etcd, folder, node) = (Etcd::absent()?, StateFolder::new()?, Node::start("n0").await?);
    let good = list(PREFIX, &["n0"], &node)?.encode()?;
    let foreign = list("/other/", &["n0"], &node)?.encode()?;
    for (bytes, reason) in useless(&good, foreign) {
        std::fs::write(folder.file(), &bytes)?;
        let output = Nginx::test(&folder.configuration(&etcd))?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{reason}: {said}");
        let line = format!("state file \"{}\" ignored: {reason}", folder.file().display());
        assert!(said.contains(&line), "{said}, not {line}");
        assert_eq!(std::fs::read(folder.file())?, bytes, "{reason}");
    }
    std::fs::write(folder.file(), &good)?;
    let output = Nginx::test(&folder.configuration(&etcd))?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("\" ignored: "), "{said}");
    assert_eq!(std::fs::read(folder.file())?, good);
    Ok(())
}

#[tokio::test]
async fn useless_file_is_replaced_by_a_good_one() -> Result<()> {
    for (content, reason) in [("", "it is empty"), ("?", "it is not a state file of peers")] {
        let (mut etcd, folder, nodes) =
            (Etcd::absent()?, StateFolder::new()?, start_nodes(1).await?);
        std::fs::write(folder.file(), content)?;
        let nginx = Nginx::start(folder.configuration(&etcd)).await?;
        assert_eq!(nginx.get("/").await?.status, 502);
        nginx.wait_for_log_lines(reason, 1).await?;
        let state = nginx.upstream().await?.state.ok_or("no state in the status")?;
        assert_eq!((state.revision, state.trouble.as_deref()), (None, Some(reason)));
        assert_eq!(std::fs::read(folder.file())?, content.as_bytes());

        etcd.restart().await?;
        etcd.register(&nodes).await?;
        settled(&nginx, &etcd).await?;
        assert_eq!(nginx.get("/").await?.node(), "n0");
        eventually(SOON, "the file has what etcd has", async || {
            let state = nginx.upstream().await?.state.ok_or("no state in the status")?;
            ensure!(folder.keys()? == ["n0"] && state.trouble.is_none(), "{state:?}");
            Ok(())
        })
        .await?;
        nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn peers_of_the_file_beyond_the_zone_are_left_out() -> Result<()> {
    let (etcd, folder, node) = (Etcd::absent()?, StateFolder::new()?, Node::start("n0").await?);
    let keys: Vec<_> = (0..5_000).map(|number| format!("n{number}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    std::fs::write(folder.file(), list(PREFIX, &keys, &node)?.encode()?)?;
    let parameters = format!("zone=64k state={}", folder.file().display());
    let directives = format!("server {};", node.address());
    let http = format!("{} {}", cluster("main", &etcd.url()), upstream(&parameters, &directives));
    let nginx = Nginx::start(Configuration::new().http(&http)).await?;
    assert_eq!(nginx.get("/").await?.node(), "n0");
    nginx.wait_for_log_lines(" of 5001 peers are not used", 1).await?;
    // As many as fit, the first ones by key; and the rest is told of.
    let upstream = nginx.upstream().await?;
    let kept = upstream.keys().len();
    assert!(
        kept > 100 && upstream.keys().contains(&"n0") && !upstream.keys().contains(&"n999"),
        "{upstream:?}"
    );
    assert_eq!((upstream.revision, upstream.zone.left_out), (1, 5_000 - kept), "{upstream:?}");
    assert!(upstream.zone.full && upstream.trouble.is_some(), "{upstream:?}");
    nginx.check_log()
}

#[tokio::test]
async fn impossible_names_of_files_are_refused() -> Result<()> {
    let folder = StateFolder::new()?;
    let path = folder.0.path().display();
    std::fs::create_dir(folder.0.path().join("folder"))?;
    std::fs::write(folder.0.path().join("file"), "")?;
    let clusters = cluster("main", "http://127.0.0.1:2379");
    let two = |one: &str, other: &str| {
        format!(
            "upstream a {{ etcd main /a/ state={one}; }}\nupstream b {{ etcd main /b/ \
             state={other}; }}"
        )
    };
    let one = |file: &str| format!("upstream a {{ etcd main /a/ {file}; }}");
    let is_folder = |name: &str| {
        format!(
            "cannot use \"{path}/{name}\" of \"state\" in \"etcd\" directive (21: Is a directory)"
        )
    };
    for (upstreams, said) in [
        (one("state="), "invalid value \"\" of \"state\" in \"etcd\" directive".to_owned()),
        (one("state"), "invalid parameter \"state\" in \"etcd\"".to_owned()),
        (
            one(&format!("state={path}/x state={path}/y")),
            format!("duplicate parameter \"state={path}/y\""),
        ),
        (one(&format!("state={path}/folder")), is_folder("folder")),
        (one(&format!("state={path}/")), is_folder("")),
        (one(&format!("state={path}/none/x")), format!("cannot use \"{path}/none\" of \"state\"")),
        (one(&format!("state={path}/file/x")), format!("cannot use \"{path}/file\" of \"state\"")),
        (one("\"state=a\tb\""), "invalid value \"a\\tb\" of \"state\"".to_owned()),
        (
            two(&format!("{path}/x"), &format!("{path}/x")),
            "already used by upstream \"a\" in ".to_owned(),
        ),
        (
            two(&format!("{path}/x"), &format!("{path}/folder/../x")),
            "already used by upstream \"a\"".to_owned(),
        ),
    ] {
        let output = Nginx::test(&Configuration::new().http(&format!("{clusters}\n{upstreams}")))?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(&said), "{upstreams}: {stderr}");
        assert!(stderr.contains("nginx.conf:"), "{stderr}");
    }
    let good = two(&format!("{path}/x"), &format!("{path}/y"));
    let usual = upstream("", "");
    let output = Nginx::test(&Configuration::new().http(&format!("{clusters}\n{good}\n{usual}")))?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[tokio::test]
async fn relative_name_is_below_nginxs_prefix() -> Result<()> {
    let etcd = Etcd::absent()?;
    let http = format!("{} {}", cluster("main", &etcd.url()), upstream("state=temp/peers", ""));
    let nginx = Nginx::start(Configuration::new().http(&http)).await?;
    let state = nginx.upstream().await?.state.ok_or("no state in the status")?;
    assert_eq!(state.file, nginx.folder().path().join("temp/peers").display().to_string());
    Ok(())
}

/// What a malformed value leaves in service is what the file says, not only its address.
#[tokio::test]
async fn peers_of_the_file_have_their_weights_and_priorities() -> Result<()> {
    let folder = StateFolder::new()?;
    let Router { mut nginx, etcd, .. } = Router::with(0, |etcd| folder.configuration(etcd)).await?;
    let nodes = start_nodes(2).await?;
    let (first, second) = (nodes[0].address().to_string(), nodes[1].address().to_string());
    let (host, port) = second.rsplit_once(':').unwrap_or_default();
    etcd.put(key("0/weight"), "5").await?;
    etcd.put(key("0/url"), format!("http://{first}/")).await?;
    etcd.put(key("a"), format!(r#"{{"host":"{host}","port":{port},"priority":20}}"#)).await?;
    folder.wait_for_keys(&["0", "a"]).await?;
    nginx.end(Signal::SIGQUIT).await?;

    for name in ["0/url", "0/weight", "a"] {
        etcd.put(key(name), "?").await?;
    }
    let nginx = Nginx::start(folder.configuration(&etcd)).await?;
    let upstream = nginx.applied(etcd.revision().await?).await?;
    let peers: Vec<_> = upstream.peers.iter().map(|peer| (peer.weight, peer.backup)).collect();
    assert_eq!((upstream.keys(), peers), (vec!["0", "a"], vec![(5, false), (1, true)]));
    all_serve(&nginx, &["n0"]).await?;
    let upstream = nginx.applied(etcd.delete(&key("0/url")).await?).await?;
    assert_eq!((upstream.keys(), upstream.peers[0].backup), (vec!["a"], false));
    all_serve(&nginx, &["n1"]).await
}
