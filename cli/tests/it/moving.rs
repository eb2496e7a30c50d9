//! `lightship migrate` as a process: killed at any moment and started again, it sends nothing twice.
//!
//! `LIGHTSHIP_TEST_KILLS` says how often it is killed, `LIGHTSHIP_TEST_SEED` from where the dice go.

use std::process::Stdio;

use oci::{Descriptor, ImageIndex, ImageManifest, Manifest, MediaType};
use testkit::registry::{Content, FakeRegistry, Ways};

use crate::chaos::dice::Dice;
use crate::chaos::number;
use crate::program::Place;

/// How often it is killed when nobody says.
const KILLS: u64 = 40;

/// The most steps of the destination before a kill: a whole move is some hundreds.
const STEPS_MAX: usize = 120;

fn old_ways() -> Ways {
    Ways {
        referrers: false,
        tags_in_query: false,
        ..Ways::default()
    }
}

fn noise(number: u64, length: usize) -> Vec<u8> {
    Dice::new(number).bytes(length)
}

/// An image for two platforms; layers are shared with other images.
fn image(content: &mut Content, name: &str, tag: &str, own: u64) {
    let mut children = Vec::new();
    for platform in ["amd64", "arm64"] {
        let config = format!("{{\"architecture\":\"{platform}\",\"os\":\"linux\",\"own\":\"{name}:{tag}\"}}");
        let layers = [
            noise(1, 200_000),
            noise(10 + own, 30_000),
            noise(500 + own % 3, 150_000),
        ];
        content.add_blob(name, config.as_bytes());
        let layers = layers.iter().map(|layer| {
            content.add_blob(name, layer);
            Descriptor::of(MediaType::OCI_LAYER_GZIP, layer)
        });
        let layers = layers.collect();
        let manifest = ImageManifest::new(Descriptor::of(MediaType::OCI_CONFIG, config.as_bytes()), layers);
        let manifest = Manifest::from_image(&manifest);
        content.add_manifest(name, None, &manifest);
        children.push(manifest.descriptor());
    }
    let index = Manifest::from_index(&ImageIndex::new(children));
    content.add_manifest(name, Some(tag), &index);
}

struct Move {
    place: Place,
    old: FakeRegistry,
    new: FakeRegistry,
    /// The hosts of both.
    from: String,
    to: String,
}

impl Move {
    fn new() -> Move {
        let old = FakeRegistry::start(old_ways());
        for (number, name) in ["a", "b/c", "d"].into_iter().enumerate() {
            for tag in 0..3 {
                image(
                    &mut old.content(),
                    name,
                    &format!("v{tag}"),
                    number as u64 * 10 + tag,
                );
            }
        }
        let new = FakeRegistry::start(Ways::default());
        Move {
            place: Place::empty(),
            from: old.host(),
            to: new.host(),
            old,
            new,
        }
    }

    /// Starts it and kills it after so many steps of the destination; tells whether it ended before.
    fn run_until(&self, steps: usize) -> bool {
        self.new.stall_after(steps);
        let mut child = self
            .place
            .command(&self.arguments())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut status = None;
        let was_stalled = self.new.wait_for_stall(|| {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        if was_stalled {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        self.new.revive();
        status.is_some_and(|status| status.success())
    }

    fn arguments(&self) -> [&str; 8] {
        [
            "migrate",
            "run",
            "--from",
            &self.from,
            "--to",
            &self.to,
            "--journal",
            "journal",
        ]
    }

    fn assert_done(&self) {
        let (old, new) = (self.old.content(), self.new.content());
        for (key, entry) in &old.manifests {
            assert!(new.manifests.get(key) == Some(entry), "{key} is not there");
        }
        for link in &old.links {
            assert!(new.links.contains(link), "{link} is not there");
        }
        let mut completed = new.completed.clone();
        completed.sort();
        completed.dedup();
        assert_eq!(completed.len(), new.completed.len(), "a blob was sent twice");
        let whole: usize = new.blobs.values().map(Vec::len).sum();
        assert_eq!(new.received, whole as u64, "a byte was sent twice");
    }
}

#[test]
fn a_move_that_is_killed_at_any_moment_goes_on_and_sends_no_byte_twice() {
    let (mut left, seed) = (
        number("LIGHTSHIP_TEST_KILLS", KILLS),
        number("LIGHTSHIP_TEST_SEED", 1),
    );
    // Shown when the test fails.
    eprintln!("LIGHTSHIP_TEST_SEED={seed}");
    let mut dice = Dice::new(seed);
    while left > 0 {
        let moving = Move::new();
        loop {
            let steps = if left == 0 {
                usize::MAX
            } else {
                dice.below(STEPS_MAX) + 1
            };
            if moving.run_until(steps) {
                break;
            }
            left = left.saturating_sub(1);
        }
        moving.assert_done();
        let before = moving.new.content().log.len();
        assert!(moving.run_until(usize::MAX), "it is done, and says so");
        let asked = moving.new.content().log[before..].to_vec();
        assert_eq!(asked.len(), 3, "one list for each repository: {asked:?}");
    }
}

#[test]
fn what_cannot_be_copied_is_a_list_and_an_exit_status() {
    let moving = Move::new();
    let layer = oci::Digest::sha256_of(&noise(11, 30_000)).to_string();
    moving.old.content().blobs.remove(&layer);
    let ran = moving
        .place
        .run(&[&moving.arguments()[..], &["--failures", "failures.jsonl"]].concat());
    assert_eq!(ran.status, Some(1), "{}", ran.stderr);
    assert!(
        ran.stdout
            .contains("8 tags set, 0 were the same, 1 could not be copied"),
        "{}",
        ran.stdout
    );
    let failures = moving.place.read("failures.jsonl");
    let failure: serde_json::Value = serde_json::from_str(&failures).unwrap();
    assert_eq!(failure["repository"], "a");
    assert_eq!(failure["reference"], "v1");
    assert_eq!(failure["kind"], "damaged");
    assert_eq!(failure["attempts"], 3);
    assert!(failure["error"].as_str().unwrap().contains(&layer));
}

#[test]
fn a_plan_is_a_file_that_a_run_does() {
    let moving = Move::new();
    let sides = ["--from", &moving.from, "--to", &moving.to];
    let dry = moving
        .place
        .run(&[&["migrate", "plan"], &sides[..], &["--map", "b=x"]].concat());
    assert_eq!(dry.status, Some(0), "{}", dry.stderr);
    assert!(
        dry.stdout
            .starts_with("a -> a\nb/c -> x/c\nd -> d\n3 repositories, 9 tags: 9 missing"),
        "{}",
        dry.stdout
    );
    let kept = moving.place.run(
        &[
            &["migrate", "plan"],
            &sides[..],
            &["--map", "b=x", "-o", "the.plan"],
        ]
        .concat(),
    );
    assert_eq!(kept.status, Some(0), "{}", kept.stderr);
    let ran = moving
        .place
        .run(&["migrate", "run", "the.plan", "--journal", "journal"]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(moving.new.content().tag("x/c", "v2").is_some());
    let text = moving.place.read("the.plan").replace("\"v2\"", "\"v3\"");
    moving.place.write("the.plan", &text);
    let refused = moving
        .place
        .run(&["migrate", "run", "the.plan", "--journal", "journal"]);
    assert_eq!(refused.status, Some(2));
    assert!(
        refused.stderr.contains("it was changed since it was written"),
        "{}",
        refused.stderr
    );
    let nothing = moving.place.run(&["migrate", "run"]);
    assert_eq!(nothing.status, Some(2));
}

#[test]
fn archives_and_layouts_go_to_a_registry() {
    let place = Place::with_images();
    let new = FakeRegistry::start(Ways::default());
    let to = new.host();
    let archive = "docker-archive:a.tar:team/a:v1";
    let copied = place.run(&["copy", "oci:images:tiny-latest", archive, "--no-referrers"]);
    assert_eq!(copied.status, Some(0), "{}", copied.stderr);
    for (from, journal) in [("docker-archive:a.tar", "one"), ("oci:images", "two")] {
        let ran = place.run(&[
            "migrate",
            "run",
            "--from",
            from,
            "--to",
            &to,
            "--journal",
            journal,
        ]);
        assert_eq!(ran.status, Some(0), "{}{}", ran.stdout, ran.stderr);
    }
    let content = new.content();
    assert!(content.tag("team/a", "v1").is_some());
    assert!(content.tag("images", "tiny-latest").is_some() && content.tag("images", "tiny-other").is_some());
    drop(content);
    let refused = place.run(&["migrate", "run", "--from", &to, "--to", "docker-archive:b.tar"]);
    assert_eq!(refused.status, Some(2), "{}", refused.stderr);
}
