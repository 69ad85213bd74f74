//! Metrics of nginx and of its watcher.

use crate::metrics::table::{Family, Source::Head, gauge};

pub(super) static FAMILIES: [Family; 2] = [
    gauge(
        "nginx_etcd_build_info",
        "1; the labels say which module and which nginx run.",
        Head(|head, samples| {
            let labels = [("version", head.version), ("nginx_version", &*head.nginx_version)];
            samples.add(&labels, 1_u32);
        }),
    )
    .by("version, nginx_version"),
    gauge(
        "nginx_etcd_watcher_running",
        "1 while a worker has the watcher, 0 while none has.",
        Head(|head, samples| samples.one(head.watcher_pid.is_some())),
    ),
];
