//! What stands inside an `etcd_cluster` block.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use directive_table::{Args, CLUSTER_DIRECTIVES, ConfError, Directive, cluster_directive};
use etcd_watch::{ClusterConfig, Identity, Login, SettingNames, Tls, check_endpoint};
use ngx::ffi::ngx_conf_t;

use crate::directives::args::{full_name, milliseconds};

const ENDPOINT: &Directive = cluster_directive("endpoint");

const CONNECT_TIMEOUT: &Directive = cluster_directive("connect_timeout");

/// What has been read of a block so far.
#[derive(Default)]
pub(super) struct Block {
    endpoints: Vec<String>,
    connect_timeout: Option<Duration>,
    trusted_certificate: Option<PathBuf>,
    certificate: Option<PathBuf>,
    certificate_key: Option<PathBuf>,
    name: Option<String>,
    user: Option<String>,
    password_file: Option<PathBuf>,
}

impl Block {
    /// Reads one directive; its name is the first of the arguments.
    pub(super) fn read(&mut self, cf: &ngx_conf_t, args: &[String]) -> Result<(), ConfError> {
        let (name, args) = (args[0].as_str(), &args[1..]);
        let directive = CLUSTER_DIRECTIVES.iter().find(|directive| directive.name == name);
        let directive = directive
            .ok_or_else(|| format!("unknown directive {name:?} in \"etcd_cluster\" block"))?;
        let args = &directive.parse(args)?;
        match name {
            "endpoint" => self.read_endpoints(args.arguments()),
            "connect_timeout" => set(&mut self.connect_timeout, directive, args.argument(0, time)?),
            "ssl_trusted_certificate" => {
                set_file(&mut self.trusted_certificate, cf, directive, args)
            }
            "ssl_certificate" => set_file(&mut self.certificate, cf, directive, args),
            "ssl_certificate_key" => set_file(&mut self.certificate_key, cf, directive, args),
            "ssl_name" => set_text(&mut self.name, directive, args),
            "user" => set_text(&mut self.user, directive, args),
            _ => set_file(&mut self.password_file, cf, directive, args),
        }
    }

    fn read_endpoints(&mut self, urls: &[String]) -> Result<(), ConfError> {
        for url in urls {
            check_endpoint(url)
                .map_err(|error| format!("{}: {error}", ENDPOINT.invalid_argument(0, url)))?;
            if self.endpoints.contains(url) {
                return Err(ENDPOINT.duplicate_argument(0, url));
            }
            self.endpoints.push(url.clone());
        }
        Ok(())
    }

    /// The cluster that the block describes.
    pub(super) fn finish(self, name: String) -> Result<ClusterConfig, ConfError> {
        let undefined = |directive: &str, other: &str| {
            let other = if other.is_empty() { other } else { &format!(" for \"{other}\"") };
            Err(format!("no \"{directive}\" is defined{other} in \"etcd_cluster\" \"{name}\"")
                .into())
        };
        if self.endpoints.is_empty() {
            return undefined("endpoint", "");
        }
        let identity = match (self.certificate, self.certificate_key) {
            (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
            (Some(_), None) => return undefined("ssl_certificate_key", "ssl_certificate"),
            (None, Some(_)) => return undefined("ssl_certificate", "ssl_certificate_key"),
            (None, None) => None,
        };
        let tls = Tls { trusted_certificate: self.trusted_certificate, identity, name: self.name };
        // With certificates, a connection in the clear is a mistake.
        let is_plain = |url: &&String| url.starts_with("http://");
        if tls != Tls::default()
            && let Some(url) = self.endpoints.iter().find(is_plain)
        {
            return Err(format!(
                "endpoint \"{url}\" without TLS cannot be used with \"ssl_\" directives in \
                 \"etcd_cluster\" \"{name}\""
            )
            .into());
        }
        let login = match (self.user, self.password_file) {
            (Some(user), Some(password_file)) => Some(Login { user, password_file }),
            (Some(_), None) => return undefined("password_file", "user"),
            (None, Some(_)) => return undefined("user", "password_file"),
            (None, None) => None,
        };
        let connect_timeout = match self.connect_timeout {
            Some(time) => time,
            None => CONNECT_TIMEOUT
                .default_argument()
                .and_then(time)
                .ok_or_else(|| CONNECT_TIMEOUT.wrong_number())?,
        };
        Ok(ClusterConfig {
            name,
            endpoints: self.endpoints,
            connect_timeout,
            tls,
            login,
            setting_names: SettingNames::DIRECTIVES,
        })
    }
}

fn set<T>(place: &mut Option<T>, directive: &'static Directive, value: T) -> Result<(), ConfError> {
    if place.replace(value).is_some() {
        return Err(directive.is_duplicate());
    }
    Ok(())
}

fn set_text(
    place: &mut Option<String>,
    directive: &'static Directive,
    args: &Args<'_>,
) -> Result<(), ConfError> {
    let is_text = |text: &str| !text.is_empty() && !text.contains(char::is_control);
    let text = args.argument(0, |text| is_text(text).then(|| text.to_owned()))?;
    set(place, directive, text)
}

/// A file, relative to nginx's configuration as its own certificates are. It must be there and
/// readable now; what is in it is looked at for each connection.
fn set_file(
    place: &mut Option<PathBuf>,
    cf: &ngx_conf_t,
    directive: &'static Directive,
    args: &Args<'_>,
) -> Result<(), ConfError> {
    let name = args.argument(0, |name| (!name.is_empty()).then_some(name))?;
    let file = full_name(cf, name).ok_or_else(|| directive.no_memory())?;
    check_readable(&file)
        .map_err(|error| directive.file_failed("", &file.display().to_string(), error))?;
    set(place, directive, file)
}

fn check_readable(file: &Path) -> std::io::Result<()> {
    if std::fs::metadata(file)?.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    std::fs::File::open(file).map(drop)
}

fn time(text: &str) -> Option<Duration> {
    milliseconds(text).filter(|&time| time > 0).map(Duration::from_millis)
}
