//! Running the program in an empty directory, with a cache of its own and without a network.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// An image that needs nothing but its lock: no packages, two files.
const TINY: &str = include_str!("tiny.yaml");
/// The lock of `tiny.yaml`, from the live archive; to be made anew when the specification is changed.
const TINY_LOCK: &str = include_str!("tiny.lock");

/// An empty directory in which the program runs.
pub(crate) struct Place {
    directory: TempDir,
}

/// What a run left.
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn empty() -> Place {
        Place {
            directory: TempDir::new().unwrap(),
        }
    }

    /// With `tiny.yaml` and its lock.
    pub(crate) fn with_specification() -> Place {
        let place = Place::empty();
        place.write("tiny.yaml", TINY);
        place.write("lightship.lock", TINY_LOCK);
        place
    }

    /// With the two variants of it in the layout `images`.
    pub(crate) fn with_images() -> Place {
        let place = Place::with_specification();
        let ran = place.run(&[
            "build",
            "tiny.yaml",
            "--offline",
            "--variant",
            "latest,other",
            "-o",
            "oci:images",
        ]);
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The program, not yet started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_lightship")));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .env("COLUMNS", "80")
            .env("XDG_CACHE_HOME", self.path("cache"))
            // Whatever does ask the network is refused at once.
            .env("LIGHTSHIP_DEBIAN_MIRROR", "http://127.0.0.1:1");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.ran(self.command(arguments).output().unwrap())
    }

    /// Runs what [`Place::command`] made, with something on its standard input.
    pub(crate) fn run_with(&self, command: &mut Command, input: &str) -> Ran {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        self.ran(child.wait_with_output().unwrap())
    }

    pub(crate) fn ran(&self, output: Output) -> Ran {
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .unwrap()
                .replace(&*self.directory.path().to_string_lossy(), "[place]")
        };
        Ran {
            status: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}
