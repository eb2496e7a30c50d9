//! The server as a process.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub(crate) struct Server {
    pub(crate) address: String,
    process: RefCell<Child>,
}

impl Server {
    /// Comes back when it is ready.
    pub(crate) fn start(data: &Path) -> Server {
        let mut process = Command::new(env!("CARGO_BIN_EXE_lightship"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(process.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(
                lines.read_line(&mut line).unwrap() > 0,
                "the server does not start: {said}"
            );
            if let Some((_, address)) = line.trim_end().split_once("http://") {
                break address.to_owned();
            }
            said += &line;
        };
        // What it says later has to go somewhere.
        std::thread::spawn(move || {
            for line in lines
                .lines()
                .map_while(Result::ok)
                .filter(|line| line.contains("error"))
            {
                println!("server: {line}");
            }
        });
        Server {
            address,
            process: RefCell::new(process),
        }
    }

    pub(crate) fn kill(&self) {
        let mut process = self.process.borrow_mut();
        process.kill().unwrap();
        process.wait().unwrap();
    }
}

/// A test that fails leaves no server behind.
impl Drop for Server {
    fn drop(&mut self) {
        let mut process = self.process.borrow_mut();
        let _ = process.kill();
        let _ = process.wait();
    }
}
