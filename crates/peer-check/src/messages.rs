//! What the log says of checks.

/// No check can be made for want of something that this process has not.
pub const NOT_MADE: &str = "could not run health checks: out of file descriptors, memory or \
                            ports; the state of peers is unchanged (the status counts such checks)";

/// All peers fail their checks, and are used.
pub const ALL_UNHEALTHY: &str =
    "all peers are unhealthy: health checks are ignored (\"panic=0\" turns this off)";

/// Not all of them do any longer.
pub const NOT_ALL_UNHEALTHY: &str =
    "not all peers are unhealthy: health checks are in effect again";

/// How lines name a peer: by its key, if it has one, and its address.
#[must_use]
pub fn name(key: Option<&str>, address: &str) -> String {
    match key {
        Some(key) => format!("peer \"{key}\" ({address})"),
        None => format!("server {address}"),
    }
}

/// A peer fails its checks.
#[must_use]
pub fn unhealthy(peer: &str, reason: &str) -> String {
    format!("{peer} is unhealthy: {reason}")
}

/// A peer passes its checks again.
#[must_use]
pub fn healthy(peer: &str) -> String {
    format!("{peer} is healthy again")
}

/// A peer that was not used before has passed its first check.
#[must_use]
pub fn first_passed(peer: &str) -> String {
    format!("{peer} passed its first check")
}

/// What the history says of a peer that fails its checks; of one without a key, which `server` it
/// is.
#[must_use]
pub fn fails(server: Option<&str>, reason: &str) -> String {
    of_server(server, &format!("fails its checks: {reason}"))
}

/// What the history says of a peer that passes its checks, again or for the first time.
#[must_use]
pub fn passes(server: Option<&str>) -> String {
    of_server(server, "passes its checks")
}

fn of_server(server: Option<&str>, text: &str) -> String {
    server.map_or_else(|| text.to_owned(), |server| format!("{server} {text}"))
}

#[cfg(test)]
mod tests {
    use super::{fails, first_passed, healthy, name, passes, unhealthy};

    #[test]
    fn messages_are_worded_so() {
        let (peer, server) = (name(Some("n1"), "10.0.0.1:80"), name(None, "10.0.0.1:80"));
        for (message, expected) in [
            (unhealthy(&peer, "status 500"), "peer \"n1\" (10.0.0.1:80) is unhealthy: status 500"),
            (unhealthy(&server, "status 500"), "server 10.0.0.1:80 is unhealthy: status 500"),
            (healthy(&peer), "peer \"n1\" (10.0.0.1:80) is healthy again"),
            (healthy(&server), "server 10.0.0.1:80 is healthy again"),
            (fails(None, "status 500"), "fails its checks: status 500"),
            (fails(Some(&server), "status 500"), "server 10.0.0.1:80 fails its checks: status 500"),
            (passes(None), "passes its checks"),
            (passes(Some(&server)), "server 10.0.0.1:80 passes its checks"),
            (first_passed(&peer), "peer \"n1\" (10.0.0.1:80) passed its first check"),
        ] {
            assert_eq!(message, expected);
        }
    }
}
