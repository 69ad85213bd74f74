//! Flags that say which routers are meant.

use std::path::{Path, PathBuf};

use clap::Args;

use super::place::StatusPlace;
use crate::{messages, path_flag, serve};

/// Flags of routers.
#[derive(Args, Clone, Debug)]
pub(crate) struct RouterOptions {
    /// URL of a router's status; several if the flag is repeated, or separated by commas [default:
    /// the socket of the router on this machine]
    ///
    /// "http://" may be omitted, and so may the path: it is /etcd then.
    #[arg(
        long,
        env = "FIREHOSE_STATUS_URL",
        value_name = "URL",
        value_delimiter = ',',
        hide_env_values = true
    )]
    url: Vec<String>,

    /// Directory given to the router on this machine with --run-dir
    #[arg(
        long,
        env = "FIREHOSE_RUN_DIR",
        value_name = "DIRECTORY",
        hide_env_values = true,
        value_parser = path_flag::parser()
    )]
    run_dir: Option<PathBuf>,

    /// CA certificates to verify https:// URLs of routers with (PEM) [default: the system's]
    #[arg(
        long,
        env = "FIREHOSE_STATUS_CACERT",
        value_name = "FILE",
        hide_env_values = true,
        value_parser = path_flag::parser()
    )]
    cacert: Option<PathBuf>,
}

impl RouterOptions {
    /// The places, at least one.
    ///
    /// # Errors
    ///
    /// Where a URL is invalid, or none is named, and no router runs here.
    pub(crate) fn places(&self) -> Result<Vec<StatusPlace>, String> {
        let urls = self.url.iter().map(|url| url.trim()).filter(|url| !url.is_empty());
        let places: Vec<_> = urls
            .map(|url| StatusPlace::parse(url).map_err(|error| format!("--url: {error}")))
            .collect::<Result<_, _>>()?;
        if !places.is_empty() {
            return Ok(places);
        }
        let socket = serve::status_socket(path_flag::given(self.run_dir.as_ref()));
        let socket = socket.ok_or_else(|| messages::NO_ROUTER_OR_URL.to_owned())?;
        Ok(vec![StatusPlace::of_socket(&socket)])
    }

    /// The CA certificates.
    pub(crate) fn cacert(&self) -> Option<&Path> {
        path_flag::given(self.cacert.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::RouterOptions;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        routers: RouterOptions,
    }

    fn read(flags: &[&str]) -> RouterOptions {
        Flags::try_parse_from([&["x"], flags].concat()).expect("flags").routers
    }

    #[test]
    fn spaces_and_empty_values_count_as_nothing() {
        let places = read(&["--url", "a:1, b:2,", "--url", ""]).places().expect("places");
        let names: Vec<_> = places.iter().map(|place| place.name.as_str()).collect();
        assert_eq!(names, ["http://a:1", "http://b:2"]);
        let options = read(&["--cacert", "", "--run-dir", "", "--url", "a"]);
        assert!(options.cacert().is_none() && options.places().is_ok());
        let error = read(&["--url", "a,ftp://b"]).places().expect_err("no URL");
        assert!(error.starts_with("--url: it must begin with"), "{error}");
    }
}
