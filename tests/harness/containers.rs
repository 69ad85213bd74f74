//! Docker's own program, and containers that end with their test.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Result, ensure};

/// Docker, as `make test-image` names it: the tests of the image run there only.
///
/// # Errors
///
/// Where nobody has named it.
pub fn docker(arguments: &[&str]) -> Result<String> {
    let program =
        std::env::var("TEST_DOCKER").map_err(|_| "TEST_DOCKER is not set: run make test-image")?;
    run(Command::new(program).args(arguments))
}

/// An image that `make test-image` has built.
///
/// # Errors
///
/// Where it has not.
pub fn image(variable: &str) -> Result<String> {
    Ok(std::env::var(variable)
        .map_err(|_| format!("{variable} is not set: run make test-image"))?)
}

/// Runs a program to its end, and gives what it printed on both outputs.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(said.trim().to_owned())
}

/// A container, which is removed when this is dropped.
#[derive(Debug)]
pub struct Container {
    id: String,
}

impl Container {
    /// Starts one: `docker run -d` with these arguments.
    ///
    /// # Errors
    ///
    /// What Docker says.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        let said = docker(&[&["run", "-d"], arguments].concat())?;
        Ok(Self { id: said.lines().last().unwrap_or_default().to_owned() })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A part of what `docker inspect` says of it, by a template.
    ///
    /// # Errors
    ///
    /// Where there is no such container any more.
    pub fn inspect(&self, template: &str) -> Result<String> {
        docker(&["inspect", "-f", template, &self.id])
    }

    /// Its address in Docker's own network.
    ///
    /// # Errors
    ///
    /// Where it does not run.
    pub fn address(&self) -> Result<String> {
        let address = self.inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")?;
        ensure!(!address.is_empty(), "it has no address: {}", self.log()?);
        Ok(address)
    }

    /// What it has said.
    ///
    /// # Errors
    ///
    /// Where there is no such container any more.
    pub fn log(&self) -> Result<String> {
        docker(&["logs", &self.id])
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log().unwrap_or_default());
        }
        let _ = docker(&["rm", "-f", "-v", &self.id]);
    }
}

/// A network of Docker's, which is removed when this is dropped, after those who are in it.
#[derive(Debug)]
pub struct Network {
    name: String,
}

impl Network {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// What Docker says.
    pub fn new(name: &str) -> Result<Self> {
        // Docker may still be removing the one of the test before.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}-{}-{number}", std::process::id());
        docker(&["network", "create", &name])?;
        Ok(Self { name })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = docker(&["network", "rm", &self.name]);
    }
}

/// The fleet of `compose.yaml`, which is removed with all of its volumes when this is dropped.
#[derive(Debug)]
pub struct Compose {
    project: String,
    variables: Vec<(String, String)>,
}

impl Compose {
    /// The fleet with these variables; nothing is started yet.
    pub fn new(variables: &[(&str, &str)]) -> Self {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self { project: format!("firehose-test-{}", std::process::id()), variables }
    }

    /// Runs a command of compose's.
    ///
    /// # Errors
    ///
    /// What it says.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let program = std::env::var("TEST_COMPOSE")
            .map_err(|_| "TEST_COMPOSE is not set: run make test-image")?;
        let mut words = program.split(' ');
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        run(command.args(["-p", &self.project]).args(arguments))
    }

    /// The containers of a service.
    ///
    /// # Errors
    ///
    /// What compose says.
    pub fn containers(&self, service: &str) -> Result<Vec<String>> {
        let filters = [
            format!("label=com.docker.compose.project={}", self.project),
            format!("label=com.docker.compose.service={service}"),
        ];
        let said = docker(&["ps", "-q", "--filter", &filters[0], "--filter", &filters[1]])?;
        Ok(said.lines().map(str::to_owned).collect())
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.run(&["logs", "--tail=40"]).unwrap_or_default());
        }
        let _ = self.run(&["down", "-v", "-t", "1"]);
    }
}
