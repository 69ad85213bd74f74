//! Measures the module against the same nginx with static servers, and prints what came of it
//! beside what is aimed at.
//!
//! An aim that is missed is a result; the exit code tells only whether all could be measured.

#![forbid(unsafe_code)]

mod backend;
mod changes;
mod client;
mod count;
mod farm;
mod fleet;
mod instructions;
mod latency;
mod machine;
mod method;
mod observers;
mod part;
mod pauses;
mod plan;
mod session_costs;
mod sessions;
mod setup;
mod statistics;
mod table;
mod throughput;
mod tls_node;

use std::process::ExitCode;
use std::time::Instant;

use harness::Result;

use self::part::Part;
use self::plan::Plan;
use self::table::Table;

/// Runs one part, in the process that was started for it.
async fn run(part: Part) -> Result<String> {
    let plan = &Plan::from_environment()?;
    Ok(match part {
        Part::Count { what, folder } => {
            serde_json::to_string(&instructions::count(what, &folder).await?)?
        }
        Part::Changes => serde_json::to_string(&changes::measure(plan).await?)?,
        Part::Throughput => serde_json::to_string(&throughput::measure(plan).await?)?,
        Part::Latency => serde_json::to_string(&latency::measure(plan).await?)?,
        Part::Pauses => serde_json::to_string(&pauses::measure(plan).await?)?,
        Part::Memory { live } => {
            serde_json::to_string(&session_costs::memory_of_one(plan, live).await?)?
        }
    })
}

/// One of the tables, by its name among [`plan::PARTS`].
fn measure(name: &str, plan: &Plan) -> Result<Table> {
    match name {
        "instructions" => instructions::measure(plan),
        "changes" => part::run(&Part::Changes, None),
        "throughput" => part::run(&Part::Throughput, None),
        "latency" => part::run(&Part::Latency, None),
        "pauses" => part::run(&Part::Pauses, None),
        "sessions" => session_costs::measure(plan),
        _ => Err(format!("no part {name:?}").into()),
    }
}

/// Runs all parts, and says whether each could be measured.
fn run_all() -> Result<bool> {
    let began = Instant::now();
    println!("{}", machine::describe()?);
    let mut is_complete = true;
    let plan = Plan::from_environment()?;
    for name in &plan.parts {
        match measure(name, &plan) {
            Ok(table) => println!("{}", table.render()),
            Err(error) => {
                is_complete = false;
                println!("NOT MEASURED: {error}\n");
            }
        }
    }
    println!("took {} s", began.elapsed().as_secs());
    Ok(is_complete)
}

fn work() -> Result<bool> {
    let Some((part, result)) = part::asked_for()? else { return run_all() };
    // One thread for the runtime beside the one that measures: etcd's answers are taken while that
    // one blocks.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    std::fs::write(result, runtime.block_on(run(part))?)?;
    Ok(true)
}

fn main() -> ExitCode {
    match work() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
