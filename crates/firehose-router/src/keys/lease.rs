//! The lease of a key, as it is shown.

/// The id of a lease, as etcdctl writes it; `None` where there is none. As a number it would be too
/// large for many readers of JSON.
pub(crate) fn lease(id: i64) -> Option<String> {
    (id != 0).then(|| format!("{id:x}"))
}
