//! The table of the directives.

use core::ffi::CStr;

use crate::{
    Argument,
    Context::{Cluster, Http, Location, Main, Upstream},
    Directive, Parameter, argument, flag, value,
};

/// Names a macro for a row of each directive that nginx reads: its handler, as
/// `file::function` of `src/directives`, and its [`Directive`].
///
/// The macro is to take `$($handler:path => $directive:expr;)*`. Handlers have meaning only in the
/// module, descriptions only here.
#[macro_export]
macro_rules! with_directives {
    ($callback:ident) => {
        $callback! {
            cluster::etcd_cluster => Directive::new(
                c"etcd_cluster", &[Main, Http], "0.1.0",
                "names a cluster of etcd, and says how it is reached",
            ).arguments(&[argument("cluster", "*name*", "a name, not empty")]).block();

            etcd::etcd => Directive::new(
                c"etcd", &[Upstream], "0.1.0",
                "has the upstream's peers follow the keys below a prefix",
            ).arguments(&[CLUSTER, PREFIX]).parameters(ETCD);

            balance::etcd_balance => Directive::new(
                c"etcd_balance", &[Upstream], "0.1.0",
                "chooses the balancing method",
            ).arguments(&[argument("method", "*method*", "one of the methods")]).of_words()
            .default("etcd_balance round_robin;");

            defaults::etcd_defaults => Directive::new(
                c"etcd_defaults", &[Upstream], "0.1.0",
                "sets the parameters of peers whose values do not set them",
            ).with_parameters(DEFAULTS);

            allow::etcd_allow => Directive::new(
                c"etcd_allow", &[Upstream], "0.1.0",
                "limits peers from etcd to networks",
            ).arguments(&[argument(
                "network", "*network*",
                "a network (10.0.0.0/8, 2001:db8::/32), an address or \"unix:\"",
            )]).repeated().default("— (everywhere)");

            check::etcd_check => Directive::new(
                c"etcd_check", &[Upstream], "0.1.0",
                "checks each peer, whether there are requests or not",
            ).arguments(&[argument("check", "http | tcp", "\"http\" or \"tcp\"")])
            .parameters(CHECK);

            drain::etcd_drain => Directive::new(
                c"etcd_drain", &[Upstream], "0.1.0",
                "closes the connections that are open to a peer which is left",
            ).parameters(DRAIN);

            geo::etcd_geo => Directive::new(
                c"etcd_geo", &[Http], "0.1.0",
                "defines a variable that says whether the client is in a network of etcd's",
            ).arguments(&[VARIABLE, CLUSTER, PREFIX]).parameters(GEO);

            keepalive::etcd_keepalive => Directive::new(
                c"etcd_keepalive", &[Upstream], "0.1.0",
                "keeps idle connections to each peer",
            ).arguments(&[argument(
                "number of connections", "*connections*", "a number above 0",
            )]).parameters(KEEPALIVE);

            sticky::etcd_sticky => Directive::new(
                c"etcd_sticky", &[Upstream], "0.1.0",
                "brings a client back to its peer by a cookie",
            ).with_parameters(STICKY);

            variable::etcd_variable => Directive::new(
                c"etcd_variable", &[Http], "0.1.0",
                "defines a variable whose value is that of a key",
            ).arguments(&[VARIABLE, CLUSTER, argument(
                "key", "*key*",
                "a key of up to 512 bytes, without control characters",
            )]).parameters(VALUE);

            status::etcd_status => Directive::new(
                c"etcd_status", &[Location], "0.1.0",
                "answers with the state of all upstreams",
            );
        }
    };
}

macro_rules! describe {
    ($($handler:path => $directive:expr;)*) => {
        /// The directives that nginx reads, in the order of the reference.
        pub const DIRECTIVES: &[Directive] = &[$($directive),*];
    };
}

with_directives!(describe);

/// The directives inside a block `etcd_cluster`, which the module reads itself.
pub const CLUSTER_DIRECTIVES: &[Directive] = &[
    of_cluster(c"endpoint", "names members of the cluster")
        .arguments(&[argument("URL", "*url*", "http://HOST:PORT or https://HOST:PORT")])
        .repeated(),
    of_cluster(c"connect_timeout", "limits how long a connection may take to come about")
        .arguments(&[argument("time", "*time*", "a time above 0")])
        .default("connect_timeout 2s;"),
    of_cluster(c"ssl_trusted_certificate", "names the authorities that etcd's certificate is from")
        .arguments(&[FILE])
        .default("— (the system's authorities)"),
    of_cluster(c"ssl_certificate", "names the router's certificate").arguments(&[FILE]),
    of_cluster(c"ssl_certificate_key", "names the key of the router's certificate")
        .arguments(&[FILE]),
    of_cluster(c"ssl_name", "sets the name that etcd's certificate must be for")
        .arguments(&[NAME])
        .default("— (the endpoint's host)"),
    of_cluster(c"user", "sets the user of etcd's").arguments(&[NAME]),
    of_cluster(c"password_file", "names the file with the user's password").arguments(&[FILE]),
];

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

const NAME: Argument = argument("name", "*name*", "a text without control characters");

const ETCD: &[Parameter] = &[
    value("zone", "*size*", "a size").or("1m"),
    value("state", "*file*", "the name of a file, without control characters"),
    value("hold", "*time*", "a time").or("60s"),
    value("expiry_guard", "*percent*%", "a share from 1% to 99%"),
];

const DEFAULTS: &[Parameter] = &[
    value("weight", "*number*", "a number above 0").or("1"),
    value("max_fails", "*number*", "a number").or("1"),
    value("fail_timeout", "*time*", "a time").or("10s"),
    value("max_conns", "*number* | *$variable*", "a number or a variable").or("0"),
    value("slow_start", "*time*", "a time").or("0"),
];

const CHECK: &[Parameter] = &[
    value("method", "GET | HEAD", "GET or HEAD").or("GET").only_with("http"),
    value(
        "uri",
        "*uri*",
        "a path that begins with \"/\", with spaces, control characters, \"#\" and what is not \
         ASCII escaped",
    )
    .or("/")
    .only_with("http"),
    value("host", "*name*", "a name in ASCII without spaces and control characters")
        .only_with("http"),
    value("status", "*codes*", "codes from 100 to 599 and ranges, as in \"200,204,300-399\"")
        .or("200-399")
        .only_with("http"),
    value("interval", "*time*", "a time above 0").or("5s"),
    value("timeout", "*time*", "a time above 0").or("1s"),
    value("fall", "*number*", "a number above 0").or("3"),
    value("rise", "*number*", "a number above 0").or("2"),
    flag("mandatory"),
    value("panic", "0 | 1", "0 or 1").or("1"),
];

const DRAIN: &[Parameter] = &[
    value("timeout", "*time* | *$variable*", "a time of up to 90d, or a variable").or("30s"),
    value("spread", "*time* | *$variable*", "a time of up to 90d, or a variable").or("10s"),
    value("rate", "*number*/s", "connections a second, above 0, as in \"rate=50/s\"")
        .instead_of("spread"),
    value(
        "on",
        "remove,drain,check",
        "one or more of \"remove\", \"drain\" and \"check\", separated by commas, each once",
    )
    .or("remove,drain,check"),
];

const GEO: &[Parameter] = &[
    value("empty", "0 | 1", "0 or 1").or("0"),
    value("zone", "*size*", "a size of at least 64k").or("32m"),
    value("initial", "*network*,…", "networks and addresses, separated by commas").repeated(),
    value("initial_file", "*file*", "the name of a file with networks"),
    value(
        "origin",
        "*cluster*:*revision*",
        "a cluster's id and a revision, as in \"cdf818194e3a8c32:42\"",
    ),
];

const KEEPALIVE: &[Parameter] = &[
    value("requests", "*number*", "a number").or("1000"),
    value("time", "*time*", "a time").or("1h"),
    value("timeout", "*time*", "a time").or("60s"),
];

const STICKY: &[Parameter] = &[
    value("cookie", "*name*", "a name of letters, digits and !#$%&'*+-.^_`|~").required(),
    value("expires", "*time* | max", "a time from 1s to 10y, or \"max\""),
    value("domain", "*domain*", "a host name, without variables"),
    value(
        "path",
        "*path*",
        "a path in ASCII that begins with \"/\", without control characters and \";\"",
    ),
    flag("httponly"),
    flag("secure"),
    value("samesite", "strict | lax | none", "\"strict\", \"lax\" or \"none\""),
    value("secret", "*text*", "not empty, and without control characters").secret(),
];

const VALUE: &[Parameter] = &[
    value("default", "*value*", "a value of the variable's type"),
    value("initial", "*value*", "a value of the variable's type"),
    value("type", "text | number | time", "\"text\", \"number\" or \"time\"").or("text"),
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
        if is_same(table[next].name.as_bytes(), name.as_bytes()) {
            return &table[next];
        }
        next += 1;
    }
    panic!("the table has no such directive")
}

/// `==`, which constants do not have for texts.
const fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut next = 0;
    while next < one.len() {
        if one[next] != other[next] {
            return false;
        }
        next += 1;
    }
    true
}
