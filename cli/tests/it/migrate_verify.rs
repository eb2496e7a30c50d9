//! Whether both sides have the same, for the same people.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::program::{Place, Ran};
use crate::server_process::Serving;

/// An old side that is open, and a new one that is closed and has what the old one has.
struct Sides {
    place: Place,
    _of_old: Place,
    old: Serving,
    new: Serving,
}

impl Sides {
    fn made() -> Sides {
        let place = Place::with_images();
        let of_old = Place::empty();
        let create = [
            "account",
            "create",
            "root",
            "--admin",
            "--data",
            "data",
            "--password-stdin",
        ];
        let made = place.run_with(&mut place.command(&create), "correct horse\n");
        assert_eq!(made.status, Some(0), "{}", made.stderr);
        let [old, new] = [&of_old, &place].map(|place| {
            place.write("server.toml", "");
            Serving::start(place, &[])
        });
        let sides = Sides {
            place,
            _of_old: of_old,
            old,
            new,
        };
        let login = ["login", &sides.new.address, "-u", "root", "--password-stdin"];
        assert_eq!(sides.run(&login, "correct horse\n").status, Some(0));
        for (from, to) in [
            ("oci:images".to_owned(), sides.old("shop/app")),
            (sides.old("shop/app"), sides.moved_to("moved/shop/app")),
        ] {
            let ran = sides.run(&["copy", "--all-tags", &from, &to], "");
            assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        }
        sides
    }

    fn old(&self, name: &str) -> String {
        format!("{}/{name}", self.old.address)
    }

    fn moved_to(&self, name: &str) -> String {
        format!("{}/{name}", self.new.address)
    }

    fn run(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = self.place.command(arguments);
        self.place
            .run_with(command.env("DOCKER_CONFIG", self.place.path("docker")), input)
    }

    /// The report, and the exit status.
    fn verify(&self, more: &[&str]) -> (Value, Option<i32>) {
        let (from, to) = (self.old.address.clone(), self.moved_to("moved"));
        let arguments = [
            "migrate", "verify", "--from", &from, "--to", &to, "--format", "json",
        ];
        let ran = self.run(&[&arguments, more].concat(), "");
        let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
        assert_eq!(document["schema"], "lightship/migrate-verify/v1");
        (document, ran.status)
    }

    fn open_to_all(&self) {
        let grant = [
            "iam",
            "grant",
            "allUsers",
            "reader",
            "registry",
            "--registry",
            &self.new.address,
        ];
        assert_eq!(self.run(&grant, "").status, Some(0));
    }
}

/// The kinds of the differences, in order.
fn kinds(document: &Value) -> Vec<&str> {
    let differences = document["differences"].as_array().unwrap();
    differences
        .iter()
        .map(|difference| difference["kind"].as_str().unwrap())
        .collect()
}

/// The files of objects in a data directory.
fn objects(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(objects(&path));
        } else if name.len() > 64 {
            found.push(path);
        }
    }
    found
}

#[test]
fn everybody_is_tried_on_both_sides_and_by_every_route() {
    let sides = Sides::made();
    let (report, status) = sides.verify(&[]);
    assert_eq!((kinds(&report), status), (vec!["accessLost"], Some(1)));
    assert_eq!(report["differences"][0]["principal"], "anonymous");

    // Who may read is looked at also where nothing has been copied yet.
    let (from, empty) = (sides.old.address.clone(), sides.moved_to("empty"));
    let ran = sides.run(
        &[
            "migrate", "verify", "--from", &from, "--to", &empty, "--format", "json",
        ],
        "",
    );
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(kinds(&report), ["tagMissing", "tagMissing", "accessLost"]);

    // Somebody with the password reads here what everybody reads there.
    let (report, status) = sides.verify(&["--as", "root=docker/config.json", "--deep"]);
    assert_eq!((kinds(&report), status), (vec![], Some(0)));
    assert_eq!(report["tags"], 2);
    assert!(report["hashed_bytes"].as_u64().unwrap() > 0);

    sides.open_to_all();
    let port = sides.new.address.rsplit_once(':').unwrap().1;
    let (good, bad) = (
        format!("localhost:{port}/moved"),
        format!("localhost:{port}/elsewhere"),
    );
    let (report, status) = sides.verify(&[
        "--as",
        "anonymous",
        "--as",
        "root=docker/config.json",
        "--route",
        &good,
    ]);
    assert_eq!((kinds(&report), status), (vec![], Some(0)));
    assert_eq!(report["pulls"], 6);
    let (report, status) = sides.verify(&["--route", &bad]);
    assert_eq!((kinds(&report), status), (vec!["accessLost"], Some(1)));

    // From the closed side to the open one, access would widen.
    let revoke = [
        "iam",
        "revoke",
        "allUsers",
        "reader",
        "registry",
        "--registry",
        &sides.new.address,
    ];
    assert_eq!(sides.run(&revoke, "").status, Some(0));
    let (from, to) = (sides.moved_to("moved"), sides.old.address.clone());
    let names = ["migrate", "verify", "--from", &from, "--to", &to];
    let ran = sides.run(&names, "");
    assert_eq!(ran.status, Some(1), "{}", ran.stderr);
    assert!(ran.stdout.contains("anonymous could not read"), "{}", ran.stdout);
    assert!(ran.stdout.contains("can read"), "{}", ran.stdout);
}

#[test]
fn a_tag_that_is_missing_or_was_moved_is_a_difference() {
    let sides = Sides::made();
    sides.open_to_all();
    let (one, other) = (
        sides.old("shop/app:tiny-latest"),
        sides.old("shop/app:tiny-other"),
    );
    for (from, to) in [
        (&one, sides.old("shop/app:new")),
        (&other, sides.old("shop/app:tiny-latest")),
    ] {
        assert_eq!(sides.run(&["copy", from, &to], "").status, Some(0));
    }
    let only_here = sides.moved_to("moved/shop/app:only-here");
    assert_eq!(sides.run(&["copy", &other, &only_here], "").status, Some(0));
    let (report, status) = sides.verify(&[]);
    assert_eq!(
        (kinds(&report), status),
        (vec!["tagMissing", "tagDiffers"], Some(1))
    );
    assert_eq!(report["only_new"], 1);
    let (report, status) = sides.verify(&["--tags", "tiny-other"]);
    assert_eq!((kinds(&report), status), (vec![], Some(0)));
    assert_eq!(report["tags"], 1);
}

#[test]
fn a_blob_that_is_damaged_here_is_found_by_reading_it() {
    let sides = Sides::made();
    sides.open_to_all();
    for path in objects(&sides.place.path("data")) {
        let mut bytes = fs::read(&path).unwrap();
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        fs::write(&path, bytes).unwrap();
    }
    let (report, _) = sides.verify(&["--deep"]);
    assert!(kinds(&report).contains(&"partDamaged"), "{report}");
    let (report, status) = sides.verify(&[]);
    assert_eq!((kinds(&report), status), (vec![], Some(0)), "{report}");
}

#[test]
fn a_side_that_does_not_answer_is_no_proof() {
    let sides = Sides::made();
    sides.open_to_all();
    let plan = sides.place.path("names");
    fs::write(&plan, "shop/app\nshop/never\n").unwrap();
    let (report, status) = sides.verify(&["--names", "names"]);
    // Nobody has it, so nobody misses it.
    assert_eq!((kinds(&report), status), (vec![], Some(0)), "{report}");
    let closed = [
        "migrate",
        "verify",
        "--from",
        "127.0.0.1:1",
        "--to",
        "127.0.0.1:1",
        "--names",
        "names",
    ];
    let ran = sides.run(&closed, "");
    assert_eq!(ran.status, Some(1), "{}", ran.stderr);
    assert!(
        ran.stdout
            .contains("cannot check the tags of 127.0.0.1:1/shop/app"),
        "{}",
        ran.stdout
    );
}
