//! `check-value`: what the module would make of a value.

mod options;
mod report;

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::unix::ffi::OsStringExt,
    process::ExitCode,
};

use upstream_peers::MAX_LONG_VALUE_LENGTH;

use self::report::Report;
pub(crate) use self::{options::CheckValueOptions, report::peers_json};

/// What a wrong flag makes the program exit with, as clap has it.
const USAGE: u8 = 2;

/// Says it. The exit code is that of a test: 0 if the value is valid, 1 if it is rejected.
pub(crate) fn run(options: CheckValueOptions) -> ExitCode {
    let (value, is_json) = (options.value.clone(), options.json);
    let context = match options.context() {
        Ok(context) => context,
        Err(error) => return fail(&error),
    };
    let value = match value_of(value) {
        Ok(value) => value,
        Err(error) => return fail(&format!("cannot read the value: {error}")),
    };
    let report = Report::new(&context, &value);
    let text = if is_json { report.json() } else { report.text() };
    let written = match &report {
        Report::Rejected { .. } if !is_json => io::stderr().lock().write_all(text.as_bytes()),
        _ => io::stdout().lock().write_all(text.as_bytes()),
    };
    match written {
        // Whoever has read enough is not to be told so.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            fail(&format!("cannot write: {error}"))
        }
        _ if matches!(report, Report::Rejected { .. }) => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

fn fail(error: &str) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(USAGE)
}

/// The words, or what standard input has where there is only a `-`.
fn value_of(words: Vec<OsString>) -> io::Result<Vec<u8>> {
    if words == ["-"] {
        let mut value = Vec::new();
        // One byte more is enough to be too long.
        let most = MAX_LONG_VALUE_LENGTH as u64 + 1;
        io::stdin().lock().take(most).read_to_end(&mut value)?;
        return Ok(value);
    }
    let words: Vec<_> = words.into_iter().map(OsString::into_vec).collect();
    Ok(words.join(&b' '))
}
