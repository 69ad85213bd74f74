//! How the program that uses this crate calls its settings: advice is given in its words.

/// The names of what a [`ClusterConfig`](crate::ClusterConfig) is made of, as they stand in lines
/// that say what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingNames {
    /// The URLs of the members.
    pub endpoint: &'static str,
    /// The file with the authorities' certificates.
    pub trusted_certificate: &'static str,
    /// The file with the client's certificate.
    pub certificate: &'static str,
    /// The file with the client's key.
    pub certificate_key: &'static str,
    /// The name that etcd's certificate must have.
    pub server_name: &'static str,
    /// The user who logs in.
    pub user: &'static str,
    /// The file with the user's password.
    pub password_file: &'static str,
    /// For whom files must be readable.
    pub reader: &'static str,
}

impl SettingNames {
    /// The module's: directives of nginx's configuration.
    pub const DIRECTIVES: Self = Self {
        endpoint: "endpoint",
        trusted_certificate: "ssl_trusted_certificate",
        certificate: "ssl_certificate",
        certificate_key: "ssl_certificate_key",
        server_name: "ssl_name",
        user: "user",
        password_file: "password_file",
        reader: "nginx's master or its workers",
    };

    /// The program's: its flags.
    pub const FLAGS: Self = Self {
        endpoint: "--etcd-endpoints",
        trusted_certificate: "--etcd-cacert",
        certificate: "--etcd-cert",
        certificate_key: "--etcd-key",
        server_name: "--etcd-server-name",
        user: "--etcd-user",
        password_file: "--etcd-password-file",
        reader: "the user whom this program runs as",
    };

    /// Those flags of the program that are about the etcd whose keys are copied.
    pub const SOURCE_FLAGS: Self = Self {
        endpoint: "--from",
        trusted_certificate: "--from-cacert",
        certificate: "--from-cert",
        certificate_key: "--from-key",
        server_name: "--from-server-name",
        user: "--from-user",
        password_file: "--from-password-file",
        ..Self::FLAGS
    };
}

/// A name on its own in a sentence: a flag is known by its dashes, another word by quotation marks.
pub(crate) fn quoted(name: &str) -> String {
    if name.starts_with("--") { name.to_owned() } else { format!("\"{name}\"") }
}
