//! HTTP/1.1 on one connection that stays open: the least that registries need.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

pub struct Connection {
    address: String,
    stream: BufReader<TcpStream>,
}

pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn expect_status(self, status: u16) -> Answer {
        if self.status != status {
            eprintln!(
                "status {} and not {status}: {}",
                self.status,
                String::from_utf8_lossy(&self.body)
            );
            std::process::exit(1);
        }
        self
    }
}

impl Connection {
    pub fn open(address: &str) -> Connection {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket takes options");
        Connection {
            address: address.to_owned(),
            stream: BufReader::with_capacity(64 << 10, stream),
        }
    }

    /// Sends a request and reads its answer whole.
    pub fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if method != "GET" && method != "HEAD" {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes()).expect("the server reads");
        stream.write_all(body).expect("the server reads");
        self.answer(method == "HEAD")
    }

    fn answer(&mut self, without_body: bool) -> Answer {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("the server answers");
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status");
        let (mut length, mut location, mut chunked) = (0_usize, None, false);
        loop {
            line.clear();
            self.stream.read_line(&mut line).expect("the server answers");
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().expect("a length");
            } else if name.eq_ignore_ascii_case("location") {
                location = Some(value.to_owned());
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = true;
            }
        }
        assert!(!chunked || without_body, "answers with a length are expected");
        let mut body = vec![0; if without_body || status == 204 { 0 } else { length }];
        self.stream.read_exact(&mut body).expect("the whole body");
        Answer {
            status,
            location,
            body,
        }
    }
}
