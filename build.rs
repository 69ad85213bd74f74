//! Turns the version and the features of the nginx that is built against into cfgs, so that what
//! differs between versions can be told apart where it is used.

use std::env;

/// Versions of nginx from which on something that the module uses is different:
/// `major * 1_000_000 + minor * 1_000 + patch`.
const VERSIONS: &[(&str, u64)] = &[
    // `server NAME resolve` leaves a server without addresses, and its name in `host`.
    ("nginx1_27_3", 1_027_003),
    // `sticky`, and with it `route` and `drain` of a `server`, and `hint` and `sid` between it and
    // a balancer.
    ("nginx1_29_6", 1_029_006),
    // Connections to peers are kept where nothing is said (https://nginx.org/en/CHANGES).
    ("nginx1_29_7", 1_029_007),
    // `sndbuf` of `ngx_peer_connection_t` (`proxy_socket_sndbuf`).
    ("nginx1_31_3", 1_031_003),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DEP_NGINX_FEATURES");
    println!("cargo::rerun-if-env-changed=DEP_NGINX_VERSION_NUMBER");

    let features_check =
        env::var("DEP_NGINX_FEATURES_CHECK").expect("nginx-sys says which features it knows");
    println!("cargo::rustc-check-cfg=cfg(ngx_feature, values({features_check}))");
    let features =
        env::var("DEP_NGINX_FEATURES").expect("nginx-sys says which features nginx was built with");
    for feature in features.split(',').map(str::trim).filter(|feature| !feature.is_empty()) {
        println!("cargo::rustc-cfg=ngx_feature=\"{feature}\"");
    }

    let version: u64 = env::var("DEP_NGINX_VERSION_NUMBER")
        .expect("nginx-sys says which nginx it is")
        .trim()
        .parse()
        .expect("nginx's version is a number");
    for (name, since) in VERSIONS {
        println!("cargo::rustc-check-cfg=cfg({name})");
        if version >= *since {
            println!("cargo::rustc-cfg={name}");
        }
    }
}
