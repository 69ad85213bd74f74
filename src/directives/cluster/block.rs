//! What stands inside an `etcd_cluster` block.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use etcd_watch::{ClusterConfig, Identity, Login, SettingNames, Tls, check_endpoint};
use ngx::ffi::ngx_conf_t;

use crate::directives::args::{Mistake, full_name, milliseconds};

/// How long a connection to etcd may take where nothing else is said, as in DESIGN's example: long
/// enough for a TLS handshake across a slow link, short enough to turn to the next endpoint within
/// a few seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

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
    /// Reads one directive; its name is the first of the words.
    pub(super) fn read(&mut self, cf: &ngx_conf_t, words: &[String]) -> Result<(), Mistake> {
        let (name, values) = (words[0].as_str(), &words[1..]);
        match name {
            "endpoint" => self.read_endpoints(values),
            "connect_timeout" => {
                let time = milliseconds_of(one(name, values)?)?;
                set(&mut self.connect_timeout, name, time)
            }
            "ssl_trusted_certificate" => set_file(&mut self.trusted_certificate, cf, name, values),
            "ssl_certificate" => set_file(&mut self.certificate, cf, name, values),
            "ssl_certificate_key" => set_file(&mut self.certificate_key, cf, name, values),
            "ssl_name" => set_text(&mut self.name, name, values),
            "user" => set_text(&mut self.user, name, values),
            "password_file" => set_file(&mut self.password_file, cf, name, values),
            _ => Err(format!("unknown directive \"{name}\" in \"etcd_cluster\"").into()),
        }
    }

    fn read_endpoints(&mut self, urls: &[String]) -> Result<(), Mistake> {
        if urls.is_empty() {
            return Err("\"endpoint\" in \"etcd_cluster\" needs one or more URLs".into());
        }
        for url in urls {
            check_endpoint(url).map_err(|error| {
                format!("invalid URL \"{url}\" in \"endpoint\" of \"etcd_cluster\": {error}")
            })?;
            if self.endpoints.contains(url) {
                return Err(
                    format!("duplicate URL \"{url}\" in \"endpoint\" of \"etcd_cluster\"").into()
                );
            }
            self.endpoints.push(url.clone());
        }
        Ok(())
    }

    /// The cluster that the block describes.
    pub(super) fn finish(self, name: String) -> Result<ClusterConfig, Mistake> {
        let mistake = |what: &str| Err(format!("\"etcd_cluster\" \"{name}\" has {what}").into());
        if self.endpoints.is_empty() {
            return mistake("no \"endpoint\"");
        }
        let identity = match (self.certificate, self.certificate_key) {
            (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
            (Some(_), None) => {
                return mistake("an \"ssl_certificate\" without an \"ssl_certificate_key\"");
            }
            (None, Some(_)) => {
                return mistake("an \"ssl_certificate_key\" without an \"ssl_certificate\"");
            }
            (None, None) => None,
        };
        let tls = Tls { trusted_certificate: self.trusted_certificate, identity, name: self.name };
        // Whoever names certificates does not mean to speak to etcd in the clear.
        let is_plain = |url: &&String| url.starts_with("http://");
        if tls != Tls::default()
            && let Some(url) = self.endpoints.iter().find(is_plain)
        {
            return mistake(&format!(
                "\"ssl_\" directives, and the endpoint \"{url}\" without TLS"
            ));
        }
        let login = match (self.user, self.password_file) {
            (Some(user), Some(password_file)) => Some(Login { user, password_file }),
            (Some(_), None) => return mistake("a \"user\" without a \"password_file\""),
            (None, Some(_)) => return mistake("a \"password_file\" without a \"user\""),
            (None, None) => None,
        };
        let connect_timeout = self.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
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

/// The directive's only value.
fn one<'a>(name: &str, values: &'a [String]) -> Result<&'a str, Mistake> {
    match values {
        [value] if !value.is_empty() => Ok(value),
        _ => Err(format!("\"{name}\" in \"etcd_cluster\" takes one value").into()),
    }
}

fn set<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), Mistake> {
    if place.replace(value).is_some() {
        return Err(format!("\"{name}\" directive in \"etcd_cluster\" is duplicate").into());
    }
    Ok(())
}

fn set_text(place: &mut Option<String>, name: &str, values: &[String]) -> Result<(), Mistake> {
    let value = one(name, values)?;
    if value.contains(char::is_control) {
        return Err(format!("\"{name}\" in \"etcd_cluster\" has control characters").into());
    }
    set(place, name, value.to_owned())
}

/// A file, relative to nginx's configuration as its own certificates are. It must be there and
/// readable now; what is in it is looked at for each connection.
fn set_file(
    place: &mut Option<PathBuf>,
    cf: &ngx_conf_t,
    name: &str,
    values: &[String],
) -> Result<(), Mistake> {
    let file = full_name(cf, one(name, values)?).ok_or("no memory for the configuration")?;
    check_readable(&file).map_err(|error| {
        format!(
            "cannot read the file \"{}\" of \"{name}\" in \"etcd_cluster\": {error}",
            file.display()
        )
    })?;
    set(place, name, file)
}

fn check_readable(file: &Path) -> std::io::Result<()> {
    if std::fs::metadata(file)?.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    std::fs::File::open(file).map(drop)
}

fn milliseconds_of(text: &str) -> Result<Duration, Mistake> {
    let time = milliseconds(text).filter(|&time| time > 0).ok_or_else(|| {
        format!(
            "invalid time \"{text}\" in \"connect_timeout\" of \"etcd_cluster\": a time above zero \
             is needed"
        )
    })?;
    Ok(Duration::from_millis(time))
}
