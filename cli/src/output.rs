//! Standard output and standard error: data on the one, talk on the other.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::Value;

use crate::arguments::Format;
use crate::failure::{Failure, Outcome};

/// Status of wrong usage; also what clap uses.
const USAGE_STATUS: u8 = 2;

/// Status of something outside that failed.
const OUTSIDE_STATUS: u8 = 3;

/// Prints a usage error or the help that was asked for.
///
/// Help that cannot be printed is like data that cannot: a closed pipe is no failure, a full disk is one outside.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    match (error.use_stderr(), printed) {
        (true, _) => ExitCode::from(USAGE_STATUS),
        (false, Err(cause)) if cause.kind() != io::ErrorKind::BrokenPipe => {
            talk("error: cannot write to standard output");
            talk(&format!("  caused by: {cause}"));
            ExitCode::from(OUTSIDE_STATUS)
        }
        (false, _) => ExitCode::SUCCESS,
    }
}

/// Writes `bytes` to standard output.
///
/// # Errors
/// A closed pipe is no failure (`lightship ls … | head`): what follows is simply not written. Anything else, a full
/// disk for instance, is.
pub(crate) fn data(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::outside("cannot write to standard output", error))
        }
        _ => Ok(()),
    }
}

/// Writes one JSON document, indented, with a final newline.
pub(crate) fn json(document: &impl Serialize) -> Result<(), Failure> {
    let mut text =
        serde_json::to_vec_pretty(document).map_err(|error| Failure::bug("cannot write JSON", error))?;
    text.push(b'\n');
    data(&text)
}

/// A document of a command, with its schema first.
#[derive(Serialize)]
struct Report<'c> {
    schema: String,
    #[serde(flatten)]
    content: &'c Value,
}

/// Writes what a command reports: `content` under the schema of `command`, or a text for people.
pub(crate) fn report(
    command: &str,
    format: Format,
    content: &Value,
    text: impl FnOnce() -> String,
) -> Result<Outcome, Failure> {
    match format {
        Format::Json => json(&Report {
            schema: format!("lightship/{command}/v1"),
            content,
        })?,
        Format::Text => data(text().as_bytes())?,
    }
    Ok(Outcome::Done)
}

/// Writes a line of talk to standard error. There is nobody to tell when that fails.
pub(crate) fn talk(line: &str) {
    let mut stderr = io::stderr().lock();
    drop(
        stderr
            .write_all(line.as_bytes())
            .and_then(|()| stderr.write_all(b"\n")),
    );
}

pub(crate) fn data_goes_to_terminal() -> bool {
    io::stdout().is_terminal()
}

pub(crate) fn talks_to_terminal() -> bool {
    io::stderr().is_terminal()
}

/// A number of bytes for people: three digits at most and a decimal unit, as registries and browsers show it.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (1_000_000_000_000, "TB"),
        (1_000_000_000, "GB"),
        (1_000_000, "MB"),
        (1_000, "kB"),
    ];
    for (unit, name) in UNITS {
        if bytes >= unit {
            let tenths = (u128::from(bytes) * 10 / u128::from(unit)) as u64;
            return if tenths >= 1000 {
                format!("{} {name}", tenths / 10)
            } else {
                format!("{}.{} {name}", tenths / 10, tenths % 10)
            };
        }
    }
    format!("{bytes} B")
}
