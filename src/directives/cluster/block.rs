//! The directives inside an `etcd_cluster` block.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use directive_table::{
    Args, CLUSTER_DIRECTIVES, ConfError, Directive, Seen, cluster_directive,
    with_cluster_directives,
};
use etcd_watch::{ClusterConfig, Identity, Login, SettingNames, Tls, check_endpoint};
use nginx_syntax::quoted;
use ngx::ffi::ngx_conf_t;

use crate::directives::args::{full_name, milliseconds, place};

const CONNECT_TIMEOUT: &Directive = cluster_directive("connect_timeout");

/// Takes one directive of the block into it.
type Setter = fn(&mut Block, &ngx_conf_t, &'static Directive, &Args<'_>) -> Result<(), ConfError>;

macro_rules! setters {
    ($($setter:ident => $directive:expr;)*) => {
        /// The setters, in the order of [`CLUSTER_DIRECTIVES`].
        const SETTERS: [Setter; CLUSTER_DIRECTIVES.len()] = [$(Block::$setter),*];
    };
}

with_cluster_directives!(setters);

/// What has been read of a block so far.
#[derive(Default)]
pub(super) struct Block {
    seen: Seen,
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
        let mut rows = CLUSTER_DIRECTIVES.iter().zip(SETTERS);
        let (directive, set) =
            rows.find(|(directive, _)| directive.name == name).ok_or_else(|| {
                format!("unknown directive {} in \"etcd_cluster\" block", quoted(name))
            })?;
        self.seen.add(directive, place(cf))?;
        set(self, cf, directive, &directive.parse(args)?)
    }

    fn set_endpoints(
        &mut self,
        _cf: &ngx_conf_t,
        directive: &'static Directive,
        args: &Args<'_>,
    ) -> Result<(), ConfError> {
        for url in args.arguments() {
            check_endpoint(url)
                .map_err(|error| format!("{}: {error}", directive.invalid_argument(0, url)))?;
            if self.endpoints.contains(url) {
                return Err(directive.duplicate_argument(0, url));
            }
            self.endpoints.push(url.clone());
        }
        Ok(())
    }

    fn set_connect_timeout(
        &mut self,
        _cf: &ngx_conf_t,
        _directive: &'static Directive,
        args: &Args<'_>,
    ) -> Result<(), ConfError> {
        self.connect_timeout = Some(args.argument(0, time)?);
        Ok(())
    }

    fn set_trusted_certificate(
        &mut self,
        cf: &ngx_conf_t,
        directive: &'static Directive,
        args: &Args<'_>,
    ) -> Result<(), ConfError> {
        self.trusted_certificate = Some(file(cf, directive, args)?);
        Ok(())
    }

    fn set_certificate(
        &mut self,
        cf: &ngx_conf_t,
        directive: &'static Directive,
        args: &Args<'_>,
    ) -> Result<(), ConfError> {
        self.certificate = Some(file(cf, directive, args)?);
        Ok(())
    }

    fn set_certificate_key(
        &mut self,
        cf: &ngx_conf_t,
        directive: &'static Directive,
        args: &Args<'_>,
    ) -> Result<(), ConfError> {
        self.certificate_key = Some(file(cf, directive, args)?);
        Ok(())
    }

    fn set_name(
        &mut self,
        _cf: &ngx_conf_t,
        _directive: &'static Directive,
        args: &Args<'_>,
    ) -> Result<(), ConfError> {
        self.name = Some(args.argument(0, text)?);
        Ok(())
    }

    fn set_user(
        &mut self,
        _cf: &ngx_conf_t,
        _directive: &'static Directive,
        args: &Args<'_>,
    ) -> Result<(), ConfError> {
        self.user = Some(args.argument(0, text)?);
        Ok(())
    }

    fn set_password_file(
        &mut self,
        cf: &ngx_conf_t,
        directive: &'static Directive,
        args: &Args<'_>,
    ) -> Result<(), ConfError> {
        self.password_file = Some(file(cf, directive, args)?);
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

/// A text that is not empty and has no control characters.
fn text(text: &str) -> Option<String> {
    (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
}

/// A file, relative to nginx's configuration as its own certificates are. It must exist and be
/// readable now; its content is read for each connection.
fn file(
    cf: &ngx_conf_t,
    directive: &'static Directive,
    args: &Args<'_>,
) -> Result<PathBuf, ConfError> {
    let name = args.argument(0, |name| (!name.is_empty()).then_some(name))?;
    let file = full_name(cf, name).ok_or_else(|| directive.no_memory())?;
    check_readable(&file)
        .map_err(|error| directive.file_failed("", &file.display().to_string(), &error))?;
    Ok(file)
}

fn check_readable(file: &Path) -> std::io::Result<()> {
    if std::fs::metadata(file)?.is_dir() {
        return Err(std::io::Error::from_raw_os_error(libc::EISDIR));
    }
    std::fs::File::open(file).map(drop)
}

fn time(text: &str) -> Option<Duration> {
    milliseconds(text).filter(|&time| time > 0).map(Duration::from_millis)
}
