//! A load generator for registries: what wrk cannot do. Threads with blocking connections, one each.
//!
//! ```text
//! load requests ADDRESS METHOD CLIENTS SECONDS PATH...   the same requests again and again
//! load push ADDRESS CLIENTS IMAGES BYTES SEED            images of one layer and a configuration
//! load pull ADDRESS CLIENTS PULLS NAME TAGS FROM         manifest by tag, then its blobs
//! ```
//!
//! Prints one line: `COUNT SECONDS P50_MICROSECONDS P99_MICROSECONDS`. Any answer that is not as it should be ends it.

mod connection;
mod image;

use std::time::{Duration, Instant};

use connection::Connection;
use image::Image;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<usize>().unwrap_or_else(|_| usage());
    match words.as_slice() {
        ["requests", address, method, clients, seconds, paths @ ..] if !paths.is_empty() => {
            let time = Duration::from_secs(number(seconds) as u64);
            requests(address, method, number(clients), time, paths);
        }
        ["push", address, clients, images, bytes, seed] => {
            push(address, number(clients), number(images), number(bytes), seed);
        }
        ["pull", address, clients, pulls, name, tags, from] => {
            pull(
                address,
                number(clients),
                number(pulls),
                name,
                (number(tags), number(from)),
            );
        }
        _ => usage(),
    }
}

fn usage() -> ! {
    eprintln!("usage: see the head of bench/load/src/main.rs");
    std::process::exit(2);
}

fn requests(address: &str, method: &str, clients: usize, time: Duration, paths: &[&str]) {
    at_once(clients, |client| {
        let mut connection = Connection::open(address);
        let mut took = Vec::new();
        let begun = Instant::now();
        let mut turn = client;
        while begun.elapsed() < time {
            let path = paths[turn % paths.len()];
            turn += 1;
            took.push(timed(|| {
                connection.ask(method, path, &[], &[]).expect_status(200);
            }));
        }
        took
    });
}

/// Every client has a repository of its own, as different images do.
fn push(address: &str, clients: usize, images: usize, bytes: usize, seed: &str) {
    let made: Vec<Vec<Image>> = (0..clients)
        .map(|client| {
            (0..images / clients)
                .map(|number| Image::new(bytes, &format!("{seed}-{client}-{number}")))
                .collect()
        })
        .collect();
    at_once(clients, |client| {
        let mut connection = Connection::open(address);
        let name = format!("push-{client}");
        made[client]
            .iter()
            .map(|image| timed(|| image.push(&mut connection, &name, "latest")))
            .collect()
    });
}

fn pull(address: &str, clients: usize, pulls: usize, name: &str, (tags, from): (usize, usize)) {
    at_once(clients, |client| {
        let mut connection = Connection::open(address);
        (0..pulls / clients)
            .map(|number| {
                // Far apart, so that no two pulls are of neighbours.
                let tag = format!("v{}", (from + client + number * clients) * 7919 % tags);
                timed(|| image::pull(&mut connection, name, &tag))
            })
            .collect()
    });
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

/// Runs the clients beside each other and prints what they saw.
fn at_once(clients: usize, client: impl Fn(usize) -> Vec<Duration> + Sync) {
    let begun = Instant::now();
    let mut took: Vec<Duration> = std::thread::scope(|scope| {
        let client = &client;
        let running: Vec<_> = (0..clients)
            .map(|number| scope.spawn(move || client(number)))
            .collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|_| std::process::exit(1)))
            .collect()
    });
    let elapsed = begun.elapsed().as_secs_f64();
    took.sort();
    let at = |percent: usize| {
        took.get(took.len() * percent / 100)
            .map_or(0, Duration::as_micros)
    };
    println!("{} {elapsed:.6} {} {}", took.len(), at(50), at(99));
}
