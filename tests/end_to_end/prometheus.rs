//! What a real Prometheus reads from nginx.

mod contrib;
mod counters;
mod texts;

use std::path::{Path, PathBuf};

use harness::*;

/// A file of `contrib/`.
fn contrib(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib").join(name)
}

/// The status of this nginx, as the job `firehose-router`.
fn target(nginx: &Nginx, path: &'static str) -> Target {
    Target { job: "firehose-router", address: nginx.address(), path, query: &[] }
}
