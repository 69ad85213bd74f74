//! Measures the module against the same nginx with static servers, and prints what came of it
//! beside what is aimed at.
//!
//! An aim that is missed is a result; the exit code tells only whether all could be measured, and
//! of the part `gate` whether no figure is above its baseline.

#![forbid(unsafe_code)]

mod backend;
mod baseline;
mod beside;
mod callgrind;
mod changes;
mod churn;
mod client;
mod count;
mod counting;
mod farm;
mod fleet;
mod gate;
mod great_fleet;
mod idle;
mod instructions;
mod latency;
mod machine;
mod method;
mod neighbours;
mod observers;
mod part;
mod pauses;
mod plan;
mod services;
mod session_costs;
mod sessions;
mod setup;
mod statistics;
mod status;
mod stream;
mod table;
mod throughput;
mod tls_node;

use std::process::ExitCode;
use std::time::Instant;

use harness::Result;

use self::baseline::Baseline;
use self::part::{Part, Programs};
use self::plan::Plan;
use self::table::Table;

/// Runs one part, in the process that was started for it.
async fn run(part: Part) -> Result<String> {
    let plan = &Plan::from_environment()?;
    Ok(match part {
        Part::Count { what, folder } => {
            serde_json::to_string(&counting::count(what, &folder).await?)?
        }
        Part::CountSessions { what, folder } => {
            serde_json::to_string(&stream::counting::count(&what, &folder).await?)?
        }
        Part::GateOfSessions { folder } => {
            serde_json::to_string(&gate::count_sessions(plan, &folder).await?)?
        }
        Part::SessionThroughput => {
            serde_json::to_string(&stream::throughput::measure(plan).await?)?
        }
        Part::SessionMemory { live } => {
            serde_json::to_string(&stream::memory::memory_of_one(plan, live).await?)?
        }
        Part::Datagrams => serde_json::to_string(&stream::datagrams::measure(plan).await?)?,
        Part::Gate { folder } => serde_json::to_string(&gate::count(plan, &folder).await?)?,
        Part::Changes => serde_json::to_string(&changes::measure(plan).await?)?,
        Part::Throughput => serde_json::to_string(&throughput::measure(plan).await?)?,
        Part::Churn => serde_json::to_string(&churn::measure(plan).await?)?,
        Part::Idle => serde_json::to_string(&idle::measure(plan).await?)?,
        Part::Echoes => serde_json::to_string(&session_costs::echoes(plan).await?)?,
        Part::Latency => serde_json::to_string(&latency::measure(plan).await?)?,
        Part::Pauses => serde_json::to_string(&pauses::measure(plan).await?)?,
        Part::Neighbour { program } => {
            serde_json::to_string(&neighbours::measure_one(program, plan).await?)?
        }
        Part::ServicesBeside { program } => {
            serde_json::to_string(&services::beside::measure(program, plan).await?)?
        }
        Part::ServiceChanges => serde_json::to_string(&services::measure_changes(plan).await?)?,
        Part::Handshakes => serde_json::to_string(&services::measure_handshakes(plan).await?)?,
        Part::ServiceRounds => serde_json::to_string(&services::measure_rounds(plan).await?)?,
        Part::ServiceInstructions { services, folder } => {
            let counted = services::instructions::count_ours(services, &folder).await?;
            serde_json::to_string(&counted)?
        }
        Part::StaticInstructions { services, folder } => {
            let counted = services::instructions::count_static(services, &folder).await?;
            serde_json::to_string(&counted)?
        }
        Part::Status => serde_json::to_string(&status::measure(plan).await?)?,
        Part::GreatFleet => serde_json::to_string(&great_fleet::measure(plan).await?)?,
        Part::Memory { live } => {
            serde_json::to_string(&session_costs::memory_of_one(plan, live).await?)?
        }
    })
}

/// One of the tables, by its name among [`plan::PARTS`] and [`plan::MORE_PARTS`].
fn measure(name: &str, plan: &Plan) -> Result<Table> {
    let programs = &Programs::default();
    match name {
        "gate" => gate::measure(plan),
        "instructions" => instructions::measure(plan),
        "changes" => part::run(&Part::Changes, programs),
        "throughput" => part::run(&Part::Throughput, programs),
        "churn" => part::run(&Part::Churn, programs),
        "idle" => part::run(&Part::Idle, programs),
        "latency" => part::run(&Part::Latency, programs),
        "pauses" => part::run(&Part::Pauses, programs),
        "fleet" => part::run(&Part::GreatFleet, programs),
        "status" => part::run(&Part::Status, programs),
        "stream" => stream::instructions::measure(plan),
        "stream-throughput" => part::run(&Part::SessionThroughput, programs),
        "stream-memory" => stream::memory::measure(plan),
        "datagrams" => part::run(&Part::Datagrams, programs),
        "certificates" => part::run(&Part::Handshakes, programs),
        "services-changes" => part::run(&Part::ServiceChanges, programs),
        "services-instructions" => services::instructions::measure(plan),
        "services-rounds" => part::run(&Part::ServiceRounds, programs),
        "sessions" => session_costs::measure(plan),
        _ => Err(format!("no part {name:?}").into()),
    }
}

/// Measures a part, and prints it beside the baseline. Says whether that was possible, and in the
/// gate whether it is passed.
fn show(name: &str, plan: &Plan) -> Result<bool> {
    let beside = match name {
        "neighbours" => Some(neighbours::measure(plan)?),
        "services-beside" => Some(services::beside::measure_all(plan)?),
        _ => None,
    };
    if let Some(table) = beside {
        println!("{table}");
        return Ok(true);
    }
    let mut table = measure(name, plan)?;
    let is_compared = name != "gate";
    if is_compared {
        Baseline::read()?.show_in(name, &mut table);
    }
    println!("{}", table.render());
    if is_compared && baseline::is_written() {
        let mut baseline = Baseline::read()?;
        baseline.take(name, &table)?;
        baseline.write()?;
    }
    Ok(name != "gate" || !table.is_missed())
}

/// Runs all parts, and says whether each could be measured.
fn run_all() -> Result<bool> {
    let began = Instant::now();
    println!("{}", machine::describe()?);
    let mut is_complete = true;
    let plan = Plan::from_environment()?;
    if let Some(old) = plan::other_module()? {
        is_complete = beside::show(&old, &plan);
        println!("took {} s", began.elapsed().as_secs());
        return Ok(is_complete);
    }
    for name in &plan.parts {
        match show(name, &plan) {
            Ok(is_passed) => is_complete &= is_passed,
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
