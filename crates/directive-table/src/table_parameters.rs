//! The parameters of the directives.

use crate::{Parameter, flag, value};

pub(crate) const ETCD: &[Parameter] = &[
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

pub(crate) const DEFAULTS: &[Parameter] = &[
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

pub(crate) const DRAIN: &[Parameter] = &[
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

pub(crate) const GEO: &[Parameter] = &[
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

pub(crate) const KEEPALIVE: &[Parameter] = &[
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

pub(crate) const GROUP: &[Parameter] = &[
    value(
        "by",
        "key | label:*name*",
        "\"key\" or \"label:\" with the name of a label",
    )
    .or("key")
    .says(
        "what names the group of a peer: the first segment of its key below the prefix, or a label",
    ),
    value(
        "else",
        "none | any | *group*",
        "\"none\", \"any\" or the name of a group of up to 255 bytes, without variables",
    )
    .or("none")
    .says(
        "peers to use if the group is unknown or empty: none, those of any group, or those of this \
         group",
    ),
    value(
        "settings",
        "*prefix*",
        "a prefix of keys of up to 512 bytes, longer than \"/\", without control characters and \
         with one \"/\" at its end at most",
    )
    .says("prefix of the keys whose values are settings of groups; by default there are none"),
];

pub(crate) const MAP: &[Parameter] = &[
    flag("hostnames")
        .says("keys may be names of hosts with a mask: `*.example.com`, `.example.com`, `www.*`"),
    value("default", "*value*", "a text without variables and control characters")
        .says("value of the variable if no key matches; otherwise it is empty"),
    value("split", "*text*", "a text that is not empty and may contain variables of nginx").says(
        "values are lists of names with weights, and this text, evaluated for the request, chooses \
         one of them",
    ),
    flag("volatile").says("the variable is evaluated anew each time it is used"),
    flag("secret").says(
        "values may have several lines, are overwritten when they are replaced, and are kept out \
         of core dumps",
    ),
    value("state", "*file*", "the name of a file, without control characters")
        .instead_of("secret")
        .says("file that keeps the last valid values, for a start without etcd"),
    value("zone", "*size*", "a size of at least 64k")
        .or("1m")
        .says("size of the shared memory that holds the keys and values"),
    value("max_length", "*size*", "a size from 1 to 1m")
        .or("4k")
        .says("length of the longest value"),
];

pub(crate) const STICKY: &[Parameter] = &[
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

pub(crate) const VALUE: &[Parameter] = &[
    value("default", "*value*", "a value of the variable's type")
        .says("value of the variable if the key does not exist"),
    value("initial", "*value*", "a value of the variable's type")
        .says("value until etcd has been read for the first time; by default that of `default`"),
    value("type", "text | number | time", "\"text\", \"number\" or \"time\"")
        .or("text")
        .says("type of valid values"),
];
