//! A registry in a few threads, that tells what was asked and sent, and misbehaves on request.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

mod content;

use content::Answer;
pub use content::Content;

/// Read from a request's body at a time, in bytes: a stall may come between any two.
const PIECE_BYTES: usize = 4096;

/// What the registry can do.
#[derive(Debug, Clone, Copy)]
pub struct Ways {
    /// It lists its repositories.
    pub catalog: bool,
    /// Its lists of tags are Google's.
    pub google: bool,
    /// It has the API of referrers.
    pub referrers: bool,
    /// It sets tags that stand in the query.
    pub tags_in_query: bool,
    /// It mounts blobs.
    pub mounts: bool,
    /// It sends parts of blobs.
    pub ranges: bool,
    /// It says how far uploads are.
    pub offsets: bool,
    /// It takes a blob with the request that begins its upload.
    pub at_once: bool,
    /// Tags of one page.
    pub page: usize,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            catalog: true,
            google: false,
            referrers: true,
            tags_in_query: true,
            mounts: true,
            ranges: true,
            offsets: true,
            at_once: true,
            page: 1000,
        }
    }
}

/// What goes wrong with one answer.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// This status instead, with these headers.
    Status(u16, Vec<(String, String)>),
    /// This status instead, with an error of this code.
    Refused(u16, &'static str),
    /// The connection is closed after so many bytes of the body, which was announced whole.
    Cut(usize),
    /// The body comes a byte at a time, with this pause before each.
    Drip(Duration),
    /// The first byte of the body is another one.
    Flip,
    /// The connection is closed when so many bytes of the request's body were taken.
    Drop(usize),
}

/// A registry on loopback; it stops when dropped.
pub struct FakeRegistry {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    content: Mutex<Content>,
    stopped: AtomicBool,
    stall: Mutex<Stall>,
    stalled: Condvar,
    connections: Mutex<Vec<TcpStream>>,
}

/// When to stop taking anything.
#[derive(Default)]
struct Stall {
    /// Steps until then.
    left: Option<usize>,
    /// It is so now.
    is_on: bool,
    /// Which life of connections it is: those of an earlier one do nothing any more.
    life: u64,
}

struct Request {
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl FakeRegistry {
    /// Starts one on a free port.
    pub fn start(ways: Ways) -> FakeRegistry {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let content = Content::new(ways);
        let shared = Arc::new(Shared {
            content: Mutex::new(content),
            stopped: AtomicBool::new(false),
            stall: Mutex::default(),
            stalled: Condvar::new(),
            connections: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                let life = shared.stall().life;
                if let Ok(copy) = stream.try_clone() {
                    shared
                        .connections
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(copy);
                }
                thread::spawn(move || {
                    drop(shared.serve(&stream, life));
                    // There is a copy of it that would keep it open.
                    drop(stream.shutdown(Shutdown::Both));
                });
            }
        });
        FakeRegistry { address, shared }
    }

    /// `HOST:PORT`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// What it holds, to be looked at and changed.
    pub fn content(&self) -> MutexGuard<'_, Content> {
        self.shared.content()
    }

    /// The next request that begins so has this trouble.
    pub fn trouble(&self, request: &str, trouble: Trouble) {
        let mut content = self.content();
        match content.troubles.iter_mut().find(|(start, _)| start == request) {
            Some((_, queue)) => queue.push_back(trouble),
            None => content
                .troubles
                .push((request.to_owned(), VecDeque::from([trouble]))),
        }
    }

    /// Just before the next request that begins so is answered, this happens.
    pub fn before(&self, request: &str, hook: impl FnOnce(&mut Content) + Send + 'static) {
        self.content().hooks.push((request.to_owned(), Box::new(hook)));
    }

    /// The requests so far that begin so.
    pub fn requests(&self, start: &str) -> Vec<String> {
        let content = self.content();
        content
            .log
            .iter()
            .filter(|line| line.starts_with(start))
            .cloned()
            .collect()
    }

    /// Takes nothing more after so many steps: a step is a request, an answer, or a piece of a body.
    pub fn stall_after(&self, steps: usize) {
        let mut stall = self.shared.stall();
        stall.left = Some(steps);
    }

    /// Waits until it has stalled, or `ended` says that nobody asks any more; tells which.
    pub fn wait_for_stall(&self, mut ended: impl FnMut() -> bool) -> bool {
        let mut stall = self.shared.stall();
        while !stall.is_on {
            if ended() {
                return false;
            }
            let waited = self.shared.stalled.wait_timeout(stall, Duration::from_millis(20));
            stall = waited.map_or_else(|error| error.into_inner().0, |(stall, _)| stall);
        }
        true
    }

    /// Ends all connections, without another answer, and takes new ones again.
    pub fn revive(&self) {
        {
            let mut stall = self.shared.stall();
            *stall = Stall {
                life: stall.life + 1,
                ..Stall::default()
            };
        }
        self.shared.stalled.notify_all();
        let mut connections = self
            .shared
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for connection in connections.drain(..) {
            drop(connection.shutdown(Shutdown::Both));
        }
    }
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.revive();
        // Wakes the thread that accepts, so that it sees the flag.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stall(&self) -> MutexGuard<'_, Stall> {
        self.stall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One step of a connection; an error when it is of a life that is over.
    fn step(&self, life: u64) -> io::Result<()> {
        let mut stall = self.stall();
        if let Some(left) = &mut stall.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                stall.is_on = true;
                self.stalled.notify_all();
            }
        }
        while stall.is_on && stall.life == life {
            stall = self.stalled.wait(stall).unwrap_or_else(PoisonError::into_inner);
        }
        match stall.life == life {
            true => Ok(()),
            false => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    fn serve(&self, mut stream: &TcpStream, life: u64) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        while let Some(mut request) = read_head(&mut reader)? {
            self.step(life)?;
            let trouble = self.content().note(&request);
            self.take_body(&mut reader, &mut request, (life, trouble.as_ref()))?;
            let mut answer = match &trouble {
                Some(Trouble::Status(status, headers)) => Answer {
                    status: *status,
                    headers: headers.clone(),
                    body: Vec::new(),
                },
                Some(Trouble::Refused(status, code)) => Answer {
                    status: *status,
                    headers: Vec::new(),
                    body: format!("{{\"errors\":[{{\"code\":\"{code}\"}}]}}").into_bytes(),
                },
                _ => self.content().answer(&request),
            };
            if matches!(trouble, Some(Trouble::Flip)) {
                answer.body[0] ^= 1;
            }
            self.step(life)?;
            let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
            for (name, value) in &answer.headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            head.push_str(&format!("Content-Length: {}\r\n\r\n", answer.body.len()));
            stream.write_all(head.as_bytes())?;
            if request.method == "HEAD" {
                continue;
            }
            if let Some(Trouble::Cut(bytes)) = trouble {
                stream.write_all(answer.body.get(..bytes).unwrap_or(&answer.body))?;
                return stream.shutdown(Shutdown::Both);
            }
            let (piece_bytes, pause) = match trouble {
                Some(Trouble::Drip(pause)) => (1, pause),
                _ => (PIECE_BYTES, Duration::ZERO),
            };
            for piece in answer.body.chunks(piece_bytes) {
                self.step(life)?;
                thread::sleep(pause);
                stream.write_all(piece)?;
            }
        }
        Ok(())
    }

    /// Takes a body piece by piece: what came of an upload before a connection broke is there.
    fn take_body(
        &self,
        reader: &mut BufReader<&TcpStream>,
        request: &mut Request,
        (life, trouble): (u64, Option<&Trouble>),
    ) -> io::Result<()> {
        let length = request.headers.get("content-length");
        let mut left: usize = length.map_or(0, |length| length.parse().expect("a length"));
        let upload = self.content().upload_of(request);
        let mut open = upload
            .as_ref()
            .map(|upload| upload.lock().unwrap_or_else(PoisonError::into_inner));
        let mut until_drop = match trouble {
            Some(Trouble::Drop(bytes)) => Some(*bytes),
            _ => None,
        };
        let mut piece = [0; PIECE_BYTES];
        while left > 0 {
            if until_drop == Some(0) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            let most = left.min(PIECE_BYTES).min(until_drop.unwrap_or(usize::MAX));
            let count = reader.read(&mut piece[..most])?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left -= count;
            until_drop = until_drop.map(|bytes| bytes - count);
            match &mut open {
                Some(upload) => {
                    upload.extend_from_slice(&piece[..count]);
                    self.content().received += count as u64;
                }
                None => request.body.extend_from_slice(&piece[..count]),
            }
            self.step(life)?;
        }
        if until_drop == Some(0) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

fn read_head(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Ok(None);
    };
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let target = target.replace("%3A", ":").replace("%2F", "/");
    Ok(Some(Request {
        method,
        target,
        headers,
        body: Vec::new(),
    }))
}
