//! The table of the directives.

use core::ffi::CStr;

use crate::{
    Argument,
    Context::{Cluster, Http, Location, Main, Stream, StreamUpstream, Upstream},
    Directive, argument,
    check_parameters::CHECK,
    table_parameters::{DEFAULTS, DRAIN, ETCD, GEO, GROUP, KEEPALIVE, MAP, STICKY, VALUE},
};

/// The directives that nginx reads, in the order of the reference. The handlers are in tables of
/// the module (`src/directives`), one for each protocol.
pub const DIRECTIVES: &[Directive] = &[
    Directive::new(
        c"etcd_cluster",
        &[Main, Http, Stream],
        "0.1.0",
        "defines an etcd cluster and how to reach it",
    )
    .arguments(&[argument("cluster", "*name*", "a text that is not empty")])
    .block()
    .several(),
    Directive::new(
        c"etcd",
        &[Upstream, StreamUpstream],
        "0.1.0",
        "takes the peers of the upstream from the keys below a prefix",
    )
    .arguments(&[CLUSTER, PREFIX])
    .parameters(ETCD),
    Directive::new(
        c"etcd_balance",
        &[Upstream, StreamUpstream],
        "0.1.0",
        "sets the load balancing method",
    )
    .arguments(&[argument("method", "*method*", "one of the methods")])
    .of_words()
    .default("etcd_balance round_robin;"),
    Directive::new(
        c"etcd_defaults",
        &[Upstream, StreamUpstream],
        "0.1.0",
        "sets default parameters of peers from etcd",
    )
    .with_parameters(DEFAULTS),
    Directive::new(
        c"etcd_allow",
        &[Upstream, StreamUpstream],
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
        &[Upstream, StreamUpstream],
        "0.1.0",
        "enables active health checks of all peers",
    )
    .arguments(&[argument("check", "http | tcp | tls", "\"http\", \"tcp\" or \"tls\"")])
    .parameters(CHECK),
    Directive::new(
        c"etcd_drain",
        &[Upstream, StreamUpstream],
        "0.1.0",
        "closes open connections to peers that are removed, drained or failing their \
checks",
    )
    .parameters(DRAIN),
    Directive::new(
        c"etcd_geo",
        &[Http, Stream],
        "0.1.0",
        "defines a variable that tells whether the client's address is in networks from \
etcd",
    )
    .arguments(&[VARIABLE, CLUSTER, PREFIX])
    .parameters(GEO)
    .several(),
    Directive::new(
        c"etcd_group",
        &[Upstream, StreamUpstream],
        "0.1.0",
        "chooses among the peers of one group only",
    )
    .arguments(&[argument(
        "value",
        "*value*",
        "a text that may contain variables of nginx, before all parameters",
    )])
    .parameters(GROUP),
    Directive::new(
        c"etcd_keepalive",
        &[Upstream],
        "0.1.0",
        "keeps idle connections to each peer open for later requests",
    )
    .arguments(&[argument("number of connections", "*connections*", "a number above 0")])
    .parameters(KEEPALIVE),
    Directive::new(
        c"etcd_map",
        &[Http, Stream],
        "0.1.0",
        "defines a variable whose value is that of the key that another value names",
    )
    .arguments(&[
        argument("source", "*source*", "a text that may contain variables of nginx"),
        VARIABLE,
        CLUSTER,
        PREFIX,
    ])
    .parameters(MAP)
    .several(),
    Directive::new(
        c"etcd_select",
        &[Upstream, StreamUpstream],
        "0.1.0",
        "takes only peers with the given labels",
    )
    .arguments(&[argument("label", "*key*=*value*", "KEY=VALUE")])
    .repeated()
    .default("— (all peers)"),
    Directive::new(
        c"etcd_statistics",
        &[Upstream, StreamUpstream],
        "0.1.0",
        "counts responses, failures, bytes and times of each peer",
    )
    .arguments(&[argument("value", "on | off", "\"on\" or \"off\"")])
    .default("etcd_statistics on;"),
    Directive::new(c"etcd_sticky", &[Upstream], "0.1.0", "enables session affinity by a cookie")
        .with_parameters(STICKY),
    Directive::new(
        c"etcd_variable",
        &[Http, Stream],
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
