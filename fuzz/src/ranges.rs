//! The `Range` of a download, or after a first byte `C` the `Content-Range` of a chunk.

use std::sync::{LazyLock, Mutex};

use super::world::{World, header};
use oci::Digest;

const CONTENT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

static WORLD: LazyLock<Mutex<World>> = LazyLock::new(|| Mutex::new(World::new()));

/// What must hold of every input.
pub fn check(input: &str) {
    let mut world = WORLD.lock().expect("no input failed before");
    match input.strip_prefix('C') {
        Some(range) => chunk(&mut world, range),
        None => download(&world, input),
    }
}

fn download(world: &World, range: &str) {
    let path = format!("/v2/ranges/blobs/{}", Digest::sha256_of(CONTENT));
    let ask = |method| world.ask(method, &path, &[("range", range)], b"");
    let Some(mut answer) = ask("GET") else {
        return;
    };
    if answer.status().as_u16() == 404 {
        world.push_blob("ranges", CONTENT);
        answer = ask("GET").expect("as before");
    }
    let length = CONTENT.len();
    match answer.status().as_u16() {
        200 => assert_eq!(&answer.body()[..], CONTENT),
        206 => {
            let told = header(&answer, "content-range");
            let told = told
                .strip_prefix("bytes ")
                .expect("a unit")
                .strip_suffix(&format!("/{length}"));
            let (first, last) = told.expect("the length").split_once('-').expect("two ends");
            let (first, last): (usize, usize) =
                (first.parse().expect("a number"), last.parse().expect("a number"));
            assert_eq!(&answer.body()[..], &CONTENT[first..=last]);
            if let Some((from, to)) = asked(range) {
                assert_eq!((from, to.min(length - 1)), (first, last));
            }
        }
        416 => {
            assert_eq!(header(&answer, "content-range"), format!("bytes */{length}"));
            if let Some((from, to)) = asked(range) {
                assert!(from >= length || from > to);
            }
        }
        status => panic!("{status}"),
    }
    if answer.status().as_u16() != 416 {
        assert_eq!(header(&answer, "content-length"), answer.body().len().to_string());
    }
    let without = ask("HEAD").expect("as before");
    assert_eq!((without.status(), without.body().len()), (answer.status(), 0));
}

/// What is plainly asked for, `bytes=FROM-TO` in digits.
fn asked(range: &str) -> Option<(usize, usize)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(from) && digits(to)).then_some(())?;
    Some((from.parse().ok()?, to.parse().ok()?))
}

fn chunk(world: &mut World, range: &str) {
    let name = world.next();
    let begun = world
        .ask("POST", &format!("/v2/{name}/blobs/uploads/"), &[], b"")
        .expect("a request");
    let location = header(&begun, "location").to_owned();
    world.ask("PATCH", &location, &[], b"abc").expect("a request");
    let Some(answer) = world.ask("PATCH", &location, &[("content-range", range)], b"def") else {
        return;
    };
    let taken = match answer.status().as_u16() {
        202 => true,
        400 | 416 => false,
        status => panic!("{status}"),
    };
    let there = world.ask("GET", &location, &[], b"").expect("a request");
    assert_eq!(header(&there, "range"), if taken { "0-5" } else { "0-2" });
    let numbers: Vec<&str> = range
        .split(|letter: char| !letter.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .collect();
    if taken {
        let number = |text: &&str| text.parse::<u64>().ok();
        assert_eq!(
            numbers.iter().map(number).take(2).collect::<Vec<_>>(),
            [Some(3), Some(5)],
            "{range}"
        );
    } else {
        assert!(!["3-5", "bytes 3-5/6", "bytes 3-5/*"].contains(&range));
    }
}
