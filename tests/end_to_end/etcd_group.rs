//! `etcd_group`: one upstream with many services, each of which has its own peers.

mod fallback;
mod hosts;
mod labels;
mod leaving;
mod many;
mod outages;
mod reloads;
mod sessions;
mod status;
mod within;

use std::collections::BTreeMap;

use harness::*;

/// The prefix of the services.
const SERVICES: &str = "/services/";

/// The header X-Service names the service; the answer's header X-Group is its status.
fn configuration(etcd: &Etcd, parameters: &str, directives: &str) -> Configuration {
    Configuration::new()
        .workers(2)
        .http(&cluster("main", &etcd.url()))
        .http(&services("$http_x_service$arg_service", "zone=1m", parameters, directives))
        .server("add_header X-Group $etcd_group_status always;")
}

/// The usual upstream, whose peers are in groups.
fn services(value: &str, options: &str, parameters: &str, directives: &str) -> String {
    format!(
        "upstream {UPSTREAM} {{ etcd main {SERVICES} {options}; etcd_group {value} {parameters}; \
         {directives} }}"
    )
}

/// The key of a node of a service.
fn node_key(service: &str, node: &str) -> String {
    format!("{SERVICES}{service}/{node}")
}

/// etcd with a node for each name, of the service before the dash, and nginx.
async fn start(
    names: &[&str],
    configure: impl FnOnce(&Etcd) -> Configuration,
) -> Result<(Nginx, Vec<Node>, Etcd)> {
    let etcd = Etcd::start().await?;
    let mut nodes = Vec::new();
    for name in names {
        let node = Node::start(name).await?;
        let service = name.split('-').next().unwrap_or(name);
        etcd.put(node_key(service, name), node.address().to_string()).await?;
        nodes.push(node);
    }
    let nginx = Nginx::start(configure(&etcd)).await?;
    nginx.applied(etcd.revision().await?).await?;
    Ok((nginx, nodes, etcd))
}

/// What a request for a service is answered.
async fn ask(connection: &mut Connection, service: &str) -> Result<Answer> {
    connection.get_with("/", &[("X-Service", service)]).await
}

/// Which nodes serve how many of so many requests for a service, over all workers.
async fn served(nginx: &Nginx, service: &str, count: usize) -> Result<BTreeMap<String, usize>> {
    let mut nodes = BTreeMap::new();
    for mut connection in nginx.connect_to_each().await? {
        for _ in 0..count {
            let answer = ask(&mut connection, service).await?;
            ensure!(answer.status == 200, "{service}: {answer:?}");
            *nodes.entry(answer.node().to_owned()).or_default() += 1;
        }
    }
    Ok(nodes)
}

/// The names of these nodes.
fn names(served: &BTreeMap<String, usize>) -> Vec<&str> {
    served.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_request_gets_the_peers_of_its_service_in_turn() -> Result<()> {
    let nodes = ["api-1", "api-2", "web-1", "web-2", "web-3"];
    let (nginx, _nodes, etcd) = start(&nodes, |etcd| configuration(etcd, "", "")).await?;
    let workers = nginx.workers()?;
    let web = served(&nginx, "web", 6).await?;
    assert_eq!(web, [("web-1", 4), ("web-2", 4), ("web-3", 4)].map(own).into());
    let api = served(&nginx, "api", 6).await?;
    assert_eq!(api, [("api-1", 6), ("api-2", 6)].map(own).into());

    // A new service takes no reload, and a key without a slash is a service of one node.
    let node = Node::start("shop").await?;
    nginx.applied(etcd.put(format!("{SERVICES}shop"), node.address().to_string()).await?).await?;
    assert_eq!(names(&served(&nginx, "shop", 2).await?), ["shop"]);
    nginx.applied(etcd.delete_all(&format!("{SERVICES}web/")).await?).await?;
    let mut connection = nginx.connect().await?;
    let gone = ask(&mut connection, "web").await?;
    assert_eq!((gone.status, gone.header("x-group")), (502, "unknown"), "{gone:?}");
    assert_eq!(names(&served(&nginx, "api", 4).await?), ["api-1", "api-2"]);
    assert_eq!(nginx.workers()?, workers);
    nginx.check_log()
}

fn own((name, count): (&str, usize)) -> (String, usize) {
    (name.to_owned(), count)
}

#[tokio::test]
async fn an_unknown_or_empty_service_is_refused_with_a_line_at_info() -> Result<()> {
    let configure = |etcd: &Etcd| {
        configuration(etcd, "", "")
            .location("error_log logs/error.log info; error_page 502 = @refused;")
            .server("location @refused { return 503 'no $etcd_group_status service'; }")
    };
    let (nginx, nodes, etcd) = start(&["web-1"], configure).await?;
    let down = format!("{} down", nodes[0].address());
    nginx.applied(etcd.put(node_key("idle", "1"), down).await?).await?;
    let mut connection = nginx.connect().await?;
    let long = "x".repeat(300);
    let hostile = ["", "no\u{1b}[31m", "web/web-1", "we", "%00", &long];
    for name in hostile {
        let Ok(answer) = ask(&mut connection, name).await else {
            // Not a header at all.
            connection = nginx.connect().await?;
            continue;
        };
        ensure!(answer.text() == "no unknown service", "{name:?}: {answer:?}");
    }
    let answer = ask(&mut connection, "idle").await?;
    assert_eq!((answer.status, answer.text().as_str()), (503, "no empty service"));
    assert_eq!(ask(&mut connection, "web").await?.header("x-group"), "ok");

    let unknown = nginx.wait_for_log("etcd: unknown group \"we\" of upstream").await?;
    assert!(unknown.contains("[info]") && unknown.contains("client: "), "{unknown}");
    let empty = "etcd: no peer in service in group \"idle\" of upstream \"firehose\"";
    assert!(nginx.wait_for_log(empty).await?.contains("[info]"));
    assert!(nginx.log_lines("no live upstreams").is_empty(), "{}", nginx.log());
    assert!(!nginx.log().contains('\u{1b}'));
    let groups = nginx.upstream().await?.groups.ok_or("no groups in the status")?;
    assert_eq!((groups.count, groups.empty_total), (2, 1), "{groups:?}");
    assert!((4..=6).contains(&groups.unknown_total), "{groups:?}");
    nginx.check_log()
}

#[tokio::test]
async fn all_that_holds_of_peers_holds_within_a_service() -> Result<()> {
    // A dead peer is left alone by the service that has it, and no other notices.
    let (nginx, mut nodes, etcd) =
        start(&["web-1", "web-2", "api-1", "api-2"], |etcd| configuration(etcd, "", "")).await?;
    let backup = Node::start("web-spare").await?;
    let value = format!("{} backup", backup.address());
    nginx.applied(etcd.put(node_key("web", "spare"), value).await?).await?;
    nodes.remove(0).stop().await;
    assert_eq!(names(&served(&nginx, "web", 12).await?), ["web-2"]);
    assert_eq!(served(&nginx, "api", 6).await?, [("api-1", 6), ("api-2", 6)].map(own).into());
    nodes.remove(0).stop().await;
    assert_eq!(names(&served(&nginx, "web", 6).await?), ["web-spare"]);
    drop(backup);
    Ok(())
}
