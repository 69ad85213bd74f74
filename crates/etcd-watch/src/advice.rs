//! What to do about trouble, in words.

#[cfg(test)]
mod tests;

use crate::cluster::ClusterConfig;
use crate::range::Range;
use crate::setting_names::quoted;
use crate::trouble::{Kind, REASON_LENGTH, Trouble, one_line};

/// The longest advice in characters, so that there is room for etcd's own words behind it.
const ADVICE_LENGTH: usize = 220;

/// The trouble in one line without secrets: where its kind is known, what is wrong and what mends
/// it, and then how etcd or the system put it.
pub(crate) fn reason(trouble: &Trouble, config: &ClusterConfig, range: &Range) -> String {
    reason_for("read", trouble, config, range)
}

/// The same of a call that needs this permission, as etcd's roles name it.
pub(crate) fn reason_for(
    permission: &str,
    trouble: &Trouble,
    config: &ClusterConfig,
    range: &Range,
) -> String {
    let endpoint = trouble.endpoint.as_deref().unwrap_or("the endpoint");
    let Some(advice) = advice(trouble.kind, config, endpoint, range, permission) else {
        return trouble.said.clone();
    };
    let advice: String = one_line(&advice).chars().take(ADVICE_LENGTH).collect();
    let room = REASON_LENGTH - advice.chars().count() - " ()".len();
    let said: String = trouble.said.chars().take(room).collect();
    format!("{advice} ({said})")
}

fn advice(
    kind: Kind,
    config: &ClusterConfig,
    endpoint: &str,
    range: &Range,
    permission: &str,
) -> Option<String> {
    let user = config.login.as_ref().map(|login| login.user.as_str());
    let (tls, names) = (&config.tls, &config.setting_names);
    Some(match kind {
        Kind::Compacted | Kind::TooMany | Kind::File => return None,
        Kind::Broken => format!(
            "lost the connection to {endpoint}: if it does not come back, check the log of etcd \
             there, and the network"
        ),
        Kind::Other => {
            format!("a call to {endpoint} failed: check the log of etcd there")
        }
        Kind::Nonsense => format!(
            "{endpoint} gives answers that etcd does not give: check its version, and any proxy \
             before it"
        ),
        Kind::NotEtcd => format!(
            "{endpoint} is not etcd, or a proxy before it does not pass gRPC: correct {}",
            quoted(names.endpoint)
        ),
        Kind::ConnectionRefused => {
            format!(
                "nothing listens at {endpoint}: start etcd there, or correct \
            {}",
                quoted(names.endpoint)
            )
        }
        Kind::Late => {
            format!("{endpoint} does not answer: check its host, its load and the network")
        }
        Kind::Slow => {
            format!("{endpoint} answers too slowly: check its host, its load and the network")
        }
        Kind::NameUnresolved => {
            format!(
                "the host of {endpoint} cannot be resolved: check DNS, or correct {}",
                quoted(names.endpoint)
            )
        }
        Kind::NoQuorum => {
            format!(
                "the member at {endpoint} does not reach its quorum: check the other members and \
                 the network"
            )
        }
        Kind::NoTls => {
            format!(
                "{endpoint} does not use TLS: begin its URL with \"http://\", or enable TLS in etcd"
            )
        }
        // What a member says against a certificate is lost if it closes before that is read.
        Kind::NoHttp2 if endpoint.starts_with("https://") => {
            let certificate = match &tls.identity {
                Some(identity) => format!(
                    "if it rejects {} \"{}\", renew that certificate",
                    names.certificate,
                    identity.certificate.display()
                ),
                None => format!(
                    "if it requires a client certificate, set \
                     {}",
                    quoted(names.certificate)
                ),
            };
            format!(
                "{endpoint} closes the connection: if it does not use TLS, begin its URL with \
                 \"http://\"; {certificate}"
            )
        }
        Kind::NoHttp2 => format!(
            "{endpoint} does not speak HTTP/2: it is not etcd, or it requires TLS; then begin its \
             URL with \"https://\""
        ),
        Kind::UntrustedCertificate => match &tls.trusted_certificate {
            Some(file) => format!(
                "the certificate of {endpoint} is not signed by {} \"{}\": add the CA certificate \
                 of etcd to that file",
                names.trusted_certificate,
                file.display()
            ),
            None => format!(
                "the certificate of {endpoint} is not signed by a CA of the system: set {} to the \
                 CA certificate of etcd",
                quoted(names.trusted_certificate)
            ),
        },
        Kind::ExpiredCertificate => {
            format!("the certificate of {endpoint} has expired: renew etcd's certificate")
        }
        Kind::FutureCertificate => {
            format!(
                "the certificate of {endpoint} is not valid yet: check the clocks of both hosts"
            )
        }
        Kind::OtherName => match &tls.name {
            Some(name) => format!(
                "the certificate of {endpoint} is not for {} \"{name}\": set a name that it is \
                 for, or renew it with this name",
                names.server_name
            ),
            None => format!(
                "the certificate of {endpoint} is not for this host: set {} to a name that it is \
                for, or renew it",
                quoted(names.server_name)
            ),
        },
        Kind::BadCertificate => {
            format!("the certificate of {endpoint} is not valid: renew etcd's certificate")
        }
        Kind::ClientCertificate => match &tls.identity {
            Some(identity) => format!(
                "{endpoint} rejects {} \"{}\" (it may have expired, or be signed by a CA that \
                 etcd does not trust): renew it",
                names.certificate,
                identity.certificate.display()
            ),
            None => format!(
                "{endpoint} requires a client certificate: set {} and {}",
                quoted(names.certificate),
                quoted(names.certificate_key)
            ),
        },
        Kind::NoAuthentication => {
            format!("authentication is not enabled in etcd, though {} is set", quoted(names.user))
        }
        Kind::TokenVoid => {
            "etcd rejects the token that it has just issued: check its logs and the clocks of its \
             members"
                .to_owned()
        }
        Kind::UserWanted => match user {
            Some(user) => {
                format!("etcd asks for a user, though \"{user}\" is logged in: check its logs")
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
                None if tls.identity.is_some() => format!(
                    "the common name of \
                     {}",
                    names.certificate
                ),
                None => "clients without a user".to_owned(),
            };
            format!(
                "permission denied for {who}: grant the role of that user {permission} permission \
                 on {range}"
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
