//! Uploads as a state machine: each pair of bytes is a step, and a model says what must come of it.

use std::sync::{LazyLock, Mutex};

use super::world::{BLOB_BYTES_MAX, World, header};
use bytes::Bytes;
use hyper::Response;
use oci::{Algorithm, Digest};

/// Uploads at a time, and packages.
const UPLOADS: usize = 3;

/// Steps of one input.
const STEPS_MAX: usize = 60;

static WORLD: LazyLock<Mutex<World>> = LazyLock::new(|| Mutex::new(World::new()));

/// One upload, as a client that never forgets sees it.
struct Upload {
    package: usize,
    location: String,
    /// What it has; none once it is a blob or was ended.
    content: Option<Vec<u8>>,
}

struct Model<'w> {
    world: &'w mut World,
    packages: [String; 2],
    uploads: Vec<Upload>,
    /// Which blobs a package has.
    blobs: Vec<(usize, Vec<u8>)>,
}

/// What must hold of every input.
pub fn check(input: &[u8]) {
    let mut world = WORLD.lock().expect("no input failed before");
    let name = world.next();
    let packages = [format!("{name}/a"), format!("{name}/b")];
    let mut model = Model {
        world: &mut world,
        packages,
        uploads: Vec::new(),
        blobs: Vec::new(),
    };
    for step in input.chunks_exact(2).take(STEPS_MAX) {
        model.step(step[0], step[1]);
    }
    model.check();
}

impl Model<'_> {
    /// `of` says which upload or package, in its lowest bits, `detail` what is special.
    fn step(&mut self, kind: u8, detail: u8) {
        let of = usize::from(kind >> 4);
        match kind & 15 {
            0 | 1 => self.begin(of, detail),
            2 => self.at_once(of, detail),
            3..=6 => self.append(of, detail),
            7 => self.append_as_said(of, detail),
            8..=10 => self.finish(of, detail),
            11 => self.mount(of, detail),
            12 => self.end(of),
            13 => self.world.restart(),
            14 => self.unlink(detail),
            _ => self.elsewhere(of),
        }
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response<Bytes> {
        self.world.ask(method, path, headers, body).expect("a request")
    }

    fn begin(&mut self, of: usize, detail: u8) {
        let package = of % 2;
        let algorithm = [
            "",
            "?digest-algorithm=sha256",
            "?digest-algorithm=sha512",
            "?digest-algorithm=md5",
        ];
        let algorithm = algorithm[usize::from(detail % 4)];
        let path = format!("/v2/{}/blobs/uploads/{algorithm}", self.packages[package]);
        let answer = self.ask("POST", &path, &[], b"");
        if algorithm.ends_with("md5") {
            assert_eq!(answer.status().as_u16(), 400);
            return;
        }
        assert_eq!(answer.status().as_u16(), 202);
        let upload = Upload {
            package,
            location: header(&answer, "location").to_owned(),
            content: Some(Vec::new()),
        };
        if self.uploads.len() < UPLOADS {
            self.uploads.push(upload);
        } else {
            self.uploads[of % UPLOADS] = upload;
        }
    }

    /// A blob in one request.
    fn at_once(&mut self, of: usize, detail: u8) {
        let package = of % 2;
        let content = vec![detail; usize::from(detail)];
        let wrong = detail & 8 != 0;
        let digest = digest_of(&content, detail, wrong);
        let path = format!("/v2/{}/blobs/uploads/?digest={digest}", self.packages[package]);
        let expected = match (content.len() as u64 > BLOB_BYTES_MAX, wrong) {
            (true, _) => 413,
            (false, true) => 400,
            (false, false) => 201,
        };
        assert_eq!(self.ask("POST", &path, &[], &content).status().as_u16(), expected);
        if expected == 201 {
            self.blobs.push((package, content));
        }
    }

    fn upload(&self, of: usize) -> Option<usize> {
        (!self.uploads.is_empty()).then(|| of % self.uploads.len())
    }

    /// One of the blobs that were acknowledged, with its package.
    fn blob(&self, detail: u8) -> Option<(usize, Vec<u8>)> {
        let at = usize::from(detail) % self.blobs.len().max(1);
        self.blobs.get(at).cloned()
    }

    /// A chunk, in order or not, whole or broken off.
    fn append(&mut self, of: usize, detail: u8) {
        let Some(at) = self.upload(of) else { return };
        let chunk: Vec<u8> = (0..detail & 31).map(|number| detail ^ number).collect();
        let (ranged, out_of_order, breaks_off) = (detail & 32 != 0, detail & 64 != 0, detail & 128 != 0);
        let upload = &self.uploads[at];
        let length = upload.content.as_ref().map_or(0, Vec::len);
        let start = if out_of_order { length + 1 } else { length };
        let range = format!("{start}-{}", (start + chunk.len()).saturating_sub(1));
        let announced = (chunk.len() + usize::from(breaks_off)).to_string();
        let mut headers = vec![("content-length", announced.as_str())];
        // An empty chunk has no range.
        let ranged = ranged && !chunk.is_empty() && !breaks_off;
        if ranged {
            headers.push(("content-range", &range));
        }
        let (first, second) = chunk.split_at(chunk.len() / 2);
        let pieces = [first, second].into_iter().filter(|piece| !piece.is_empty());
        let pieces = pieces.map(Bytes::copy_from_slice).collect();
        let answer = self
            .world
            .ask_with(("PATCH", &upload.location), &headers, pieces, breaks_off);
        let answer = answer.expect("a request");
        let status = answer.status().as_u16();
        let upload = &mut self.uploads[at];
        let Some(content) = &mut upload.content else {
            assert_eq!(status, 404);
            return;
        };
        if ranged && out_of_order {
            assert_eq!(
                (status, header(&answer, "range")),
                (416, range_of(content).as_str())
            );
        } else if (length + chunk.len() + usize::from(breaks_off)) as u64 > BLOB_BYTES_MAX {
            assert_eq!(status, 413);
        } else if breaks_off {
            // What came is kept.
            assert_eq!(status, 400);
            content.extend(chunk);
        } else {
            content.extend(chunk);
            assert_eq!(
                (status, header(&answer, "range")),
                (202, range_of(content).as_str())
            );
        }
        self.check_upload(at);
    }

    /// A stream that says where it belongs and brings less or more: it is refused, and the upload has at most what came.
    fn append_as_said(&mut self, of: usize, detail: u8) {
        let Some(at) = self.upload(of) else { return };
        let chunk = vec![detail; usize::from(detail & 7)];
        let said = usize::from(detail >> 3 & 7);
        let Some(content) = self.uploads[at].content.clone() else {
            return;
        };
        if said == 0 || said == chunk.len() || content.len() + 8 > BLOB_BYTES_MAX as usize {
            return;
        }
        let range = format!("bytes {}-{}/*", content.len(), content.len() + said - 1);
        let pieces = chunk.chunks(2).map(Bytes::copy_from_slice).collect();
        let location = self.uploads[at].location.clone();
        let answer = self
            .world
            .ask_with(("PATCH", &location), &[("content-range", &range)], pieces, false);
        assert_eq!(answer.expect("a request").status().as_u16(), 400);
        let there = self.ask("GET", &location, &[], b"");
        let (_, last) = header(&there, "range").split_once('-').expect("a range");
        let last: usize = last.parse().expect("a number");
        // `0-0` is one byte or none.
        let mut now = content.clone();
        now.extend(&chunk);
        if last > 0 {
            assert!(last + 1 >= content.len() && last < now.len());
            now.truncate(last + 1);
            self.uploads[at].content = Some(now);
        } else {
            self.ask("DELETE", &location, &[], b"");
            self.uploads[at].content = None;
        }
    }

    fn finish(&mut self, of: usize, detail: u8) {
        let Some(at) = self.upload(of) else { return };
        let last = vec![detail; usize::from(detail & 3)];
        let wrong = detail & 8 != 0;
        let upload = &self.uploads[at];
        let mut whole = upload.content.clone().unwrap_or_default();
        whole.extend(&last);
        let digest = digest_of(&whole, detail, wrong);
        let parameter = match detail & 0xc0 {
            0x40 => "?digest=sha256:bad".to_owned(),
            0x80 => String::new(),
            _ => format!("?digest={digest}"),
        };
        let path = format!("{}{parameter}", upload.location);
        let status = self.ask("PUT", &path, &[], &last).status().as_u16();
        if !parameter.contains(&digest.to_string()) {
            assert_eq!(status, 400);
        } else if upload.content.is_none() {
            assert_eq!(status, 404);
        } else if whole.len() as u64 > BLOB_BYTES_MAX {
            assert_eq!(status, 413);
        } else if wrong {
            // It cannot become right any more.
            assert_eq!(status, 400);
            self.uploads[at].content = None;
        } else {
            assert_eq!(status, 201);
            let package = upload.package;
            self.uploads[at].content = None;
            let there = self.ask(
                "GET",
                &format!("/v2/{}/blobs/{digest}", self.packages[package]),
                &[],
                b"",
            );
            assert_eq!((there.status().as_u16(), &there.body()[..]), (200, &whole[..]));
            self.blobs.push((package, whole));
        }
        self.check_upload(at);
    }

    /// From the other package.
    fn mount(&mut self, of: usize, detail: u8) {
        let Some((_, content)) = self.blob(detail) else {
            return;
        };
        let (from, to) = (of % 2, (of + 1) % 2);
        let digest = Digest::sha256_of(&content);
        let path = format!(
            "/v2/{}/blobs/uploads/?mount={digest}&from={}",
            self.packages[to], self.packages[from]
        );
        let status = self.ask("POST", &path, &[], b"").status().as_u16();
        let known = self.has(from, &digest);
        assert_eq!(status, if known { 201 } else { 202 });
        if known {
            self.blobs.push((to, content));
        }
    }

    /// Blobs are kept by both digests of the same content, and each is a blob of its own.
    fn has(&self, package: usize, digest: &Digest) -> bool {
        let path = format!("/v2/{}/blobs/{digest}", self.packages[package]);
        self.ask("HEAD", &path, &[], b"").status().as_u16() == 200
    }

    fn end(&mut self, of: usize) {
        let Some(at) = self.upload(of) else { return };
        let expected = if self.uploads[at].content.take().is_some() {
            204
        } else {
            404
        };
        let status = self
            .ask("DELETE", &self.uploads[at].location, &[], b"")
            .status()
            .as_u16();
        assert_eq!(status, expected);
        self.check_upload(at);
    }

    fn unlink(&mut self, detail: u8) {
        let Some((package, content)) = self.blob(detail) else {
            return;
        };
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let digest = Digest::of(algorithm, &content);
            let known = self.has(package, &digest);
            let path = format!("/v2/{}/blobs/{digest}", self.packages[package]);
            let status = self.ask("DELETE", &path, &[], b"").status().as_u16();
            assert_eq!(status, if known { 202 } else { 404 });
            assert!(!self.has(package, &digest));
        }
        self.blobs.retain(|blob| *blob != (package, content.clone()));
    }

    /// An upload is not there under another name.
    fn elsewhere(&mut self, of: usize) {
        let Some(at) = self.upload(of) else { return };
        let upload = &self.uploads[at];
        let (here, there) = (&self.packages[upload.package], &self.packages[1 - upload.package]);
        let location = upload.location.replace(here, there);
        for method in ["GET", "PATCH", "DELETE"] {
            assert_eq!(
                self.ask(method, &location, &[], b"x").status().as_u16(),
                404,
                "{method}"
            );
        }
        self.check_upload(at);
    }

    fn check_upload(&self, at: usize) {
        let upload = &self.uploads[at];
        let answer = self.ask("GET", &upload.location, &[], b"");
        match &upload.content {
            Some(content) => assert_eq!(
                (answer.status().as_u16(), header(&answer, "range")),
                (204, range_of(content).as_str())
            ),
            None => assert_eq!(answer.status().as_u16(), 404),
        }
    }

    fn check(&self) {
        for at in 0..self.uploads.len() {
            self.check_upload(at);
        }
        for (package, content) in &self.blobs {
            let found = [Algorithm::Sha256, Algorithm::Sha512].iter().any(|algorithm| {
                let digest = Digest::of(*algorithm, content);
                let path = format!("/v2/{}/blobs/{digest}", self.packages[*package]);
                let answer = self.ask("GET", &path, &[], b"");
                answer.status().as_u16() == 200 && answer.body()[..] == content[..]
            });
            assert!(found, "a blob of {} bytes was lost", content.len());
        }
    }
}

fn range_of(content: &[u8]) -> String {
    format!("0-{}", content.len().saturating_sub(1))
}

fn digest_of(content: &[u8], detail: u8, wrong: bool) -> Digest {
    let algorithm = if detail & 4 == 0 {
        Algorithm::Sha256
    } else {
        Algorithm::Sha512
    };
    let mut content = content.to_vec();
    if wrong {
        content.push(b'!');
    }
    Digest::of(algorithm, &content)
}
