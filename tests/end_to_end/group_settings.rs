//! `settings=` of `etcd_group`: what a service has of its own, live.

mod checks;
mod drains;
mod outages;
mod stream;

use std::collections::{BTreeMap, BTreeSet};

use harness::*;

/// The prefixes of the services, and of their settings.
const SERVICES: &str = "/services/";
const SETTINGS: &str = "/services-settings/";

/// The header X-Service names the service.
fn configuration(etcd: &Etcd, directives: &str) -> Configuration {
    of_zone(etcd, "zone=1m", &format!("settings={SETTINGS}"), directives)
}

/// The same with a zone of its own, and perhaps without settings.
fn of_zone(etcd: &Etcd, zone: &str, parameters: &str, directives: &str) -> Configuration {
    let upstream = format!(
        "upstream {UPSTREAM} {{ etcd main {SERVICES} {zone}; \
         etcd_group $http_x_service$arg_service {parameters}; {directives} }}"
    );
    Configuration::new().workers(2).http(&cluster("main", &etcd.url())).http(&upstream)
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
        etcd.put(format!("{SERVICES}{service}/{name}"), node.address().to_string()).await?;
        nodes.push(node);
    }
    let nginx = Nginx::start(configure(&etcd)).await?;
    nginx.applied(etcd.revision().await?).await?;
    Ok((nginx, nodes, etcd))
}

/// The node of this name.
fn by_name<'n>(nodes: &'n [Node], name: &str) -> Result<&'n Node> {
    Ok(nodes.iter().find(|node| node.name() == name).ok_or("no such node")?)
}

/// Sets the settings of a service.
async fn set(etcd: &Etcd, service: &str, settings: &str) -> Result<i64> {
    etcd.put(format!("{SETTINGS}{service}"), settings.to_owned()).await
}

/// What the status says of settings.
async fn settings(nginx: &Nginx) -> Result<GroupSettings> {
    let groups = nginx.upstream().await?.groups.ok_or("no groups in the status")?;
    Ok(groups.settings.ok_or("no settings in the status")?)
}

/// By which nodes so many requests of each of these users for a service are served.
async fn by_user(
    nginx: &Nginx,
    service: &str,
    users: std::ops::Range<usize>,
) -> Result<BTreeMap<usize, BTreeSet<String>>> {
    let mut by_user: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for mut connection in nginx.connect_to_each().await? {
        for _ in 0..3 {
            for user in users.clone() {
                let text = user.to_string();
                let headers = [("X-Service", service), ("X-User", &*text)];
                let answer = connection.get_with("/", &headers).await?;
                ensure!(answer.status == 200, "{service}: {answer:?}");
                by_user.entry(user).or_default().insert(answer.node().to_owned());
            }
        }
    }
    Ok(by_user)
}

/// Waits until each user of a service comes to one node, all together to so many.
async fn goes_by_user(nginx: &Nginx, service: &str, nodes: usize) -> Result<()> {
    eventually(SOON, "each user has a node", async || {
        // So many that no node is without any, wherever its points on the ring are.
        let by_user = by_user(nginx, service, 0..60).await?;
        let all: BTreeSet<&String> = by_user.values().flatten().collect();
        let is_one = by_user.values().all(|nodes| nodes.len() == 1);
        ensure!(is_one && all.len() == nodes, "{by_user:?}");
        Ok(())
    })
    .await
}

/// Waits until users of a service come to all of its nodes.
async fn goes_in_turn(nginx: &Nginx, service: &str) -> Result<()> {
    eventually(SOON, "each user comes to several nodes", async || {
        let by_user = by_user(nginx, service, 0..5).await?;
        ensure!(by_user.values().all(|nodes| nodes.len() > 1), "{by_user:?}");
        Ok(())
    })
    .await
}

const NODES: [&str; 6] = ["api-1", "api-2", "api-3", "web-1", "web-2", "web-3"];

#[tokio::test]
async fn a_service_has_a_method_of_its_own_for_as_long_as_it_says_so() -> Result<()> {
    let (nginx, _nodes, etcd) = start(&NODES, |etcd| configuration(etcd, "")).await?;
    let workers = nginx.workers()?;
    goes_in_turn(&nginx, "web").await?;
    for method in ["hash $http_x_user", "hash user-${http_x_user} consistent"] {
        set(&etcd, "web", &format!(r#"{{"balance":"{method}"}}"#)).await?;
        goes_by_user(&nginx, "web", 3).await?;
        goes_in_turn(&nginx, "api").await?;
    }
    // What is not valid changes nothing, and is told.
    for (value, reason) in [
        (r#"{"balance":"fastest"}"#, "fastest"),
        (r#"{"balance":"hash $http"}"#, "unknown variable \"$http\""),
        ("least_conn", "not a JSON object"),
    ] {
        let revision = set(&etcd, "web", value).await?;
        eventually(SOON, "the status tells of it", async || {
            let settings = settings(&nginx).await?;
            let rejected = settings.rejected.clone().unwrap_or_default();
            let is_told = rejected.contains(reason) && rejected.contains("/services-settings/web");
            ensure!(is_told && settings.count == 1, "{settings:?}");
            ensure!(settings.revision < Some(revision.unsigned_abs()), "{settings:?}");
            Ok(())
        })
        .await?;
        goes_by_user(&nginx, "web", 3).await?;
    }
    let logged = nginx.wait_for_log("key \"/services-settings/web\" rejected").await?;
    assert!(logged.contains("upstream \"firehose\"") && logged.contains("last valid settings"));
    set(&etcd, "web", r#"{"balance":"ip_hash"}"#).await?;
    goes_by_user(&nginx, "web", 1).await?;
    assert_eq!(settings(&nginx).await?.rejected, None);
    // A new service begins with what it has of its own.
    set(&etcd, "shop", r#"{"balance":"hash $http_x_user"}"#).await?;
    nginx.wait_for_log("settings of 2 groups").await?;
    let mut shops = Vec::new();
    for name in ["shop-1", "shop-2"] {
        let node = Node::start(name).await?;
        let key = format!("{SERVICES}shop/{name}");
        nginx.applied(etcd.put(key, node.address().to_string()).await?).await?;
        shops.push(node);
    }
    goes_by_user(&nginx, "shop", 2).await?;
    etcd.delete_all(SETTINGS).await?;
    for service in ["web", "shop"] {
        goes_in_turn(&nginx, service).await?;
    }
    assert_eq!(settings(&nginx).await?.count, 0);
    assert_eq!(nginx.workers()?, workers, "no reload");
    assert!(nginx.log_lines("settings of 1 group, revision").len() >= 3);
    Ok(())
}

#[tokio::test]
async fn defaults_of_a_service_hold_where_its_nodes_say_nothing_else() -> Result<()> {
    let configure = |etcd: &Etcd| configuration(etcd, "etcd_defaults max_fails=4 max_conns=9;");
    let (nginx, nodes, etcd) = start(&["api-1", "web-1"], configure).await?;
    let own = format!("{} max_conns=3", nodes[1].address());
    nginx.applied(etcd.put(format!("{SERVICES}web/own"), own).await?).await?;
    let limits = async || -> Result<BTreeMap<String, (u32, u32, u64)>> {
        let peers = nginx.upstream().await?.peers.into_iter();
        let limits = peers.map(|peer| {
            let key = peer.key.unwrap_or_default();
            (key, (peer.max_conns, peer.max_fails, peer.slow_start))
        });
        Ok(limits.collect())
    };
    let are = async |expected: &[(&str, (u32, u32, u64))]| {
        let expected: BTreeMap<String, _> =
            expected.iter().map(|&(key, limits)| (key.to_owned(), limits)).collect();
        eventually(SOON, "the limits", async || {
            let found = limits().await?;
            ensure!(found == expected, "{found:?}");
            Ok(())
        })
        .await
    };
    are(&[("api/api-1", (9, 4, 0)), ("web/own", (3, 4, 0)), ("web/web-1", (9, 4, 0))]).await?;
    set(&etcd, "web", r#"{"max_conns":7,"slow_start":"30s"}"#).await?;
    are(&[("api/api-1", (9, 4, 0)), ("web/own", (3, 4, 30)), ("web/web-1", (7, 4, 30))]).await?;
    // Also for those that come later, or say the same from now on.
    let late = format!("{} max_conns=9", nodes[0].address());
    nginx.applied(etcd.put(format!("{SERVICES}web/late"), late).await?).await?;
    let with_late = [
        ("api/api-1", (9, 4, 0)),
        ("web/late", (9, 4, 30)),
        ("web/own", (3, 4, 30)),
        ("web/web-1", (7, 4, 30)),
    ];
    are(&with_late).await?;
    etcd.delete_all(&format!("{SERVICES}web/late")).await?;
    set(&etcd, "web", r#"{"max_fails":0}"#).await?;
    are(&[("api/api-1", (9, 4, 0)), ("web/own", (3, 0, 0)), ("web/web-1", (9, 0, 0))]).await?;
    etcd.delete_all(SETTINGS).await?;
    are(&[("api/api-1", (9, 4, 0)), ("web/own", (3, 4, 0)), ("web/web-1", (9, 4, 0))]).await?;
    nginx.check_log()
}

#[tokio::test]
async fn what_is_shown_as_rejected_is_so_at_present() -> Result<()> {
    let (nginx, _nodes, etcd) = start(&["web-1"], |etcd| configuration(etcd, "")).await?;
    let shows = async |key: Option<&str>, count: u64| {
        eventually(SOON, "the status shows it", async || {
            let settings = settings(&nginx).await?;
            let rejected = settings.rejected.as_deref();
            let key = key.map(|key| format!("{SETTINGS}{key}\""));
            let is_its = match (&key, rejected) {
                (Some(key), Some(rejected)) => rejected.contains(&**key),
                (None, None) => true,
                _ => false,
            };
            ensure!(is_its && settings.rejected_total == count, "{settings:?}");
            Ok(())
        })
        .await
    };
    set(&etcd, "one", "?").await?;
    shows(Some("one"), 1).await?;
    set(&etcd, "other", "?").await?;
    shows(Some("other"), 2).await?;
    etcd.delete_all(&format!("{SETTINGS}other")).await?;
    shows(Some("one"), 2).await?;
    set(&etcd, "other", "?").await?;
    shows(Some("other"), 3).await?;
    set(&etcd, "other", "{}").await?;
    shows(Some("one"), 3).await?;
    set(&etcd, "one", "{}").await?;
    shows(None, 3).await?;
    // Many of one change make few lines.
    let many = (0..100).map(|number| (format!("{SETTINGS}m{number:02}"), "?".to_owned()));
    etcd.put_all(many).await?;
    nginx.wait_for_log("92 more keys rejected").await?;
    shows(Some("m99"), 103).await?;
    assert_eq!(nginx.log_lines("key \"/services-settings/m").len(), 8);
    nginx.check_log()
}

/// As in nginx's own texts, a variable that cannot be evaluated is empty.
#[tokio::test]
async fn a_key_of_a_variable_that_fails_is_empty() -> Result<()> {
    let configure = |etcd: &Etcd| configuration(etcd, "").http("root /no-such-folder;");
    let (nginx, _nodes, etcd) = start(&NODES, configure).await?;
    for balance in ["hash $realpath_root", "hash $realpath_root-$http_x_user consistent"] {
        let settings = format!(r#"{{"balance":"{balance}"}}"#);
        let revision = set(&etcd, "web", &settings).await?;
        eventually(SOON, "the settings are applied", async || {
            let applied = self::settings(&nginx).await?.revision;
            ensure!(applied == Some(revision.unsigned_abs()), "{applied:?}");
            Ok(())
        })
        .await?;
        by_user(&nginx, "web", 0..12).await?;
    }
    goes_by_user(&nginx, "web", 3).await
}

#[tokio::test]
async fn a_service_can_be_without_cookies() -> Result<()> {
    let configure = |etcd: &Etcd| configuration(etcd, "etcd_sticky cookie=node secret=pepper;");
    let (nginx, _nodes, etcd) = start(&NODES, configure).await?;
    let mut connection = nginx.connect().await?;
    let first = connection.get_with("/", &[("X-Service", "web")]).await?;
    let cookie = first.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    assert!(cookie.starts_with("node="), "{first:?}");
    let headers = [("X-Service", "web"), ("Cookie", &*cookie)];
    set(&etcd, "web", r#"{"sticky":"off"}"#).await?;
    eventually(SOON, "the cookie leads nowhere", async || {
        let mut served = BTreeSet::new();
        for _ in 0..6 {
            let answer = connection.get_with("/", &headers).await?;
            ensure!(answer.header("set-cookie").is_empty(), "{answer:?}");
            served.insert(answer.node().to_owned());
        }
        ensure!(served.len() > 1, "{served:?}");
        Ok(())
    })
    .await?;
    let other = connection.get_with("/", &[("X-Service", "api")]).await?;
    assert!(other.header("set-cookie").starts_with("node="), "{other:?}");
    set(&etcd, "web", r#"{"sticky":true}"#).await?;
    eventually(SOON, "the cookie leads to its node again", async || {
        for _ in 0..6 {
            let answer = connection.get_with("/", &headers).await?;
            ensure!(answer.node() == first.node(), "{answer:?}");
        }
        Ok(())
    })
    .await?;
    nginx.check_log()
}
