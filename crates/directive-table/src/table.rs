//! The table of the directives.

use core::ffi::CStr;

use crate::{
    Argument,
    Context::{Cluster, Http, Location, Main, Upstream},
    Directive, Parameter, argument, flag, value,
};

/// The directives that nginx reads, in the order of the reference. The handlers are in tables of
/// the module (`src/directives`), one for each protocol.
pub const DIRECTIVES: &[Directive] = &[
    Directive::new(
        c"etcd_cluster",
        &[Main, Http],
        "0.1.0",
        "defines an etcd cluster and how to reach it",
    )
    .arguments(&[argument("cluster", "*name*", "a text that is not empty")])
    .block()
    .several(),
    Directive::new(
        c"etcd",
        &[Upstream],
        "0.1.0",
        "takes the peers of the upstream from the keys below a prefix",
    )
    .arguments(&[CLUSTER, PREFIX])
    .parameters(ETCD),
    Directive::new(c"etcd_balance", &[Upstream], "0.1.0", "sets the load balancing method")
        .arguments(&[argument("method", "*method*", "one of the methods")])
        .of_words()
        .default("etcd_balance round_robin;"),
    Directive::new(
        c"etcd_defaults",
        &[Upstream],
        "0.1.0",
        "sets default parameters of peers from etcd",
    )
    .with_parameters(DEFAULTS),
    Directive::new(
        c"etcd_allow",
        &[Upstream],
        "0.1.0",
        "accepts only peers whose addresses are in the given networks",
    )
    .arguments(&[argument(
        "network",
        "*network*",
        "a network (10.0.0.0/8, 2001:db8::/32), an address or \"unix:\"",
    )])
    .repeated()
    .several()
    .default("— (all addresses)"),
    Directive::new(
        c"etcd_check",
        &[Upstream],
        "0.1.0",
        "enables active health checks of all peers",
    )
    .arguments(&[argument("check", "http | tcp", "\"http\" or \"tcp\"")])
    .parameters(CHECK),
    Directive::new(
        c"etcd_drain",
        &[Upstream],
        "0.1.0",
        "closes open connections to peers that are removed, drained or failing their \
checks",
    )
    .parameters(DRAIN),
    Directive::new(
        c"etcd_geo",
        &[Http],
        "0.1.0",
        "defines a variable that tells whether the client's address is in networks from \
etcd",
    )
    .arguments(&[VARIABLE, CLUSTER, PREFIX])
    .parameters(GEO)
    .several(),
    Directive::new(
        c"etcd_keepalive",
        &[Upstream],
        "0.1.0",
        "keeps idle connections to each peer open for later requests",
    )
    .arguments(&[argument("number of connections", "*connections*", "a number above 0")])
    .parameters(KEEPALIVE),
    Directive::new(c"etcd_select", &[Upstream], "0.1.0", "takes only peers with the given labels")
        .arguments(&[argument("label", "*key*=*value*", "KEY=VALUE")])
        .repeated()
        .default("— (all peers)"),
    Directive::new(c"etcd_sticky", &[Upstream], "0.1.0", "enables session affinity by a cookie")
        .with_parameters(STICKY),
    Directive::new(
        c"etcd_variable",
        &[Http],
        "0.1.0",
        "defines a variable whose value is the value of a key",
    )
    .arguments(&[
        VARIABLE,
        CLUSTER,
        argument("key", "*key*", "a key of up to 512 bytes, without control characters"),
    ])
    .parameters(VALUE)
    .several(),
    Directive::new(
        c"etcd_status",
        &[Location],
        "0.1.0",
        "returns the state of all upstreams, variables and networks",
    ),
];

/// Names a macro for a row of each directive inside a block `etcd_cluster`, which the module reads
/// itself: its setter, a function of `Block` in `src/directives/cluster/block.rs`, and its
/// [`Directive`].
///
/// The macro must take `$($setter:ident => $directive:expr;)*`. Setters have meaning only in the
/// module, descriptions only here.
#[macro_export]
macro_rules! with_cluster_directives {
    ($callback:ident) => {
        $callback! {
            set_endpoints => of_cluster(
                c"endpoint", "sets the URLs of the members of the cluster",
            ).arguments(&[argument("URL", "*url*", "http://HOST:PORT or https://HOST:PORT")])
            .repeated().several();

            set_connect_timeout => of_cluster(
                c"connect_timeout", "sets a timeout for establishing a connection to a member",
            ).arguments(&[argument("time", "*time*", "a time above 0")])
            .default("connect_timeout 2s;");

            set_trusted_certificate => of_cluster(
                c"ssl_trusted_certificate",
                "sets the CA certificates that verify the certificates of the members",
            ).arguments(&[FILE]).default("— (CA certificates of the system)");

            set_certificate => of_cluster(
                c"ssl_certificate", "sets the client certificate",
            ).arguments(&[FILE]);

            set_certificate_key => of_cluster(
                c"ssl_certificate_key", "sets the key of the client certificate",
            ).arguments(&[FILE]);

            set_name => of_cluster(
                c"ssl_name", "sets the name that certificates of the members must be valid for",
            ).arguments(&[NAME]).default("— (the host of the endpoint)");

            set_user => of_cluster(c"user", "sets the etcd user").arguments(&[NAME]);

            set_password_file => of_cluster(
                c"password_file", "sets the file with the password of the etcd user",
            ).arguments(&[FILE]);
        }
    };
}

macro_rules! describe_cluster {
    ($($setter:ident => $directive:expr;)*) => {
        /// The directives inside a block `etcd_cluster`.
        pub const CLUSTER_DIRECTIVES: &[Directive] = &[$($directive),*];
    };
}

with_cluster_directives!(describe_cluster);

const fn of_cluster(name: &'static CStr, summary: &'static str) -> Directive {
    Directive::new(name, &[Cluster], "0.1.0", summary)
}

const CLUSTER: Argument = argument("cluster", "*cluster*", "the name of an \"etcd_cluster\"");

const PREFIX: Argument = argument(
    "prefix",
    "*prefix*",
    "a prefix of keys of up to 512 bytes, longer than \"/\", without control characters and with \
     one \"/\" at its end at most",
);

const VARIABLE: Argument = argument(
    "variable name",
    "*$name*",
    "a dollar sign and letters, digits or underscores behind it",
);

const FILE: Argument = argument("file", "*file*", "the name of a file");

const NAME: Argument =
    argument("name", "*name*", "a text that is not empty and has no control characters");

const ETCD: &[Parameter] = &[
    value("zone", "*size*", "a size")
        .or("1m")
        .says("size of the shared memory that holds the peers"),
    value("state", "*file*", "the name of a file, without control characters")
        .says("file that keeps the last valid list of peers, for a start without etcd"),
    value("hold", "*time*", "a time").or("60s").says(
        "how long current peers are kept if etcd was wiped, restored or replaced and has no \
         valid peer",
    ),
    value("expiry_guard", "*percent*%", "a share from 1% to 99%")
        .says("keep peers if leases of more than this share of the keys expire together"),
    value("scheme", "*scheme*", "a scheme such as http or grpc, in lower case").says(
        "scheme of the endpoints to use if a value has several; without it `http`, or `https` if \
         there is no `http`",
    ),
    value("names", "all | first", "\"all\" or \"first\"").or("all").says(
        "which addresses of a host name are peers: all, or only the first one in the order of \
         addresses",
    ),
];

const DEFAULTS: &[Parameter] = &[
    value("weight", "*number*", "a number above 0").or("1").says("weight of the peer"),
    value("max_fails", "*number*", "a number").or("1").says(
        "failed attempts within `fail_timeout` that make the peer unavailable; 0 disables this",
    ),
    value("fail_timeout", "*time*", "a time")
        .or("10s")
        .says("time in which `max_fails` is counted, and for which the peer is then unavailable"),
    value("max_conns", "*number* | *$variable*", "a number or a variable")
        .or("0")
        .says("maximum number of open connections to the peer; 0 means no limit"),
    value("slow_start", "*time*", "a time").or("0").says(
        "time in which the weight of a peer that joins or recovers grows to its value; 0 \
         disables this",
    ),
];

const CHECK: &[Parameter] = &[
    value("method", "GET | HEAD", "GET or HEAD")
        .or("GET")
        .only_with("http")
        .says("method of the request"),
    value(
        "uri",
        "*uri*",
        "a path that begins with \"/\"; spaces, control characters, \"#\" and non-ASCII \
         characters must be escaped as %XX",
    )
    .or("/")
    .only_with("http")
    .says("URI of the request"),
    value("host", "*name*", "a name in ASCII without spaces and control characters")
        .only_with("http")
        .says("`Host` header of the request; by default the address of the peer"),
    value("status", "*codes*", "codes from 100 to 599 and ranges, as in \"200,204,300-399\"")
        .or("200-399")
        .only_with("http")
        .says("status codes that pass"),
    value("interval", "*time*", "a time above 0")
        .or("5s")
        .says("time between two checks of a peer"),
    value("timeout", "*time*", "a time above 0").or("1s").says("time after which a check fails"),
    value("fall", "*number*", "a number above 0")
        .or("3")
        .says("failed checks in a row after which the peer gets no requests"),
    value("rise", "*number*", "a number above 0")
        .or("2")
        .says("passed checks in a row after which it gets requests again"),
    flag("mandatory").says("a new peer gets requests only after its first passed check"),
    value("panic", "0 | 1", "0 or 1")
        .or("1")
        .says("1: if all peers fail their checks, use all of them; 0: use none"),
];

const DRAIN: &[Parameter] = &[
    value("timeout", "*time* | *$variable*", "a time of up to 90d, or a variable")
        .or("30s")
        .says("time in which connections can end by themselves"),
    value("spread", "*time* | *$variable*", "a time of up to 90d, or a variable")
        .or("10s")
        .says("time over which the remaining connections are closed evenly"),
    value("rate", "*number*/s", "connections a second, above 0, as in \"rate=50/s\"")
        .instead_of("spread")
        .says("maximum number of connections closed per second"),
    value(
        "on",
        "remove,drain,check",
        "one or more of \"remove\", \"drain\" and \"check\", separated by commas, each once",
    )
    .or("remove,drain,check")
    .says("events that start a drain"),
];

const GEO: &[Parameter] = &[
    value("empty", "0 | 1", "0 or 1")
        .or("0")
        .says("value of the variable if etcd has no key below the prefix"),
    value("zone", "*size*", "a size of at least 64k")
        .or("32m")
        .says("size of the shared memory that holds the networks"),
    value("initial", "*network*,…", "networks and addresses, separated by commas")
        .repeated()
        .says("networks to use until etcd has been read for the first time"),
    value("initial_file", "*file*", "the name of a file with networks")
        .says("file with such networks"),
    value(
        "origin",
        "*cluster*:*revision*",
        "a cluster's id and a revision, as in \"cdf818194e3a8c32:42\"",
    )
    .says("id of the cluster and revision that the initial networks are from"),
];

const KEEPALIVE: &[Parameter] = &[
    value("requests", "*number*", "a number")
        .or("1000")
        .says("maximum number of requests through one connection"),
    value("time", "*time*", "a time")
        .or("1h")
        .says("maximum time during which requests use one connection"),
    value("timeout", "*time*", "a time")
        .or("60s")
        .says("time after which an idle connection is closed"),
];

const STICKY: &[Parameter] = &[
    value("cookie", "*name*", "a name of letters, digits and !#$%&'*+-.^_`|~")
        .required()
        .says("name of the cookie"),
    value("expires", "*time* | max", "a time from 1s to 10y, or \"max\"")
        .says("time for which the browser keeps the cookie; `max` is 31 December 2037"),
    value("domain", "*domain*", "a host name, without variables").says("domain of the cookie"),
    value(
        "path",
        "*path*",
        "a path in ASCII that begins with \"/\", without control characters and \";\"",
    )
    .says("path of the cookie"),
    flag("httponly").says("adds the attribute `HttpOnly`"),
    flag("secure").says("adds the attribute `Secure`"),
    value("samesite", "strict | lax | none", "\"strict\", \"lax\" or \"none\"")
        .says("sets the attribute `SameSite`"),
    value("secret", "*text*", "a text that is not empty and has no control characters")
        .secret()
        .says("key of the hash in the cookie, the same on all routers"),
];

const VALUE: &[Parameter] = &[
    value("default", "*value*", "a value of the variable's type")
        .says("value of the variable if the key does not exist"),
    value("initial", "*value*", "a value of the variable's type")
        .says("value until etcd has been read for the first time; by default that of `default`"),
    value("type", "text | number | time", "\"text\", \"number\" or \"time\"")
        .or("text")
        .says("type of valid values"),
];

/// The directive of this name that nginx reads; to be called in constants.
///
/// # Panics
///
/// Where there is none.
pub const fn directive(name: &str) -> &'static Directive {
    find(DIRECTIVES, name)
}

/// As [`directive`], for one inside a block `etcd_cluster`.
///
/// # Panics
///
/// Where there is none.
pub const fn cluster_directive(name: &str) -> &'static Directive {
    find(CLUSTER_DIRECTIVES, name)
}

const fn find(table: &'static [Directive], name: &str) -> &'static Directive {
    let mut next = 0;
    while next < table.len() {
        if table[next].is_named(name) {
            return &table[next];
        }
        next += 1;
    }
    panic!("the table has no such directive")
}
