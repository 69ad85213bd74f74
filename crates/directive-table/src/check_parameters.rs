//! The parameters of `etcd_check`.

use crate::{Parameter, flag, value};

const TEXT: &str = "1 to 1024 bytes, with escapes as in \"PING\\r\\n\" and \"\\x00\"";

/// As the reference has them.
pub(crate) const CHECK: &[Parameter] = &[
    value("method", "GET | HEAD", "GET or HEAD")
        .or("GET")
        .only_with(&["http"])
        .says("method of the request"),
    value(
        "uri",
        "*uri*",
        "a path that begins with \"/\"; spaces, control characters, \"#\" and non-ASCII \
         characters must be escaped as %XX",
    )
    .or("/")
    .only_with(&["http"])
    .says("URI of the request"),
    value("host", "*name*", "a name in ASCII without spaces and control characters")
        .only_with(&["http"])
        .says("`Host` header of the request; by default the address of the peer"),
    value("status", "*codes*", "codes from 100 to 599 and ranges, as in \"200,204,300-399\"")
        .or("200-399")
        .only_with(&["http"])
        .says("status codes that pass"),
    value("name", "*name*", "a host name in ASCII")
        .only_with(&["tls"])
        .says("name in the handshake (SNI); by default none"),
    value("send", "*text*", TEXT)
        .only_with(&["tcp", "tls"])
        .says("what is sent on the connection; requires `expect`"),
    value("expect", "*text*", TEXT).only_with(&["tcp", "tls"]).says("what must be in the answer"),
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
