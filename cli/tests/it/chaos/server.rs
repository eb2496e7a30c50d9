//! The program as a child that is killed.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From the start of the process to the address being told.
    pub(crate) started_in: Duration,
    said: Option<JoinHandle<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(data: &Path) -> Server {
        let begun = Instant::now();
        let mut child = command(data).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut before = Vec::new();
        let address = loop {
            let line = lines
                .next()
                .unwrap_or_else(|| panic!("it did not start: {before:?}"))
                .unwrap();
            if let Some((_, address)) = line.split_once("lightship serves http://") {
                break address.trim().parse().unwrap();
            }
            before.push(line);
        };
        let started_in = begun.elapsed();
        let said =
            std::thread::spawn(move || before.into_iter().chain(lines.map_while(Result::ok)).collect());
        Server {
            child,
            address,
            started_in,
            said: Some(said),
        }
    }

    /// Fails when it had told its operator of trouble.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let said = self.said.take().unwrap().join().unwrap();
        let trouble: Vec<&String> = said.iter().filter(|line| line.contains("error")).collect();
        assert!(trouble.is_empty(), "{trouble:?}");
    }
}

/// A failed test leaves no server behind.
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the program and kills it after so long, wherever it is then.
pub(crate) fn killed_while_it_starts(data: &Path, after: Duration) {
    let mut child = command(data).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
}

fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lightship"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}
