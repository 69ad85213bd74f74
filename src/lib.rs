//! `ngx_http_upstream_etcd_module`: nginx takes its upstream peers live from etcd.
//!
//! | file | what it is about |
//! |---|---|
//! | `conf` | the directives, and what they add up to |
//! | `zones` | the shared memory: made, kept and copied as cycles come and go |
//! | `peer` | nginx's upstream callbacks: a request gets a peer and gives it back |
//! | `upgrade` | which requests are upgraded |
//! | `drain` | the open connections of a peer that is being left are closed |
//! | `departures` | which peers have left, in whichever worker that was seen |
//! | `keepalive` | the idle connections of a worker, by peer |
//! | `connection_kind` | which connections to a peer are alike |
//! | `tls_sessions` | the TLS sessions of a worker with its peers |
//! | `hash_key` | what a request is hashed by |
//! | `sticky` | the cookie by which a client comes back to its peer |
//! | `variables`, `status`, `report` | what can be seen |
//! | `files` | what only root may read, for workers who are not |
//! | `process` | a worker's life: it joins the zones, and stands by to become the watcher |
//! | `watcher` | the thread that follows etcd and publishes |
//!
//! Everything that needs neither nginx nor the shared memory is in `crates/`.

#[cfg(all(feature = "injected-faults", not(debug_assertions)))]
compile_error!(
    "the feature \"injected-faults\" is for tests: a module that serves must not have it"
);

mod conf;
mod connection_kind;
mod departures;
mod drain;
mod event_source;
mod files;
mod hash_key;
mod keepalive;
mod log;
mod module;
mod monotonic;
mod peer;
mod process;
mod processes;
mod report;
mod socket_address;
mod status;
mod sticky;
mod ticker;
#[cfg_attr(not(ngx_feature = "http_ssl"), path = "tls_sessions/none.rs")]
mod tls_sessions;
mod upgrade;
mod variables;
mod watcher;
mod zones;
