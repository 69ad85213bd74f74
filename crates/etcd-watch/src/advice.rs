//! What to do about trouble, in words.

use crate::cluster::ClusterConfig;
use crate::range::Range;
use crate::setting_names::quoted;
use crate::trouble::{Kind, REASON_LENGTH, Trouble, one_line};

/// The longest advice in characters, so that there is room for etcd's own words behind it.
const ADVICE_LENGTH: usize = 220;

/// The trouble in one line without secrets: where its kind is known, what is wrong and what mends
/// it, and then how etcd or the system put it.
pub(crate) fn reason(trouble: &Trouble, config: &ClusterConfig, range: &Range) -> String {
    let endpoint = trouble.endpoint.as_deref().unwrap_or("the endpoint");
    let Some(advice) = advice(trouble.kind, config, endpoint, range) else {
        return trouble.said.clone();
    };
    let advice: String = one_line(&advice).chars().take(ADVICE_LENGTH).collect();
    let room = REASON_LENGTH - advice.chars().count() - " ()".len();
    let said: String = trouble.said.chars().take(room).collect();
    format!("{advice} ({said})")
}

fn advice(kind: Kind, config: &ClusterConfig, endpoint: &str, range: &Range) -> Option<String> {
    let user = config.login.as_ref().map(|login| login.user.as_str());
    let (tls, names) = (&config.tls, &config.setting_names);
    Some(match kind {
        Kind::Broken | Kind::Other | Kind::Compacted | Kind::TooMany | Kind::File => return None,
        Kind::ConnectionRefused => {
            format!(
                "nothing listens at {endpoint}: start etcd there, or correct \
            {}",
                quoted(names.endpoint)
            )
        }
        Kind::Late => {
            format!("{endpoint} does not answer: see to its machine, its load and the network")
        }
        Kind::Slow => {
            format!("{endpoint} answers too slowly: see to its machine, its load and the network")
        }
        Kind::NameUnresolved => {
            format!(
                "the host of {endpoint} cannot be resolved: see to DNS, or correct {}",
                quoted(names.endpoint)
            )
        }
        Kind::NoQuorum => {
            format!(
                "the member at {endpoint} does not reach its quorum: see to the other members and \
                 the network"
            )
        }
        Kind::NoTls => {
            format!(
                "{endpoint} speaks no TLS: begin its URL with \"http://\", or have etcd use TLS"
            )
        }
        // What a member says against a certificate is lost if it closes before that is read.
        Kind::NoHttp2 if endpoint.starts_with("https://") => {
            let certificate = match &tls.identity {
                Some(identity) => format!(
                    "if it does not take {} \"{}\", renew it",
                    names.certificate,
                    identity.certificate.display()
                ),
                None => format!("if it asks for a certificate, set {}", quoted(names.certificate)),
            };
            format!(
                "{endpoint} ends the connection: if it speaks no TLS, begin its URL with \
                 \"http://\"; {certificate}"
            )
        }
        Kind::NoHttp2 => format!(
            "what listens at {endpoint} ends the connection: if it asks for TLS, begin its URL \
             with \"https://\""
        ),
        Kind::UntrustedCertificate => match &tls.trusted_certificate {
            Some(file) => format!(
                "the certificate of {endpoint} is not signed by {} \"{}\": put its authority in \
                there",
                names.trusted_certificate,
                file.display()
            ),
            None => format!(
                "the certificate of {endpoint} is not signed by an authority of the system: name \
                its own with {}",
                quoted(names.trusted_certificate)
            ),
        },
        Kind::ExpiredCertificate => {
            format!("the certificate of {endpoint} has expired: renew etcd's certificate")
        }
        Kind::FutureCertificate => {
            format!(
                "the certificate of {endpoint} is not valid yet: see to the clocks here and there"
            )
        }
        Kind::OtherName => match &tls.name {
            Some(name) => format!(
                "the certificate of {endpoint} is not for {} \"{name}\": set a name that it is \
                for, or renew it with this one",
                names.server_name
            ),
            None => format!(
                "the certificate of {endpoint} is not for this host: set {} to a name that it is \
                for, or renew it",
                quoted(names.server_name)
            ),
        },
        Kind::BadCertificate => {
            format!("the certificate of {endpoint} cannot be used: renew it there")
        }
        Kind::ClientCertificate => match &tls.identity {
            Some(identity) => format!(
                "{endpoint} does not take {} \"{}\" (it may have expired, or be signed by an \
                authority unknown there): renew it",
                names.certificate,
                identity.certificate.display()
            ),
            None => format!(
                "{endpoint} asks for a client's certificate: set {} and {}",
                quoted(names.certificate),
                quoted(names.certificate_key)
            ),
        },
        Kind::NoAuthentication => {
            format!("authentication is not enabled in etcd, though {} is set", quoted(names.user))
        }
        Kind::TokenVoid => {
            "etcd takes no token, though it has just given one: see to its logs and the clocks of \
             its members"
                .to_owned()
        }
        Kind::UserWanted => match user {
            Some(user) => {
                format!("etcd asks for a user, though \"{user}\" has logged in: see to its logs")
            }
            None => format!(
                "etcd asks for a user: set {} and {}",
                quoted(names.user),
                quoted(names.password_file)
            ),
        },
        Kind::PermissionDenied => {
            let who = match user {
                Some(user) => format!("user \"{user}\""),
                None if tls.identity.is_some() => format!("the name in {}", names.certificate),
                None => "whoever has not logged in".to_owned(),
            };
            format!(
                "permission denied for {who}: grant the role of that user read permission on \
                 {range}"
            )
        }
        Kind::LoginFailed => match &config.login {
            Some(login) => format!(
                "authentication failed, user \"{}\": check the user, and the password in {} \"{}\"",
                login.user,
                names.password_file,
                login.password_file.display()
            ),
            None => format!(
                "authentication failed: set {} and {}",
                quoted(names.user),
                quoted(names.password_file)
            ),
        },
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::reason;
    use crate::cluster::{ClusterConfig, Identity, Login, Tls};
    use crate::range::Range;
    use crate::setting_names::SettingNames;
    use crate::trouble::{Kind, Trouble};
    use crate::update::Cause;

    fn config(login: Option<Login>) -> ClusterConfig {
        ClusterConfig {
            name: "main".to_owned(),
            endpoints: vec![],
            connect_timeout: Duration::from_secs(1),
            tls: Tls::default(),
            login,
            setting_names: SettingNames::DIRECTIVES,
        }
    }

    fn login(user: &str) -> Option<Login> {
        Some(Login { user: user.to_owned(), password_file: "/run/password".into() })
    }

    #[test]
    fn who_may_not_read_what() {
        let trouble = Trouble::refused(
            Cause::Canceled,
            Kind::PermissionDenied,
            "list: etcdserver: permission denied",
        );
        let text = reason(&trouble, &config(login("router")), &Range::new(b"/firehose/upstream/"));
        assert_eq!(
            text,
            "permission denied for user \"router\": grant the role of that user read permission on \
             \"/firehose/upstream/\" (list: etcdserver: permission denied)"
        );
        let text = reason(&trouble, &config(None), &Range::of_key(b"/a"));
        assert!(
            text.contains("whoever has not logged in") && text.contains("the key \"/a\""),
            "{text}"
        );
    }

    /// Whoever is told what to do has the settings that it is told of, and no others.
    #[test]
    fn what_to_set_is_called_as_it_is_there() {
        const NONE: &str = "/none";
        let kinds = [
            Kind::ConnectionRefused,
            Kind::NameUnresolved,
            Kind::NoHttp2,
            Kind::UntrustedCertificate,
            Kind::OtherName,
            Kind::ClientCertificate,
            Kind::NoAuthentication,
            Kind::UserWanted,
            Kind::PermissionDenied,
            Kind::LoginFailed,
        ];
        let of_directives = ["ssl_", "\"endpoint\"", "\"user\"", "password_file"];
        let identity = Identity { certificate: NONE.into(), key: NONE.into() };
        let tls = Tls {
            trusted_certificate: Some(NONE.into()),
            identity: Some(identity),
            name: Some(NONE.to_owned()),
        };
        for (setting_names, prefix) in
            [(SettingNames::FLAGS, "--etcd-"), (SettingNames::SOURCE_FLAGS, "--from")]
        {
            for (tls, login) in [(tls.clone(), login("router")), (Tls::default(), None)] {
                let config = ClusterConfig { tls, setting_names, ..config(login) };
                for kind in kinds {
                    let trouble = Trouble {
                        endpoint: Some("https://etcd".into()),
                        ..Trouble::refused(Cause::Canceled, kind, "said")
                    };
                    let text = reason(&trouble, &config, &Range::new(b"/firehose/"));
                    assert!(!of_directives.iter().any(|word| text.contains(word)), "{text}");
                    // The others have nothing to set.
                    let flags = text.split(' ').filter(|word| word.starts_with("--"));
                    assert!(flags.into_iter().all(|flag| flag.starts_with(prefix)), "{text}");
                }
            }
        }
        let text = reason(
            &Trouble::refused(Cause::Canceled, Kind::UserWanted, "list: user name is empty"),
            &ClusterConfig { setting_names: SettingNames::FLAGS, ..config(None) },
            &Range::new(b"/firehose/"),
        );
        assert_eq!(
            text,
            "etcd asks for a user: set --etcd-user and --etcd-password-file (list: user name is \
             empty)"
        );
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
