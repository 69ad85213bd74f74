//! `migrate`: copies the settings, and nodes that were written by hand, from one etcd to another,
//! or from v2's keys to v3's.

mod error;
mod options;
mod plan;
mod source;
mod v2;
mod v3;

use std::{
    io::{self, Write},
    process::ExitCode,
};

pub(crate) use self::options::MigrateOptions;
use self::{
    error::MigrateError,
    plan::{MigrationStep, PUT_ALLOW, Plan},
    source::SourceError,
    v3::Store,
};

/// What a wrong flag makes the program exit with, as clap has it.
const USAGE: u8 = 2;

/// Copies, or shows what would be copied. The exit code says whether the target has all that it
/// should.
pub(crate) async fn run(options: Box<MigrateOptions>) -> ExitCode {
    match migrate(*options).await {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error}");
            let is_usage = matches!(
                error,
                MigrateError::From(_) | MigrateError::To(_) | MigrateError::Same(..)
            );
            if is_usage { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
        }
    }
}

async fn migrate(options: MigrateOptions) -> Result<ExitCode, MigrateError> {
    let (writes, overwrites) = (options.yes, options.overwrite);
    let source = options.source().map_err(MigrateError::From)?;
    let store = Store::new(options.target().map_err(MigrateError::To)?);
    let of_source = |error| match error {
        SourceError::Same { .. } => MigrateError::Same(error),
        SourceError::Failed(reason) => {
            MigrateError::Source { endpoints: source.store.endpoints(), reason }
        }
    };
    let of_target = |reason| MigrateError::Target { endpoints: store.endpoints(), reason };

    let (api, keys) = source.read(source.is(&store)).await.map_err(of_source)?;
    let there = store.list().await.map_err(of_target)?;
    let plan = Plan::new(keys, &there, overwrites);
    let mut out = io::stdout().lock();
    writeln!(out, "from {}, API {api}, below {}", source.store.endpoints(), source.store.prefix())?;
    writeln!(out, "to   {}, API v3, below {}", store.endpoints(), store.prefix())?;
    for line in plan.lines() {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "{}", plan.summary())?;
    let opens_publishing =
        || MigrateError::OpensPublishing(format!("{}/{PUT_ALLOW}", store.prefix()));
    if plan.opens_publishing(&there) {
        writeln!(out, "nothing was written")?;
        return Err(opens_publishing());
    }
    if !writes {
        let puts = plan.puts().count();
        if puts > 0 {
            writeln!(out, "nothing was written: run with --yes to write")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let puts: Vec<_> = plan.puts().collect();
    let written = store.put_all(&puts).await.map_err(of_target)?;
    writeln!(out, "{written} written")?;

    // What is there now, not what was to be.
    let keys = source.read_by(api).await.map_err(of_source)?;
    let there = store.list().await.map_err(of_target)?;
    let compared = Plan::new(keys, &there, false);
    for (entry, step) in compared.steps() {
        match step {
            MigrationStep::Put { .. } => writeln!(out, "missing {}", entry.shown())?,
            MigrationStep::Differs { there } => {
                writeln!(out, "differs {}, there {there}", entry.shown())?
            }
            MigrationStep::Same | MigrationStep::Skip(_) => {}
        }
    }
    writeln!(out, "compared: {}", compared.comparison())?;
    if compared.opens_publishing(&there) {
        return Err(opens_publishing());
    }
    Ok(if compared.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
