//! What frameworks and their registries write. The texts are what the writers' types serialize to.

use upstream_peers::{MAX_LONG_VALUE_LENGTH, MAX_VALUE_LENGTH};

use super::*;

/// A `ServiceInstance` of kratos v2, as `contrib/registry/etcd/registry.go` at 16c2f3959 writes it.
const KRATOS: &str = concat!(
    r#"{"id":"5b1a","name":"helloworld","version":"v1.0.0","metadata":{"weight":"20","zone":"a"},"#,
    r#""endpoints":["http://10.0.0.7:8000?isSecure=false","grpc://10.0.0.7:9000?isSecure=false"]}"#,
);

#[test]
fn kratos_has_an_endpoint_for_each_scheme() {
    let labels = r#"{"version":"v1.0.0","weight":"20","zone":"a"}"#;
    assert_eq!(read("helloworld/5b1a", KRATOS), [format!("10.0.0.7:8000 weight=20 {labels}")]);
    assert_eq!(
        try_read("k", KRATOS, Some("grpc")),
        Ok(vec![format!("10.0.0.7:9000 weight=20 {labels}")])
    );
    assert_eq!(
        reason("k", KRATOS, Some("https")),
        "no endpoint with scheme \"https\": there is \"grpc, http\" (see \"scheme\" of \"etcd\")"
    );
    let secure = KRATOS.replace("isSecure=false", "isSecure=true");
    assert_eq!(read("k", &secure).len(), 1, "https, where there is no http");
    assert_eq!(try_read("k", &secure, Some("grpcs")).map(|it| it.len()), Ok(1));
    let metadata = r#"{"endpoints":["http://a.b:1","http://a.b:2"],"metadata":null}"#;
    assert_eq!(read("k", metadata), ["a.b:1", "a.b:2"]);
    let only_grpc = r#"{"endpoints":["grpc://10.0.0.7:9000"]}"#;
    assert!(reason("k", only_grpc, None).contains("scheme \"http or https\": there is \"grpc\""));
    for (value, expected) in [
        (r#"{"endpoints":[]}"#, "no endpoint with scheme"),
        (r#"{"endpoints":["10.0.0.7:80"]}"#, "is not a URL"),
        (r#"{"endpoints":"http://10.0.0.7:80"}"#, "it must be a list of URLs"),
        (r#"{"endpoints":[1]}"#, "it must be a string"),
        (r#"{"endpoints":["http://a b"]}"#, "invalid host"),
        (r#"{"endpoints":["http://a.b"],"metadata":{"weight":1.5}}"#, "invalid \"weight\" \"1.5\""),
        (r#"{"endpoints":null}"#, "it must be a list of URLs"),
    ] {
        assert!(reason("k", value, None).contains(expected), "{value}");
    }
}

/// A `Service` of go-micro with a `Node`, by `encode` of `registry/etcd/etcd.go` at 0320fc1b5.
fn go_micro(endpoints: &str) -> String {
    [
        r#"{"name":"greeter","version":"latest","metadata":{"team":"x"},"endpoints":["#,
        endpoints,
        r#"],"nodes":[{"metadata":{"broker":"http","protocol":"grpc","registry":"etcd"},"#,
        r#""id":"greeter-1","address":"10.0.0.7:41021"},"#,
        r#"{"metadata":null,"id":"greeter-2","address":"[2001:db8::1]:41021"}]}"#,
    ]
    .concat()
}

#[test]
fn go_micro_has_nodes_and_may_be_long() {
    let endpoint = concat!(
        r#"{"name":"Greeter.Hello","request":{"name":"Request","type":"Request","values":"#,
        r#"[{"name":"name","type":"string","values":null}]},"response":null,"metadata":{}}"#,
    );
    let expected = [
        concat!(
            r#"10.0.0.7:41021 {"broker":"http","protocol":"grpc","registry":"etcd","team":"x","#,
            r#""version":"latest"}"#
        ),
        r#"[2001:db8::1]:41021 {"team":"x","version":"latest"}"#,
    ];
    assert_eq!(read("greeter/greeter-1", &go_micro(endpoint)), expected);
    let long = go_micro(&[endpoint; 60].join(","));
    assert!(long.len() > 2 * MAX_VALUE_LENGTH && long.len() < MAX_LONG_VALUE_LENGTH);
    assert_eq!(read("greeter/greeter-1", &long), expected);
    let too_long = go_micro(&[endpoint; 500].join(","));
    assert!(too_long.len() > MAX_LONG_VALUE_LENGTH);
    assert!(reason("k", &too_long, None).ends_with("the maximum is 65536"));
    for nodes in ["[]", "{}", "null", "[1]", r#"[{"id":"a"}]"#] {
        let value = format!(r#"{{"name":"greeter","nodes":{nodes}}}"#);
        assert!(reason("k", &value, None).contains("invalid \"nodes\""), "{value}");
    }
}

#[test]
fn kitex_and_hertz_name_network_address_weight_and_tags() {
    // `InstanceInfo` of cwgo-pkg, `registry/etcd/etcdkitex/etcd_registry.go` at 7ea523869, which
    // registry-etcd of kitex-contrib uses (at 013ce15b6), and that of hertz-contrib.
    let value = r#"{"network":"tcp","address":"10.0.0.7:8888","weight":10,"tags":{"group":"a"}}"#;
    let key = "kitex/registry-etcd/hello/10.0.0.7:8888";
    assert_eq!(read(key, value), [r#"10.0.0.7:8888 weight=10 {"group":"a"}"#]);
    let unset = r#"{"network":"tcp","address":"10.0.0.7:8888","weight":0,"tags":null}"#;
    assert_eq!(read(key, unset), ["10.0.0.7:8888"]);
    let unix = r#"{"network":"unix","address":"/run/a.sock","weight":10,"tags":null}"#;
    assert_eq!(read("k", unix), ["unix:/run/a.sock weight=10"]);
    let udp = r#"{"network":"udp","address":"10.0.0.7:8888","weight":10,"tags":null}"#;
    assert!(reason("k", udp, None).starts_with("invalid \"network\" \"udp\": it must be \"tcp\""));
    let in_stream = Reading { is_stream: true, ..Reading::default() };
    assert!(parse_value("k", udp.as_bytes(), &in_stream).is_ok());
    let wrong = r#"{"network":"ip","address":"10.0.0.7:8888","weight":10,"tags":null}"#;
    let error = parse_value("k", wrong.as_bytes(), &in_stream).expect_err("no such network");
    assert!(error.to_string().ends_with("it must be \"tcp\", \"udp\", \"http\" or \"ws\""));
    let word = r#"{"network":"tcp","address":"node","weight":10,"tags":null}"#;
    assert!(reason("k", word, None).contains("requires a port, HOST:PORT"));
}

/// `DefaultServiceInstance` of dubbo-go v3, `registry/service_instance.go` at 01e2b85e3.
const DUBBO: &str = concat!(
    r#"{"ID":"10.0.0.7:20000","ServiceName":"app","Host":"10.0.0.7","Port":20000,"Weight":0,"#,
    r#""Enable":true,"Healthy":true,"Metadata":{"dubbo.endpoints":"[{\"port\":20000,"#,
    r#"\"protocol\":\"dubbo\"},{\"port\":50051,\"protocol\":\"tri\"}]","version":"2"},"#,
    r#""ServiceMetadata":null,"Address":"10.0.0.7:20000","GroupName":"g","Tag":"gray"}"#,
);

#[test]
fn dubbo_instances_may_be_disabled_or_unhealthy() {
    let read = |value: &str| {
        let server = read("app/10.0.0.7:20000", value).concat();
        server.split(" {").next().unwrap_or_default().to_owned()
    };
    assert_eq!(read(DUBBO), "10.0.0.7:20000");
    let labels = super::read("k", DUBBO).concat();
    for label in [r#""group":"g""#, r#""tag":"gray""#, r#""version":"2""#, r#""service":"app""#] {
        assert!(labels.contains(label), "{labels}");
    }
    for off in ["Enable", "Healthy"] {
        let value = DUBBO.replace(&format!("\"{off}\":true"), &format!("\"{off}\":false"));
        assert_eq!(read(&value), "10.0.0.7:20000 down");
    }
    assert_eq!(read(&DUBBO.replace("\"Weight\":0", "\"Weight\":50")), "10.0.0.7:20000 weight=50");
    assert_eq!(read(&DUBBO.replace("\"Weight\":0", "\"Weight\":-1")), "10.0.0.7:20000");
    let tri = try_read("k", DUBBO, Some("tri")).expect("its port");
    assert!(tri[0].starts_with("10.0.0.7:50051 {"), "{tri:?}");
    assert!(reason("k", DUBBO, Some("http")).contains("there is \"dubbo, tri\""));
    let wrong = DUBBO.replace("\"Port\":20000", "\"Port\":0");
    assert!(reason("k", &wrong, None).contains("invalid \"Port\" \"0\""));
}

#[test]
fn patroni_members_serve_while_they_run() {
    // What `touch_member` of Patroni, `patroni/ha.py` at 002a3fb6c, writes, with what newer ones
    // add: `replication_state`, and `primary` for the role that was `master`.
    let value = concat!(
        r#"{"conn_url":"postgres://10.0.0.7:5432/postgres","api_url":"http://10.0.0.7:8008/patroni","#,
        r#""state":"running","role":"replica","version":"4.0.6","xlog_location":67108960,"#,
        r#""replication_state":"streaming","timeline":3,"tags":{"clonefrom":true}}"#,
    );
    let labels = concat!(
        r#"{"clonefrom":"true","replication_state":"streaming","role":"replica","#,
        r#""state":"running","timeline":"3","version":"4.0.6"}"#
    );
    assert_eq!(read("postgresql1", value), [format!("10.0.0.7:5432 {labels}")]);
    for state in ["starting", "stopped", "start failed", "creating replica"] {
        let server = read("k", &value.replace("running", state)).concat();
        assert!(server.starts_with("10.0.0.7:5432 down {"), "{server}");
    }
    let none = value.replace("clonefrom", "noloadbalance");
    assert!(read("k", &none).concat().starts_with("10.0.0.7:5432 down {"));
    let primary = none.replace("\"replica\"", "\"primary\"");
    assert!(read("k", &primary).concat().starts_with("10.0.0.7:5432 {"));
    for role in ["primary", "master"] {
        let server = read("k", &value.replace("replica\"", &format!("{role}\""))).concat();
        assert!(server.contains(r#""role":"primary""#), "{server}");
    }
    assert_eq!(
        read("k", r#"{"conn_url":"postgres://[::1]/postgres","state":"running"}"#),
        [r#"[::1]:5432 {"state":"running"}"#]
    );
}

#[test]
fn dolphin_scheduler_says_that_a_server_is_busy() {
    // A worker's heartbeat in DolphinScheduler: `BaseHeartBeat` of `dolphinscheduler-common` at
    // 91b31fa3e, `ServerStatus` at 12839498b.
    let value = concat!(
        r#"{"processId":7,"startupTime":1,"reportTime":2,"jvmCpuUsage":0.1,"cpuUsage":0.2,"#,
        r#""jvmMemoryUsage":0.3,"memoryUsage":0.4,"diskUsage":0.5,"serverStatus":"NORMAL","#,
        r#""host":"10.0.0.7","port":1234,"workerHostWeight":100,"threadPoolUsage":0.0,"#,
        r#""workerGroup":"default"}"#,
    );
    let labels = |status: &str| format!(r#"{{"serverStatus":"{status}","workerGroup":"default"}}"#);
    let normal = format!("10.0.0.7:1234 weight=100 {}", labels("NORMAL"));
    assert_eq!(read("worker/10.0.0.7:1234", value), [normal]);
    let busy = format!("10.0.0.7:1234 weight=100 down {}", labels("BUSY"));
    assert_eq!(read("k", &value.replace("NORMAL", "BUSY")), [busy]);
    // `WorkerHeartBeat` of an older one, at 15820e3b0: 0 is normal, and the address is in the key.
    let value = r#"{"startupTime":1,"serverStatus":0,"processId":7,"workerHostWeight":100}"#;
    let key = "worker/default/10.0.0.7:1234";
    assert_eq!(read(key, value), [r#"10.0.0.7:1234 weight=100 {"serverStatus":"0"}"#]);
    let busy = value.replace(":0,", ":2,");
    assert_eq!(read(key, &busy), [r#"10.0.0.7:1234 weight=100 down {"serverStatus":"2"}"#]);
    assert!(reason("k", value, None).contains("the key does not end in HOST:PORT"));
}

#[test]
fn scalingo_hosts_have_private_and_public_ports() {
    // `Host` of Scalingo's etcd-discovery, `service/host.go` at 09ccdddbf.
    let value = concat!(
        r#"{"name":"public.example","service_name":"web","ports":{"http":"80","https":"443"},"#,
        r#""user":"me","password":"secret","public":true,"private_hostname":"10.0.0.7","#,
        r#""private_ports":{"http":"8080"},"uuid":"u-10.0.0.7"}"#,
    );
    assert_eq!(read("web/u", value), [r#"10.0.0.7:8080 {"service":"web"}"#]);
    let public = r#"{"name":"web.example","service_name":"web","ports":{"https":"443"}}"#;
    assert_eq!(read("web/u", public), [r#"web.example:443 {"service":"web"}"#]);
    assert_eq!(
        try_read("k", r#"{"name":"a.b","ports":{"http":"1","ws":"2"}}"#, Some("ws")),
        Ok(vec!["a.b:2".to_owned()])
    );
    for ports in [r#"{"http":"x"}"#, r#"{"http":0}"#, "[]", "{}", r#"{"ftp":"21"}"#] {
        let value = format!(r#"{{"name":"a.b","password":"secret","ports":{ports}}}"#);
        let reason = reason("k", &value, None);
        assert!(!reason.contains("secret"), "{reason}");
    }
}
