//! What names a key: texts, other maps, variables that change within a request.

use harness::*;

use super::{all_say, route, shown, with_map};

#[tokio::test]
async fn a_map_may_go_by_another_one_and_by_a_text() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nginx = Nginx::start(
        with_map(
            &etcd,
            "etcd_map $http_x_name $tenant main /tenants/ default=nobody;
             etcd_map $tenant-$arg_v $service main /routes/ default=none;
             map $service $shown { default $service; none '-'; }",
        )
        .server("location = /map { return 200 '<$service> $tenant $shown'; }"),
    )
    .await?;
    etcd.put("/tenants/example.com", "acme").await?;
    etcd.put(route("acme-"), "web").await?;
    etcd.put(route("acme-2"), "web-2").await?;
    for mut connection in nginx.connect_to_each().await? {
        for (path, name, expected) in [
            ("/map", "example.com", "<web> acme web"),
            ("/map?v=2", "example.com", "<web-2> acme web-2"),
            ("/map?v=3", "example.com", "<none> acme -"),
            ("/map", "example.org", "<none> nobody -"),
        ] {
            eventually(SOON, expected, async || {
                let answer = connection.get_with(path, &[("X-Name", name)]).await?;
                ensure!(answer.text() == expected, "{}", answer.text());
                Ok(())
            })
            .await?;
        }
    }
    nginx.check_log()
}

#[tokio::test]
async fn a_circle_of_maps_is_an_error_as_nginx_says_it() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nginx = Nginx::start(
        with_map(
            &etcd,
            "etcd_map $b $a main /a/; etcd_map $a $b main /b/;
             etcd_map $c $c main /a/; etcd_map $http_x_name $d main /a/ split=$d;
             map $native_b $native { default $native_b; }
             map $native $native_b { default $native; }",
        )
        .server(
            "location = /a { return 200 '<$a>'; } location = /c { return 200 '<$c>'; }
             location = /d { return 200 '<$d>'; } location = /native { return 200 '<$native>'; }
             location = /if-a { if ($a) { return 204; } return 200; }
             location = /if-native { if ($native) { return 204; } return 200; }
             location = /ok { return 200 fine; }",
        ),
    )
    .await?;
    etcd.put("/a/x", "y").await?;
    for mut connection in nginx.connect_to_each().await? {
        let mut ask = async |path| {
            let answer = connection.get_with(path, &[("X-Name", "x")]).await?;
            Ok::<_, Error>((answer.status, answer.text().len()))
        };
        let native = ask("/native").await?;
        for path in ["/a", "/c", "/d"] {
            assert_eq!(ask(path).await?, native, "{path}");
        }
        assert_eq!(ask("/if-a").await?, ask("/if-native").await?);
        assert_eq!(connection.get("/ok").await?.status, 200);
    }
    nginx.wait_for_log("cycle while evaluating variable").await?;
    Ok(())
}

#[tokio::test]
async fn volatile_variable_follows_what_changes_within_a_request() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nginx = Nginx::start(
        with_map(
            &etcd,
            "etcd_map $uri $fixed main /routes/ default=none;
             etcd_map $uri $changing main /routes/ default=none volatile;",
        )
        .server(
            "location = /first { set $before '$fixed $changing'; rewrite ^ /second last; }
             location = /second { return 200 '$before, $fixed $changing'; }",
        ),
    )
    .await?;
    etcd.put(route("/first"), "1").await?;
    etcd.put(route("/second"), "2").await?;
    eventually(SOON, "both are there", async || {
        let map = nginx.status().await?.maps.remove("$fixed").ok_or("no such variable")?;
        ensure!(map.entries == 2, "{map:?}");
        Ok(())
    })
    .await?;
    assert_eq!(nginx.get("/first").await?.text(), "1 1, 1 2");
    nginx.check_log()
}

#[tokio::test]
async fn maps_of_one_prefix_share_what_is_there() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nginx = Nginx::start(
        with_map(
            &etcd,
            "etcd_map $http_x_name $service main /routes/ default=none;
             etcd_map $arg_name $other main /routes/ default=nothing;
             etcd_map $arg_name $hosts main /routes/ hostnames;",
        )
        .server("location = /map { return 200 '<$service>'; }")
        .server("location = /others { return 200 '$other $hosts'; }"),
    )
    .await?;
    etcd.put(route("*.example.com"), "mask").await?;
    all_say(&nginx, &[("*.example.com", "mask"), ("a.example.com", "none")]).await?;
    for (name, expected) in
        [("*.example.com", "mask mask"), ("a.example.com", "nothing mask"), ("b", "nothing ")]
    {
        eventually(SOON, expected, async || {
            let answer = nginx.get(&format!("/others?name={name}")).await?;
            ensure!(answer.text() == expected, "{}", answer.text());
            Ok(())
        })
        .await?;
    }
    assert_eq!(shown(&nginx).await?.entries, 1);
    let line = nginx.wait_for_log("\"$service\", \"$other\": 1 entries").await?;
    assert!(!line.contains("$hosts"), "{line}");
    nginx.check_log()
}
