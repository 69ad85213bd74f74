//! What an nginx makes of keys that the command has written, and of those that it has refused.

use harness::*;

use super::{ROUTES, done, refused, routes};

/// A configuration that answers with the variable; the host names the key.
async fn start(etcd: &Etcd, parameters: &str) -> Result<Nginx> {
    let map = format!("etcd_map $http_x_name $service main {ROUTES} {parameters};");
    let configuration = Configuration::new()
        .http(&cluster("main", &etcd.url()))
        .http(&map)
        .http(&upstream("", ""))
        .server("location = /map { return 200 '$service'; }");
    Nginx::start(configuration).await
}

/// Waits until the variable has this value for a name.
async fn says(nginx: &Nginx, name: &str, expected: &str) -> Result<()> {
    eventually(SOON, &format!("{name} is {expected:?}"), async || {
        let answer = nginx.connect().await?.get_with("/map", &[("X-Name", name)]).await?;
        ensure!(answer.status == 200 && answer.text() == expected, "{}", answer.text());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn hosts_are_routed_by_what_is_set() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nginx = start(&etcd, "hostnames default=none split=$http_x_key").await?;
    let flags = ["--hostnames", "--split"];
    let set = async |name: &str, value: &str| -> Result<String> {
        done(&etcd, &[&["set", name, value], &flags[..]].concat()).await
    };
    set("shop.example.com", "web").await?;
    set("*.example.com", "pages").await?;
    says(&nginx, "shop.example.com", "web").await?;
    says(&nginx, "other.example.com", "pages").await?;
    says(&nginx, "example.com", "none").await?;
    set(".example.net", "root").await?;
    says(&nginx, "example.net", "root").await?;
    // The whole of a canary, and back.
    set("shop.example.com", "web 0, web-v2 10").await?;
    says(&nginx, "shop.example.com", "web-v2").await?;
    set("shop.example.com", "web 1, web-v2 0").await?;
    says(&nginx, "shop.example.com", "web").await?;
    done(&etcd, &["remove", "shop.example.com"]).await?;
    says(&nginx, "shop.example.com", "pages").await?;
    assert_eq!(nginx.log_lines("rejected"), Vec::<String>::new());
    nginx.check_log()
}

/// Names and values, some of which the module takes, in the order in which they are written.
const PAIRS: [(&str, &str); 22] = [
    ("a.example", "web"),
    ("A.example", "web"),
    ("b.Example", "web"),
    ("b.example", "web"),
    ("*.example", "web"),
    ("www.example.*", "web"),
    (".example.org", "web"),
    ("*", "web"),
    ("*.a.*", "web"),
    ("a.*.b", "web"),
    ("a..b", "web"),
    ("a.", "web"),
    (".", "web"),
    ("with space", "web"),
    ("lists", "a 1, b 2"),
    ("twice", "a, a"),
    ("none", ""),
    ("weight", "a 1000000001"),
    ("break", "web\n"),
    ("breaks", "web\nweb"),
    ("tab", "web\t1"),
    ("long", "0123456789abcdefg"),
];

/// Writes each pair to the module's prefix, and by the command to another one; checks that the
/// module and the command agree.
async fn agree(parameters: &str, flags: &[&str]) -> Result<()> {
    let etcd = Etcd::start().await?;
    let nginx = start(&etcd, parameters).await?;
    let mut rejected_before = 0;
    for (number, (name, value)) in PAIRS.into_iter().enumerate() {
        etcd.put(format!("{ROUTES}{name}"), value).await?;
        let sentinel = format!("sentinel-{number}");
        etcd.put(format!("{ROUTES}{sentinel}"), "1").await?;
        says(&nginx, &sentinel, "1").await?;
        let map = nginx.status().await?.maps.remove("$service").ok_or("no such variable")?;
        let is_rejected = map.rejected_total > rejected_before;
        rejected_before = map.rejected_total;

        let arguments = [&["set", "--routes", "/mirror", name, value], flags].concat();
        let (code, said) = routes(&etcd.url(), &arguments).await?;
        ensure!(
            code == i32::from(is_rejected),
            "{parameters}: {name} {value:?}: {code}: {said}: {:?}",
            map.rejected
        );
        if is_rejected && !said.contains("differs in case alone") {
            let reason = map.rejected.unwrap_or_default();
            let reason = reason.split_once("rejected: ").ok_or("no reason")?.1;
            ensure!(said.contains(reason), "{name}: {said}: {reason}");
        }
    }
    ensure!(rejected_before > 0, "nothing was rejected");
    Ok(())
}

#[tokio::test]
async fn the_command_refuses_what_the_module_rejects() -> Result<()> {
    agree("max_length=16", &["--max-length=16"]).await?;
    agree("hostnames max_length=16", &["--hostnames", "--max-length=16"]).await
}

#[tokio::test]
async fn the_command_refuses_what_a_split_rejects() -> Result<()> {
    agree("split=$http_x_key", &["--split"]).await?;
    let etcd = Etcd::start().await?;
    let words = "would reject key \"/routes/a\" with this value: item 1 of the list is not NAME";
    refused(&etcd, &["set", "a", "web x", "--split"], words).await?;
    let long = "k".repeat(513);
    refused(&etcd, &["set", &long, "web"], "the key is too long: 513 bytes").await
}
