//! A server in a process of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::program::Place;

/// Longer than anything here takes, however busy the machine is.
const LONG: Duration = Duration::from_secs(120);

/// Serves as `server.toml` says, on a free port.
pub(crate) const SERVE: [&str; 7] = [
    "serve",
    "--config",
    "server.toml",
    "--listen",
    "127.0.0.1:0",
    "--data",
    "data",
];

/// A server of its own process.
pub(crate) struct Serving {
    child: Child,
    lines: Receiver<String>,
    /// `HOST:PORT`, as images there are named.
    pub(crate) address: String,
    /// What it said before it served.
    pub(crate) began: Vec<String>,
}

impl Serving {
    /// With the configuration `server.toml`, on a free port.
    pub(crate) fn start(place: &Place, more: &[&str]) -> Serving {
        let arguments = [&SERVE[..], more].concat();
        let mut child = place.command(&arguments).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut serving = Serving {
            child,
            lines,
            address: String::new(),
            began: Vec::new(),
        };
        let ready;
        (serving.began, ready) = serving.says_at_last("lightship serves ");
        serving.address = ready.rsplit_once('/').unwrap().1.to_owned();
        serving
    }

    /// The next line that contains `words`.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) -> String {
        self.says_at_last(words).1
    }

    /// The same, with what it says before.
    #[track_caller]
    fn says_at_last(&self, words: &str) -> (Vec<String>, String) {
        let mut said = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(LONG) {
            if line.contains(words) {
                return (said, line);
            }
            said.push(line);
        }
        panic!("it does not say {words}, but {said:?}");
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// The answer to a request in plain HTTP.
    pub(crate) fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!(
            "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Ends it and says how it ended.
    pub(crate) fn end(mut self) -> Option<i32> {
        self.signal("TERM");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
