//! The outer stage: starts the inner ones, maps ids, collects what the command writes, ends it in time.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::unistd::{getegid, geteuid};

use super::protocol::{Fault, Identities, Message, SHIFT, SHIFTED_COUNT, Task, receive, send};
use crate::structure_test::CommandOutput;

/// Most of each output stream that is kept, in bytes; the rest is read and thrown away.
pub const OUTPUT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Runs `task` in a new sandbox, started as `program` in `directory`, for at most `time_limit`.
pub(super) fn run(
    program: &Path,
    directory: &Path,
    task: &Task,
    time_limit: Duration,
) -> Result<CommandOutput, Fault> {
    let starting = |error: io::Error| Fault::machine("starting the sandbox", error);
    let (mut control, theirs) = UnixStream::pair().map_err(starting)?;
    let mut child = Command::new(program)
        .arg(super::INIT_COMMAND)
        .current_dir(directory)
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(starting)?;
    let streams = (child.stdout.take().map(collect), child.stderr.take().map(collect));
    let deadline = Instant::now() + time_limit;
    let ended = converse(&mut control, &child, task, deadline);
    // Ends the inner stages when they have not ended by themselves; process 1 takes all others with it.
    let _ = control.shutdown(Shutdown::Both);
    drop(control);
    child.wait().map_err(starting)?;
    let (stdout, more_stdout) = collected(streams.0);
    let (stderr, more_stderr) = collected(streams.1);
    let (exit_code, timed_out) = match ended? {
        Some(code) => (i64::from(code), None),
        None => (137, Some(time_limit)),
    };
    let cut_at_bytes = (more_stdout || more_stderr).then_some(OUTPUT_BYTES_MAX);
    Ok(CommandOutput {
        stdout,
        stderr,
        cut_at_bytes,
        exit_code,
        timed_out,
    })
}

/// The exit code, or nothing when the time was up.
fn converse(
    control: &mut UnixStream,
    child: &Child,
    task: &Task,
    deadline: Instant,
) -> Result<Option<i32>, Fault> {
    let broken = |error: io::Error| Fault::machine("talking to the sandbox", error);
    control.set_read_timeout(Some(START_TIME_MAX)).map_err(broken)?;
    match receive(&*control).map_err(broken)? {
        Some(Message::Unshared) => {}
        Some(Message::Fault(fault)) => return Err(fault),
        Some(Message::Ended(_)) | None => {
            return Err(Fault::machine("starting the sandbox", "it ended before it began"));
        }
    }
    map_identities(child.id(), task.identities)?;
    send(control, task).map_err(broken)?;
    let left = deadline
        .saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1));
    control.set_read_timeout(Some(left)).map_err(broken)?;
    match receive(&*control) {
        Ok(Some(Message::Ended(code))) => Ok(Some(code)),
        Ok(Some(Message::Fault(fault))) => Err(fault),
        Ok(Some(Message::Unshared) | None) => Err(Fault::machine(
            "running the command",
            "the sandbox ended too early",
        )),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
        Err(error) => Err(broken(error)),
    }
}

/// Tells the kernel which ids of the new namespace are which out here.
fn map_identities(process: u32, identities: Identities) -> Result<(), Fault> {
    let write = |file: &str, text: String| {
        fs::write(format!("/proc/{process}/{file}"), text)
            .map_err(|error| Fault::machine("mapping user ids", error))
    };
    match identities {
        Identities::Shifted => {
            let map = format!("0 {SHIFT} {SHIFTED_COUNT}");
            write("uid_map", map.clone())?;
            write("gid_map", map)
        }
        Identities::Single => {
            // Without it, nobody but root may map a group.
            write("setgroups", "deny".to_owned())?;
            write("uid_map", format!("0 {} 1", geteuid()))?;
            write("gid_map", format!("0 {} 1", getegid()))
        }
    }
}

/// Reads a stream to its end in a thread; the first [`OUTPUT_BYTES_MAX`] and whether there was more.
fn collect(stream: impl Read + Send + 'static) -> JoinHandle<(Vec<u8>, bool)> {
    thread::spawn(move || {
        let mut stream = stream;
        let mut kept = Vec::new();
        // A stream that breaks ends there; what the command did is judged by what came.
        let _ = stream.by_ref().take(OUTPUT_BYTES_MAX).read_to_end(&mut kept);
        let more = io::copy(&mut stream, &mut io::sink()).is_ok_and(|bytes| bytes > 0);
        (kept, more)
    })
}

fn collected(thread: Option<JoinHandle<(Vec<u8>, bool)>>) -> (Vec<u8>, bool) {
    thread.and_then(|thread| thread.join().ok()).unwrap_or_default()
}

/// Making namespaces is a matter of milliseconds.
const START_TIME_MAX: Duration = Duration::from_secs(30);
