//! The names that keys give to peers.

/// What stands for `://` in a key.
const ENCODED: &str = "%3a%2f%2f";

/// The last path segment of Traefik's key with the address.
const URL: &str = "/url";

/// What stands behind the last slash.
pub(crate) fn last_segment(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

/// Where an encoded text begins in another one, in capital or in small letters.
fn find_encoded(text: &str, encoded: &str) -> Option<usize> {
    text.as_bytes()
        .windows(encoded.len())
        .position(|window| window.eq_ignore_ascii_case(encoded.as_bytes()))
}

/// The name of the peer, if the key's last path segment is an encoded URL: what stands before the
/// query.
pub(crate) fn name_of_url(key: &str) -> Option<&str> {
    let segment = last_segment(key);
    let scheme = &segment[..find_encoded(segment, ENCODED)?];
    if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let query = find_encoded(segment, "%3f").unwrap_or(segment.len());
    Some(&key[..key.len() - segment.len() + query])
}

/// The key with the weight of a peer whose address is in this key.
pub(crate) fn weight_key(url_key: &str) -> Option<String> {
    url_key.strip_suffix(URL).map(|name| format!("{name}/weight"))
}
