//! nginx's configuration, made of flags and settings.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use etcd_watch::Origin;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use thiserror::Error;

use super::{
    log_servers::{LogServers, located, name_of, server_of, with_server},
    settings::{Rendering, Setting},
    settings_state::SettingsState,
};
use crate::{etcd::Etcd, messages::quoted_path};

/// The template where nobody names another one.
const TEMPLATE: &str = include_str!("../../../../nginx-conf/router.conf.jinja");

/// What the configuration is made of, beside the settings.
pub(crate) struct Frame {
    pub(crate) template: Option<String>,
    pub(crate) etcd: Etcd,
    pub(crate) listen: Vec<String>,
    /// `None` if the workers are the user who runs this.
    pub(crate) user: Option<String>,
    pub(crate) module: PathBuf,
    pub(crate) pid_file: PathBuf,
    pub(crate) status_socket: PathBuf,
    pub(crate) temporary: PathBuf,
    /// Where those who may publish are written.
    pub(crate) put_allow_file: PathBuf,
    /// None where nothing can be kept.
    pub(crate) state_file: Option<PathBuf>,
    pub(crate) zone_size: String,
    pub(crate) access_log: Option<String>,
}

impl Frame {
    /// The whole key of a setting.
    pub(crate) fn key_of(&self, setting: Setting) -> String {
        format!("{}{}", self.etcd.settings_prefix(), setting.key())
    }

    /// The host of the access log's server, if it has to be resolved.
    pub(crate) fn log_server(&self) -> Option<&str> {
        name_of(server_of(self.access_log.as_deref()?)?)
    }

    /// The access log as nginx need not resolve anything for it; `None` while its server has no
    /// address.
    fn access_log(&self, servers: &LogServers) -> Option<String> {
        let log = self.access_log.as_deref()?;
        let Some(server) = server_of(log) else { return Some(log.to_owned()) };
        Some(with_server(log, &located(server, |name| servers.address(name))?))
    }
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub(crate) enum RenderError {
    #[error("error in the template: {0}")]
    Template(String),
    #[error(
        "the path {path} cannot be written in nginx's configuration: control characters, quotes, \
         \"\\\" and \"$\" are not supported",
        path = quoted_path(.0)
    )]
    Path(PathBuf),
}

/// The configuration; `rendering` is the number by which it is known again.
///
/// # Errors
///
/// Where a template of one's own is none, or the name of a file cannot stand there.
pub(crate) fn render(
    frame: &Frame,
    known: &SettingsState,
    servers: &LogServers,
    rendering: u64,
) -> Result<String, RenderError> {
    let locate = |server: &str| located(server, |name| servers.address(name));
    let syslog_endpoint = known.get(Setting::SyslogEndpoint).and_then(locate);
    let settings = Setting::all().filter_map(|setting| {
        let value = known.get(setting);
        let rendered = match setting.rendering() {
            Rendering::Value => Value::from(value.unwrap_or_default()),
            Rendering::Optional => Value::from(value),
            Rendering::Switch => Value::from(value == Some("on")),
            Rendering::LogServer => Value::from(syslog_endpoint.as_deref()),
            Rendering::Nothing => return None,
        };
        Some((setting.key(), rendered))
    });
    let config = &frame.etcd.config;
    let put_allow_file = known.first_put_allow().map(|_| quoted(&frame.put_allow_file));
    let put_allow_origin = known
        .put_allow_source
        .origin
        .map(|Origin { cluster_id, revision }| format!("{cluster_id:x}:{revision}"));
    let access_log = frame.access_log(servers);
    let values = context! {
        user => frame.user.as_deref(),
        max_conns_default => Setting::MaxConns.default().unwrap_or_default(),
        put_allow_file => put_allow_file.transpose()?,
        put_allow_origin => put_allow_origin,
        put_allow_is_key => known.get(Setting::PutAllow).is_some(),
        access_logs => access_logs(access_log.as_deref(), syslog_endpoint.as_deref()),
        listen => frame.listen.clone(),
        module => quoted(&frame.module)?,
        pid_file => quoted(&frame.pid_file)?,
        status_socket => quoted(&frame.status_socket)?,
        temporary => quoted(&frame.temporary)?,
        state_file => frame.state_file.as_deref().map(quoted).transpose()?,
        zone_size => frame.zone_size.as_str(),
        endpoints => config.endpoints.join(" "),
        connect_timeout => config.connect_timeout.as_secs(),
        etcd_directives => etcd_directives(&frame.etcd)?,
        settings_prefix => frame.etcd.settings_prefix(),
        upstream_prefix => frame.etcd.upstream_prefix(),
        rendering => rendering,
        ..settings.collect::<BTreeMap<_, _>>()
    };
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // A name that is mistyped is an error, and not nothing.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
        .render_str(frame.template.as_deref().unwrap_or(TEMPLATE), values)
        .map(|text| text + "\n")
        .map_err(|error| RenderError::Template(format!("{error:#}")))
}

fn access_logs(log: Option<&str>, syslog_endpoint: Option<&str>) -> Vec<String> {
    let mut logs = Vec::new();
    match log {
        None | Some("off") => {}
        Some("stdout") => logs.push("/dev/stdout firehose".to_owned()),
        Some(log) => logs.push(format!("{log} firehose")),
    }
    logs.extend(
        syslog_endpoint
            .map(|endpoint| format!("syslog:server={endpoint},tag=firehose_router firehose")),
    );
    if logs.is_empty() {
        logs.push("off".to_owned());
    }
    logs
}

fn etcd_directives(etcd: &Etcd) -> Result<Vec<String>, RenderError> {
    let mut directives = Vec::new();
    let tls = &etcd.config.tls;
    let word = |text: &str| quoted(Path::new(text));
    if let Some(login) = &etcd.config.login {
        directives.push(format!("user {}", word(&login.user)?));
        directives.push(format!("password_file {}", quoted(&login.password_file)?));
    }
    if let Some(file) = &tls.trusted_certificate {
        directives.push(format!("ssl_trusted_certificate {}", quoted(file)?));
    }
    if let Some(identity) = &tls.identity {
        directives.push(format!("ssl_certificate {}", quoted(&identity.certificate)?));
        directives.push(format!("ssl_certificate_key {}", quoted(&identity.key)?));
    }
    if let Some(name) = &tls.name {
        directives.push(format!("ssl_name {}", word(name)?));
    }
    Ok(directives)
}

/// A word of nginx's configuration.
fn quoted(path: &Path) -> Result<String, RenderError> {
    let bad = || RenderError::Path(path.to_owned());
    let text = path.to_str().ok_or_else(bad)?;
    if text.is_empty()
        || text.chars().any(|character| character.is_control() || "\"\\$".contains(character))
    {
        return Err(bad());
    }
    let is_plain = text
        .chars()
        .all(|character| character.is_alphanumeric() || "/-_.+@~:,=%".contains(character));
    Ok(if is_plain { text.to_owned() } else { format!("\"{text}\"") })
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::Duration};

    use etcd_watch::{ClusterConfig, SettingNames, Tls};

    use super::{Frame, render};
    use crate::{
        etcd::Etcd,
        serve::{
            log_servers::LogServers,
            settings::Setting,
            settings_state::{SettingsState, Values},
        },
    };

    fn frame() -> Frame {
        let config = ClusterConfig {
            name: "main".to_owned(),
            endpoints: vec!["http://127.0.0.1:2379".to_owned()],
            connect_timeout: Duration::from_secs(2),
            tls: Tls::default(),
            login: None,
            setting_names: SettingNames::FLAGS,
        };
        Frame {
            template: None,
            etcd: Etcd { config, prefix: "/firehose".to_owned(), password: None },
            listen: vec!["80".to_owned()],
            user: None,
            module: PathBuf::from("/m.so"),
            pid_file: PathBuf::from("/run/nginx.pid"),
            status_socket: PathBuf::from("/run/status.sock"),
            temporary: PathBuf::from("/run/temporary"),
            put_allow_file: PathBuf::from("/run/networks"),
            state_file: None,
            zone_size: "1m".to_owned(),
            access_log: None,
        }
    }

    #[tokio::test]
    async fn settings_stand_in_the_configuration_and_so_do_defaults() {
        let text = |values: Values| {
            render(&frame(), &SettingsState::of_values(&values), &LogServers::new(), 1)
                .expect("a configuration")
        };
        let default = text(Values::new());
        for line in ["worker_processes 4;", "etcd_balance least_conn;", "keepalive_timeout 65s;"] {
            assert!(default.contains(line), "{line} in {default}");
        }
        assert!(!default.contains("worker_rlimit_nofile") && !default.contains("proxy_protocol;"));
        let set = text(Values::from([
            (Setting::WorkerRlimitNofile, "9000".to_owned()),
            (Setting::SyslogEndpoint, "127.0.0.1:514".to_owned()),
            (Setting::AcceptProxy, "on".to_owned()),
        ]));
        for line in ["worker_rlimit_nofile 9000;", "server=127.0.0.1:514", "proxy_protocol;"] {
            assert!(set.contains(line), "{line} in {set}");
        }
    }
}
