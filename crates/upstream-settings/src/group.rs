//! The settings of a group, as a value of etcd says them.

use std::sync::Arc;

use directive_table::directive;
use nginx_syntax::{Part, parts};
use peer_balance::Method;
use peer_check::CheckPlan;
use peer_zone::GroupOptions;
use serde_json::Value as Json;
use upstream_peers::{Excerpt, Overrides};

use crate::{
    Check, SettingsError, UpstreamSettings, drain,
    limits::{MAX_LENGTH, NAMES},
    object::{Given, Object, arguments, wrong_type},
};

/// What a group has of its own, in the place of what its upstream has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupSettings {
    /// The parameters of peers whose values do not set them.
    pub defaults: Overrides,
    /// How its peers are checked; `Some(None)`: they are not.
    pub check: Option<Option<CheckPlan>>,
    /// What requests go by.
    pub options: GroupOptions,
}

impl GroupSettings {
    /// Reads a value: a JSON object whose fields are all optional.
    ///
    /// * `balance`: the arguments of `etcd_balance`, as one string.
    /// * `max_conns`, `max_fails`, `fail_timeout`, `slow_start`: as in `etcd_defaults`.
    /// * `check`: an object with `type` (`http`, `tcp` or `tls`) and the parameters of
    ///   `etcd_check`, or `"off"`. What it does not say is as the upstream's `etcd_check` says, if
    ///   that is of the same type.
    /// * `drain`: an object with the parameters of `etcd_drain` but `rate`, or `"off"`. What it
    ///   does not say is as the upstream's `etcd_drain` says.
    /// * `sticky`: `"on"` or `"off"`, `true` or `false`.
    ///
    /// # Errors
    ///
    /// What of it is not valid. Nothing of a value that is not valid counts.
    pub fn parse(value: &[u8], upstream: &UpstreamSettings) -> Result<Self, SettingsError> {
        if value.len() > MAX_LENGTH {
            return Err(SettingsError::TooLong(value.len()));
        }
        let text = str::from_utf8(value).map_err(|_| SettingsError::NotUtf8)?;
        let json: Json = serde_json::from_str(text)
            .map_err(|error| SettingsError::NotJson(error.to_string()))?;
        let Json::Object(object) = json else { return Err(SettingsError::NoObject) };
        let mut settings = Self::default();
        for (name, value) in &object {
            match name.as_str() {
                known if value.is_null() && NAMES.contains(&known) => {}
                "balance" => settings.set_method(value, upstream)?,
                "max_conns" | "max_fails" | "fail_timeout" | "slow_start" => {
                    settings.defaults.set_json(name, value)?;
                }
                "check" => settings.set_check(value, upstream)?,
                "drain" => settings.set_drain(value, upstream)?,
                "sticky" => settings.set_sticky(value, upstream)?,
                _ => return Err(SettingsError::Unknown(Excerpt::new(name))),
            }
        }
        Ok(settings)
    }

    fn set_method(
        &mut self,
        value: &Json,
        upstream: &UpstreamSettings,
    ) -> Result<(), SettingsError> {
        let Json::String(text) = value else {
            return Err(wrong_type("balance", value, "a string, such as \"least_conn\""));
        };
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let parse = if upstream.is_stream { Method::parse_in_stream } else { Method::parse };
        let method = parse(&words).map_err(SettingsError::Method)?;
        if let Some(key) = words.get(1).filter(|_| method.needs_key()) {
            check_key(key, upstream)?;
            self.options.hash_key = Some(Arc::from(*key));
        }
        self.options.method = Some(method);
        Ok(())
    }

    fn set_check(
        &mut self,
        value: &Json,
        upstream: &UpstreamSettings,
    ) -> Result<(), SettingsError> {
        let Given::Parameters(object) = Given::of("check", value)? else {
            (self.check, self.options.checking) = (Some(None), Some(None));
            return Ok(());
        };
        let mut object: Object = object.clone();
        let of_upstream = upstream.check.as_deref().and_then(|check| check.split_first());
        let kind = match object.remove("type") {
            None | Some(Json::Null) => of_upstream.map_or("http", |(kind, _)| kind).to_owned(),
            Some(Json::String(kind)) => kind,
            Some(other) => return Err(wrong_type("type", &other, "\"http\", \"tcp\" or \"tls\"")),
        };
        let inherited = of_upstream.filter(|(of_upstream, _)| **of_upstream == kind);
        let inherited = inherited.map_or(&[][..], |(_, parameters)| parameters);
        let row = directive("etcd_check");
        let mut words = vec![kind];
        words.extend(arguments(row, "check", inherited, &object)?);
        let check = row.parse(&words).and_then(|args| Check::read(&args));
        let check =
            check.map_err(|error| SettingsError::of_directive("etcd_check", "check", &error))?;
        self.check = Some(Some(CheckPlan::new(check.config)));
        self.options.checking = Some(Some(check.policy));
        Ok(())
    }

    fn set_drain(
        &mut self,
        value: &Json,
        upstream: &UpstreamSettings,
    ) -> Result<(), SettingsError> {
        let Given::Parameters(object) = Given::of("drain", value)? else {
            self.options.closing = Some(None);
            return Ok(());
        };
        if object.contains_key("rate") {
            // It is that of all peers of the upstream together.
            return Err(SettingsError::Field { name: "drain", field: Excerpt::new("rate") });
        }
        // What a variable says may change at any time, and a rate is no time.
        let is_taken =
            |argument: &&String| !argument.contains("=$") && !argument.starts_with("rate=");
        let inherited: Vec<String> =
            upstream.drain.iter().flatten().filter(is_taken).cloned().collect();
        let row = directive("etcd_drain");
        let words = arguments(row, "drain", &inherited, object)?;
        let closing = row.parse(&words).and_then(|args| drain::read(&args));
        let closing =
            closing.map_err(|error| SettingsError::of_directive("etcd_drain", "drain", &error))?;
        self.options.closing = Some(Some(closing));
        Ok(())
    }

    fn set_sticky(
        &mut self,
        value: &Json,
        upstream: &UpstreamSettings,
    ) -> Result<(), SettingsError> {
        let is_sticky = match value {
            Json::Bool(is_sticky) => *is_sticky,
            Json::String(text) if text == "on" => true,
            Json::String(text) if text == "off" => false,
            _ => return Err(wrong_type("sticky", value, "\"on\" or \"off\"")),
        };
        if is_sticky && !upstream.has_sticky {
            return Err(SettingsError::Needs { name: "sticky", directive: "etcd_sticky" });
        }
        self.options.is_sticky = Some(is_sticky);
        Ok(())
    }
}

/// That nginx can evaluate a key.
fn check_key(key: &str, upstream: &UpstreamSettings) -> Result<(), SettingsError> {
    for part in parts(key) {
        match part {
            Part::Text(_) => {}
            Part::Variable(name) if (upstream.is_variable)(name) => {}
            Part::Variable(name) => {
                return Err(SettingsError::Variable(Excerpt::new(&format!("${name}"))));
            }
            Part::Invalid(text) => return Err(SettingsError::Key(Excerpt::new(text))),
        }
    }
    Ok(())
}
