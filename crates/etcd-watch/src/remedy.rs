//! What to do about trouble, in words.

use crate::cluster::ClusterConfig;
use crate::list::Range;
use crate::trouble::{Kind, REASON_LENGTH, Trouble, one_line};

/// The longest remedy in characters, so that there is room for etcd's own words behind it.
const REMEDY_LENGTH: usize = 220;

/// The trouble in one line without secrets: where its kind is known, what is wrong and what mends it, and then how etcd or the system put it.
pub(crate) fn reason(trouble: &Trouble, config: &ClusterConfig, range: &Range) -> String {
    let endpoint = trouble.endpoint.as_deref().unwrap_or("the endpoint");
    let Some(remedy) = remedy(trouble.kind, config, endpoint, range) else {
        return trouble.said.clone();
    };
    let remedy: String = one_line(&remedy).chars().take(REMEDY_LENGTH).collect();
    let room = REASON_LENGTH - remedy.chars().count() - " ()".len();
    let said: String = trouble.said.chars().take(room).collect();
    format!("{remedy} ({said})")
}

fn remedy(kind: Kind, config: &ClusterConfig, endpoint: &str, range: &Range) -> Option<String> {
    let user = config.login.as_ref().map(|login| login.user.as_str());
    let tls = &config.tls;
    Some(match kind {
        Kind::Broken | Kind::Other | Kind::Compacted | Kind::TooMany | Kind::File => return None,
        Kind::ConnectionRefused => {
            format!("nothing listens at {endpoint}: start etcd there, or correct \"endpoint\"")
        }
        Kind::Late => format!("{endpoint} does not answer: see to its machine, its load and the network"),
        Kind::Slow => {
            format!("{endpoint} answers too slowly: see to its machine, its load and the network")
        }
        Kind::NameUnresolved => {
            format!("the host of {endpoint} cannot be resolved: see to DNS, or correct \"endpoint\"")
        }
        Kind::NoQuorum => {
            format!(
                "the member at {endpoint} does not reach its quorum: see to the other members and the network"
            )
        }
        Kind::NoTls => {
            format!("{endpoint} speaks no TLS: begin its URL with \"http://\", or have etcd use TLS")
        }
        // What a member says against a certificate is lost if it closes before that is read.
        Kind::NoHttp2 if endpoint.starts_with("https://") => {
            let certificate = match &tls.identity {
                Some(identity) => format!(
                    "if it does not take ssl_certificate \"{}\", renew it",
                    identity.certificate.display()
                ),
                None => "if it asks for a certificate, set \"ssl_certificate\"".to_owned(),
            };
            format!(
                "{endpoint} ends the connection: if it speaks no TLS, begin its URL with \"http://\"; {certificate}"
            )
        }
        Kind::NoHttp2 => format!(
            "what listens at {endpoint} ends the connection: if it asks for TLS, begin its URL with \"https://\""
        ),
        Kind::UntrustedCertificate => match &tls.trusted_certificate {
            Some(file) => format!(
                "the certificate of {endpoint} is not signed by ssl_trusted_certificate \"{}\": put its authority in there",
                file.display()
            ),
            None => format!(
                "the certificate of {endpoint} is not signed by an authority of the system: name its own with \"ssl_trusted_certificate\""
            ),
        },
        Kind::ExpiredCertificate => {
            format!("the certificate of {endpoint} has expired: renew etcd's certificate")
        }
        Kind::FutureCertificate => {
            format!("the certificate of {endpoint} is not valid yet: see to the clocks here and there")
        }
        Kind::OtherName => match &tls.name {
            Some(name) => format!(
                "the certificate of {endpoint} is not for ssl_name \"{name}\": set a name that it is for, or renew it with this one"
            ),
            None => format!(
                "the certificate of {endpoint} is not for this host: set \"ssl_name\" to a name that it is for, or renew it"
            ),
        },
        Kind::BadCertificate => format!("the certificate of {endpoint} cannot be used: renew it there"),
        Kind::ClientCertificate => match &tls.identity {
            Some(identity) => format!(
                "{endpoint} does not take ssl_certificate \"{}\" (it may have expired, or be signed by an authority unknown there): renew it",
                identity.certificate.display()
            ),
            None => format!(
                "{endpoint} asks for a client's certificate: set \"ssl_certificate\" and \"ssl_certificate_key\""
            ),
        },
        Kind::NoAuthentication => "authentication is not enabled in etcd, though \"user\" is set".to_owned(),
        Kind::TokenVoid => {
            "etcd takes no token, though it has just given one: see to its logs and the clocks of its members"
                .to_owned()
        }
        Kind::UserWanted => match user {
            Some(user) => format!("etcd asks for a user, though \"{user}\" has logged in: see to its logs"),
            None => "etcd asks for a user: set \"user\" and \"password_file\"".to_owned(),
        },
        Kind::PermissionDenied => {
            let who = match user {
                Some(user) => format!("user \"{user}\""),
                None if tls.identity.is_some() => "the name in ssl_certificate".to_owned(),
                None => "whoever has not logged in".to_owned(),
            };
            format!("permission denied for {who}: grant the role of that user read permission on {range}")
        }
        Kind::LoginFailed => match &config.login {
            Some(login) => format!(
                "authentication failed, user \"{}\": check the user, and the password in password_file \"{}\"",
                login.user,
                login.password_file.display()
            ),
            None => "authentication failed: set \"user\" and \"password_file\"".to_owned(),
        },
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::reason;
    use crate::cluster::{ClusterConfig, Login, Tls};
    use crate::list::Range;
    use crate::trouble::{Kind, Trouble};
    use crate::update::Cause;

    fn config(login: Option<Login>) -> ClusterConfig {
        ClusterConfig {
            name: "main".to_owned(),
            endpoints: vec![],
            connect_timeout: Duration::from_secs(1),
            tls: Tls::default(),
            login,
        }
    }

    fn login(user: &str) -> Option<Login> {
        Some(Login { user: user.to_owned(), password_file: "/run/password".into() })
    }

    #[test]
    fn who_may_not_read_what() {
        let trouble =
            Trouble::refused(Cause::Canceled, Kind::PermissionDenied, "list: etcdserver: permission denied");
        let text = reason(&trouble, &config(login("router")), &Range::new(b"/firehose/upstream/"));
        assert_eq!(
            text,
            "permission denied for user \"router\": grant the role of that user read permission on \"/firehose/upstream/\" \
             (list: etcdserver: permission denied)"
        );
        let text = reason(&trouble, &config(None), &Range::of_key(b"/a"));
        assert!(text.contains("whoever has not logged in") && text.contains("the key \"/a\""), "{text}");
    }

    #[test]
    fn all_are_one_line_of_limited_length() {
        let kinds = [
            Kind::Broken,
            Kind::ConnectionRefused,
            Kind::UntrustedCertificate,
            Kind::OtherName,
            Kind::ClientCertificate,
            Kind::UserWanted,
            Kind::TokenVoid,
            Kind::PermissionDenied,
            Kind::LoginFailed,
        ];
        let range = Range::new("/ä\n".repeat(300).as_bytes());
        for kind in kinds {
            for config in [config(login(&"u\n".repeat(300))), config(None)] {
                let trouble = Trouble {
                    endpoint: Some("http://ä".repeat(300).into()),
                    ..Trouble::refused(Cause::Canceled, kind, &"etcd\n".repeat(300))
                };
                let text = reason(&trouble, &config, &range);
                assert!(text.chars().count() <= 300 && !text.contains(char::is_control), "{text}");
            }
        }
    }
}
