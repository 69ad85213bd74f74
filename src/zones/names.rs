//! The names of an upstream's zones: nginx keeps a zone over a reload if its name and its size are
//! the same.
//!
//! Peers in groups lie there in another way than others, and by another label they are in other
//! groups. Old workers go on with the zone of their cycle, so that a configuration with other
//! groups has a zone of another name.

use crate::config::{Etcd, GroupBy, GroupConf};

/// The name of the zone of a kind of an upstream with these groups.
pub(super) fn zone_name(kind: &str, etcd: &Etcd, group: Option<&GroupConf>) -> String {
    let of = format!("{}@{}:{}", etcd.upstream, etcd.cluster, etcd.prefix);
    match group.map(|group| &group.by) {
        None => format!("{kind}:{of}"),
        Some(GroupBy::Key) => format!("{kind}:{KEY}:{of}"),
        Some(GroupBy::Label(label)) => format!("{kind}:{LABEL}{}:{label}:{of}", label.len()),
    }
}

const KEY: &str = "by=key";
const LABEL: &str = "by=label-";

/// Whether a zone of the running cycle, which has this name, is of that kind and upstream, whatever
/// its groups.
pub(super) fn is_zone_of(kind: &str, etcd: &Etcd, name: &[u8]) -> bool {
    let of = format!("{}@{}:{}", etcd.upstream, etcd.cluster, etcd.prefix);
    let Some(rest) = name.strip_prefix(kind.as_bytes()).and_then(|rest| rest.strip_prefix(b":"))
    else {
        return false;
    };
    rest == of.as_bytes() || without_groups(rest) == Some(of.as_bytes())
}

/// What is behind the groups in a zone's name.
fn without_groups(name: &[u8]) -> Option<&[u8]> {
    if let Some(of) = name.strip_prefix(KEY.as_bytes()) {
        return of.strip_prefix(b":");
    }
    let rest = name.strip_prefix(LABEL.as_bytes())?;
    let colon = rest.iter().position(|&byte| byte == b':')?;
    let length: usize = str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
    rest.get(colon + 1..)?.get(length..)?.strip_prefix(b":")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{EtcdOptions, Otherwise},
        nginx::text::Text,
    };

    fn etcd(upstream: &str) -> Etcd {
        let options = EtcdOptions {
            zone_size: 1 << 20,
            state: None,
            hold: 0,
            scheme: None,
            is_one_address: false,
            expiry_guard: None,
        };
        let (cluster, prefix) = ("main".to_owned(), "/services/".to_owned());
        Etcd { upstream: upstream.to_owned(), cluster, prefix, options, place: String::new() }
    }

    fn grouped(by: GroupBy) -> GroupConf {
        GroupConf { text: Text::new("$service", ""), by, otherwise: Otherwise::Nobody }
    }

    #[test]
    fn a_zone_is_known_whatever_its_groups() {
        let web = etcd("web");
        let all = [
            None,
            Some(grouped(GroupBy::Key)),
            Some(grouped(GroupBy::Label("version".to_owned()))),
            Some(grouped(GroupBy::Label("a:b".to_owned()))),
        ];
        let names = all.each_ref().map(|group| zone_name("etcd", &web, group.as_ref()));
        assert_eq!(
            names.each_ref().map(|name| &**name),
            [
                "etcd:web@main:/services/",
                "etcd:by=key:web@main:/services/",
                "etcd:by=label-7:version:web@main:/services/",
                "etcd:by=label-3:a:b:web@main:/services/",
            ]
        );
        for name in &names {
            assert!(is_zone_of("etcd", &web, name.as_bytes()), "{name}");
            assert!(!is_zone_of("etcd", &etcd("eb"), name.as_bytes()), "{name}");
            assert!(!is_zone_of("etcd:statistics", &web, name.as_bytes()), "{name}");
        }
        for name in ["", "etcd", "etcd:by=label-9:", "etcd:by=label-x:a:web@main:/services/"] {
            assert!(!is_zone_of("etcd", &web, name.as_bytes()), "{name}");
        }
    }
}
