//! `status`: what routers say of themselves, for people without a browser.

mod changes;
mod compare;
mod figures;
mod lines;
mod options;
mod page;
mod peers;
mod problems;
mod reading;
mod sentence;
mod watch;
mod words;

use std::{
    io::{self, Write},
    process::ExitCode,
};

pub(crate) use self::options::StatusOptions;
use self::{
    lines::{lines, text},
    options::StatusView,
    reading::{Reading, read_all},
};
use crate::{routers::StatusPlace, signals::until_end_requested, terminal::shown};

/// What a router that does not answer makes the program exit with, as a wrong flag does.
const UNREACHABLE: u8 = 2;

/// Shows it, once or again and again.
pub(crate) async fn run(options: Box<StatusOptions>) -> ExitCode {
    let places = match options.routers.places() {
        Ok(places) => places,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(UNREACHABLE);
        }
    };
    match options.watch {
        Some(every) => watch::run(&options, &places, every).await,
        None => until_end_requested(once(&options, &places)).await,
    }
}

async fn once(options: &StatusOptions, places: &[StatusPlace]) -> ExitCode {
    let readings = read_all(options, places).await;
    // Of several routers the others are shown, with those that do not answer among them.
    let is_told = options.json || readings.len() == 1;
    for reading in readings.iter().filter(|_| is_told) {
        if let Some(error) = reading.error() {
            eprintln!("error: {}: {}", shown(&reading.name), shown(&error));
        }
    }
    let text = match &readings[..] {
        _ if options.json => as_json(&readings),
        [reading] if reading.document.is_err() => String::new(),
        readings => text(&lines(readings, &StatusView::new(options), None)),
    };
    let code = exit_code(&readings);
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever has read enough is not to be told so.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write to standard output: {error}");
            ExitCode::from(UNREACHABLE)
        }
        _ => code,
    }
}

/// 0: all is well; 1: something is wrong; 2: a router does not answer.
fn exit_code(readings: &[Reading]) -> ExitCode {
    if readings.iter().any(|reading| reading.document.is_err()) {
        ExitCode::from(UNREACHABLE)
    } else if readings.iter().any(|reading| !reading.problems.is_empty()) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// The document as the router sends it; of several routers an object with one for each URL.
fn as_json(readings: &[Reading]) -> String {
    match readings {
        [reading] => match &reading.document {
            Ok(_) => format!("{}\n", reading.text.trim_end()),
            Err(_) => String::new(),
        },
        readings => {
            let member = |reading: &Reading| {
                let name = serde_json::Value::from(reading.name.as_str());
                let text = if reading.document.is_ok() { reading.text.trim_end() } else { "null" };
                format!("{name}: {text}")
            };
            let members: Vec<_> = readings.iter().map(member).collect();
            format!("{{\n{}\n}}\n", members.join(",\n"))
        }
    }
}
