//! A small HTTP server on loopback, with faults on request.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What goes wrong with one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This status instead, with a Retry-After header when given (seconds).
    Status(u16, Option<u32>),
    /// The connection is closed after so many bytes of the body, which was announced whole.
    CutAfter(usize),
    /// After so many bytes of the body nothing more is sent until [`TestServer::release`].
    HoldAfter(usize),
    /// The byte at this offset of the body is another one.
    FlipByte(usize),
    /// Nothing is sent for so long before the answer.
    Delay(Duration),
    /// The whole body is sent, whatever range was asked for.
    IgnoreRange,
    /// The body never ends (until the client goes away).
    Endless,
    /// The body comes without its length: it ends with the connection.
    WithoutLength,
}

/// A server of one directory; it stops when dropped.
#[derive(Debug)]
pub struct TestServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    stopped: AtomicBool,
    /// Faults by path, used up from the front; the last of a list marked as lasting stays.
    faults: Mutex<HashMap<String, VecDeque<(Fault, bool)>>>,
    requests: Mutex<Vec<String>>,
    /// Answers that may go on, and who waits for that.
    released: (Mutex<usize>, Condvar),
}

/// Longest a connection may idle: a forgotten client must not keep a thread.
const IDLE: Duration = Duration::from_secs(30);

impl TestServer {
    /// Serves the files below `root`.
    pub fn start(root: PathBuf) -> TestServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            root,
            stopped: AtomicBool::new(false),
            faults: Mutex::default(),
            requests: Mutex::default(),
            released: (Mutex::new(0), Condvar::new()),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                thread::spawn(move || drop(shared.connection(&stream)));
            }
        });
        TestServer { address, shared }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next answer for `path` (with its leading slash) has this fault; several are used one after the other.
    pub fn fault_once(&self, path: &str, fault: Fault) {
        self.push(path, fault, false);
    }

    /// One answer that is held may go on, now or as soon as it is.
    pub fn release(&self) {
        let (count, told) = &self.shared.released;
        *count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        told.notify_one();
    }

    /// Every later answer for `path` has this fault.
    pub fn fault_always(&self, path: &str, fault: Fault) {
        self.push(path, fault, true);
    }

    /// What was asked for so far: `GET /path`, with ` bytes=N-` behind it when a range was wanted.
    pub fn requests(&self) -> Vec<String> {
        self.shared
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn push(&self, path: &str, fault: Fault, lasting: bool) {
        let mut faults = self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults
            .entry(path.to_owned())
            .or_default()
            .push_back((fault, lasting));
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, so that it sees the flag.
        drop(TcpStream::connect(self.address));
    }
}

struct Request {
    method: String,
    path: String,
    range_from: Option<usize>,
}

impl Shared {
    fn connection(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(IDLE))?;
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        while let Some(request) = read_request(&mut reader)? {
            let range = request
                .range_from
                .map(|from| format!(" bytes={from}-"))
                .unwrap_or_default();
            let line = format!("{} {}{range}", request.method, request.path);
            self.requests
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
            if !self.answer(stream, &request)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Answers one request; false when the connection is to be closed.
    fn answer(&self, mut stream: &TcpStream, request: &Request) -> io::Result<bool> {
        let fault = self.next_fault(&request.path);
        if let Some(Fault::Delay(time)) = fault {
            thread::sleep(time);
        }
        if let Some(Fault::Status(status, retry_after)) = fault {
            let retry = retry_after
                .map(|seconds| format!("Retry-After: {seconds}\r\n"))
                .unwrap_or_default();
            write!(
                stream,
                "HTTP/1.1 {status} Fault\r\n{retry}Content-Length: 0\r\n\r\n"
            )?;
            return Ok(true);
        }
        let Some(mut body) = self.file(&request.path) else {
            write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(true);
        };
        if let Some(Fault::FlipByte(offset)) = fault
            && let Some(byte) = body.get_mut(offset)
        {
            *byte ^= 1;
        }
        if let Some(Fault::Endless | Fault::WithoutLength) = fault {
            return without_length(stream, &body, fault == Some(Fault::Endless)).map(|()| false);
        }
        let from = request
            .range_from
            .filter(|from| *from < body.len() && fault != Some(Fault::IgnoreRange));
        match from {
            Some(from) => {
                let total = body.len();
                body.drain(..from);
                let last = total - 1;
                write!(
                    stream,
                    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{last}/{total}\r\n"
                )?;
            }
            None => write!(stream, "HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\n")?,
        }
        write!(stream, "Content-Length: {}\r\n\r\n", body.len())?;
        if request.method == "HEAD" {
            return Ok(true);
        }
        if let Some(Fault::CutAfter(bytes)) = fault {
            stream.write_all(body.get(..bytes).unwrap_or(&body))?;
            return Ok(false);
        }
        if let Some(Fault::HoldAfter(bytes)) = fault {
            stream.write_all(body.get(..bytes).unwrap_or(&body))?;
            body.drain(..bytes.min(body.len()));
            self.wait();
        }
        stream.write_all(&body)?;
        Ok(true)
    }

    /// Until it is released, or a test has forgotten it.
    fn wait(&self) {
        let (count, told) = &self.released;
        let count = count.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = told.wait_timeout_while(count, IDLE, |count| *count == 0);
        let (mut count, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *count = count.saturating_sub(1);
    }

    fn next_fault(&self, path: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = faults.get_mut(path)?;
        let (fault, lasting) = queue.front().cloned()?;
        if !lasting {
            queue.pop_front();
        }
        Some(fault)
    }

    fn file(&self, path: &str) -> Option<Vec<u8>> {
        let path = path
            .trim_start_matches('/')
            .replace("%2b", "+")
            .replace("%2B", "+")
            .replace("%7e", "~")
            .replace("%7E", "~");
        if path.split('/').any(|part| part == "..") {
            return None;
        }
        fs::read(self.root.join(path)).ok()
    }
}

/// Answers with a body that ends with the connection, or not at all.
fn without_length(mut stream: &TcpStream, body: &[u8], is_endless: bool) -> io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
    if is_endless {
        loop {
            stream.write_all(&[b'x'; 65_536])?;
        }
    }
    stream.write_all(body)
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Ok(None);
    };
    // A proxy is asked for the whole URL.
    let path = target
        .strip_prefix("http://")
        .and_then(|rest| rest.find('/').map(|at| &rest[at..]))
        .unwrap_or(target);
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        range_from: None,
    };
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            return Ok(Some(request));
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("range")
        {
            request.range_from = value
                .trim()
                .strip_prefix("bytes=")
                .and_then(|range| range.trim_end_matches('-').parse().ok());
        }
    }
}
