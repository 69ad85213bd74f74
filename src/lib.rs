//! `ngx_http_upstream_etcd_module`: nginx takes its upstream peers live from etcd.
//!
//! Each directory uses those below it and none above.
//!
//! | directory | what it is about |
//! |---|---|
//! | `module` | what nginx loads |
//! | `directives/http`, `directives/stream` | the directives of the modules of these protocols |
//! | `directives` | one file for each directive, and what they add up to, for any protocol |
//! | `status` | what `etcd_status` answers; in `status/http` the request |
//! | `process` | a worker's life: it joins the zones, and stands by to become the watcher |
//! | `watcher` | the thread that follows etcd and publishes |
//! | `http` | a request of HTTP's: it gets a peer and gives it back |
//! | `stream` | a session of stream's, over TCP or UDP: the same |
//! | `upstream` | what a worker has of each upstream while it runs |
//! | `live` | values and networks from etcd that requests read |
//! | `zones` | the shared memory: made, kept and copied as cycles come and go |
//! | `files` | what only root may read, for workers who are not |
//! | `config` | plain settings |
//! | `nginx` | what is only about nginx |
//!
//! Everything that needs neither nginx nor the shared memory is in `crates/`.

#[cfg(all(feature = "injected-faults", not(debug_assertions)))]
compile_error!(
    "the feature \"injected-faults\" is for tests: a module that serves must not have it"
);

mod config;
mod directives;
mod files;
mod http;
mod live;
mod module;
mod nginx;
mod process;
mod status;
#[cfg(stream)]
mod stream;
mod upstream;
mod watcher;
mod zones;
