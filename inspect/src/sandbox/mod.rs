//! Runs commands of an image in namespaces of their own, without privileges and without a container engine.
//!
//! A command gets its own user, mount, process, IPC, host name and network namespaces, the image's files as its
//! root directory, `/proc`, a small `/dev`, and no network. Nothing it does outlives it: process 1 of its
//! namespace takes all others with it, and its files go with the test. Images of another architecture run under
//! QEMU's user emulation when that is installed.
//!
//! The program starts itself again inside the namespaces, which only works when the command line hands over to
//! [`init`] first thing:
//!
//! ```ignore
//! if arguments.get(1).is_some_and(|word| word == inspect::sandbox::INIT_COMMAND) {
//!     return ExitCode::from(inspect::sandbox::init(&arguments[2..]));
//! }
//! ```
//!
//! Limits of what it can be: root inside is allowed everything inside, since capabilities cannot be dropped
//! without a privileged call; a caller who is not root has one user id to give, so all files look as if they were
//! owned by the command's own user.

mod emulator;
mod identity;
mod init;
mod outer;
mod protocol;
mod root;
mod scratch;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;

use crate::structure_test::{
    CommandError, CommandOutput, CommandRequest, CommandRunner, ImageFacts, Session,
};
use crate::view::{ImageView, Owners};
use emulator::Execution;
use protocol::{Bind, Emulator, Fault, Identities, Step, Task};
use scratch::{Scratch, SessionFiles};

pub use init::{INIT_COMMAND, init};
pub use outer::OUTPUT_BYTES_MAX;

/// Where and how long commands run.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// The program that calls [`init`] when its first argument is [`INIT_COMMAND`]; the running one by default.
    pub program: PathBuf,
    /// Where the image's files are kept while tests run.
    pub scratch: PathBuf,
    /// How long one command may take; five times as long under an emulator.
    pub time_limit: Duration,
    /// Where emulators (`qemu-ARCH-static`) are looked for.
    pub emulators: Vec<PathBuf>,
}

impl SandboxOptions {
    /// Keeps files below `scratch`; a command may take a minute.
    pub fn new(scratch: PathBuf) -> Self {
        Self {
            program: PathBuf::from("/proc/self/exe"),
            scratch,
            time_limit: Duration::from_secs(60),
            emulators: vec!["/usr/bin".into(), "/usr/local/bin".into()],
        }
    }
}

/// A sandbox that has been tried and waits for the image's files.
#[derive(Debug)]
pub struct EmptySandbox {
    options: SandboxOptions,
    execution: Execution,
    identities: Identities,
    with_overlay: bool,
    scratch: Scratch,
    user: String,
    workdir: String,
}

impl EmptySandbox {
    /// Finds out whether this machine can run commands of `image`.
    ///
    /// # Errors
    /// [`CommandError::Unavailable`] with the reason when it cannot.
    pub fn try_out(image: &ImageFacts, options: SandboxOptions) -> Result<Self, CommandError> {
        let unavailable = |reason: String| CommandError::Unavailable { reason };
        let execution = emulator::execution(&image.architecture, std::env::consts::ARCH, &options.emulators)
            .map_err(unavailable)?;
        let identities = scratch::identities(geteuid().is_root());
        let scratch = Scratch::new(&options.scratch, identities)
            .map_err(|error| unavailable(format!("files in {}: {error}", options.scratch.display())))?;
        let mut sandbox = Self {
            options,
            execution,
            identities,
            with_overlay: true,
            scratch,
            user: image.user.clone(),
            workdir: if image.workdir.is_empty() {
                "/".to_owned()
            } else {
                image.workdir.clone()
            },
        };
        sandbox
            .scratch
            .adopt_image()
            .map_err(|error| unavailable(error.to_string()))?;
        let tried = match sandbox.dry_run() {
            Err(fault) if fault.step == Step::Overlay => {
                sandbox.with_overlay = false;
                sandbox.dry_run()
            }
            tried => tried,
        };
        match tried {
            Ok(()) => Ok(sandbox),
            Err(fault) => Err(unavailable(fault.reason)),
        }
    }

    /// The empty directory to unpack the image into.
    pub fn directory(&self) -> PathBuf {
        self.scratch.image()
    }

    /// Whether files should be unpacked with the owners they have in the image; else they belong to the caller.
    pub fn keeps_owners(&self) -> bool {
        self.identities == Identities::Shifted
    }

    /// Unpacks `image` and is ready to run its commands. Blocks.
    ///
    /// # Errors
    /// [`CommandError::Unavailable`] when it cannot be unpacked here.
    pub fn fill(self, image: &ImageView) -> Result<Sandbox, CommandError> {
        let owners = if self.keeps_owners() {
            Owners::Image
        } else {
            Owners::Caller
        };
        image.unpack(&self.directory(), owners).map_err(|error| {
            let cause = error
                .source()
                .map_or_else(String::new, |cause| format!(": {cause}"));
            CommandError::Unavailable {
                reason: format!("unpacking the image: {error}{cause}"),
            }
        })?;
        self.filled()
    }

    /// Ready to run commands, once the image is unpacked into [`EmptySandbox::directory`].
    ///
    /// # Errors
    /// When the files cannot be given to the users of the sandbox.
    pub fn filled(self) -> Result<Sandbox, CommandError> {
        self.scratch
            .adopt_image()
            .map_err(|error| CommandError::Unavailable {
                reason: error.to_string(),
            })?;
        Ok(Sandbox { inner: self })
    }

    /// Sets everything up and runs nothing.
    fn dry_run(&mut self) -> Result<(), Fault> {
        let files = self
            .scratch
            .session(self.with_overlay)
            .map_err(|error| Fault::machine("preparing files", error))?;
        let task = self.task(&files, &CommandRequest::default());
        outer::run(
            &self.options.program,
            &self.scratch.directory(),
            &task,
            self.options.time_limit,
        )
        .map(|_| ())
    }

    fn task(&self, files: &SessionFiles, request: &CommandRequest) -> Task {
        Task {
            root: files.root.clone(),
            overlay: files.overlay.clone(),
            identities: self.identities,
            words: request.words.clone(),
            environment: request.environment.clone().into_iter().collect(),
            user: request.user.clone().unwrap_or_else(|| self.user.clone()),
            workdir: self.workdir.clone(),
            bind_mounts: request.bind_mounts.iter().map(Bind::from).collect(),
            emulator: self.emulator().cloned(),
        }
    }

    fn emulator(&self) -> Option<&Emulator> {
        match &self.execution {
            Execution::Native => None,
            Execution::Emulated(emulator) => Some(emulator),
        }
    }
}

/// Runs commands of an image that has been unpacked.
#[derive(Debug)]
pub struct Sandbox {
    inner: EmptySandbox,
}

impl CommandRunner for Sandbox {
    fn session(&mut self) -> Result<Box<dyn Session + '_>, CommandError> {
        let inner = &mut self.inner;
        let files = inner
            .scratch
            .session(inner.with_overlay)
            .map_err(|error| CommandError::Unavailable {
                reason: format!("a copy of the image's files: {error}"),
            })?;
        Ok(Box::new(SandboxSession {
            sandbox: inner,
            files,
        }))
    }
}

/// The commands of one test.
struct SandboxSession<'s> {
    sandbox: &'s EmptySandbox,
    files: SessionFiles,
}

impl Session for SandboxSession<'_> {
    fn run(&mut self, request: &CommandRequest) -> Result<CommandOutput, CommandError> {
        if request.words.is_empty() {
            return Err(CommandError::NotStarted {
                reason: "there is no command".to_owned(),
            });
        }
        let sandbox = self.sandbox;
        let task = sandbox.task(&self.files, request);
        let factor = if sandbox.emulator().is_some() {
            EMULATION_TIME_FACTOR
        } else {
            1
        };
        let directory: &Path = &sandbox.scratch.directory();
        outer::run(
            &sandbox.options.program,
            directory,
            &task,
            sandbox.options.time_limit * factor,
        )
        .map_err(|Fault { step, reason }| match step {
            Step::Image => CommandError::NotStarted { reason },
            Step::Machine | Step::Overlay => CommandError::Unavailable { reason },
        })
    }
}

/// How much longer a command may take under an emulator.
const EMULATION_TIME_FACTOR: u32 = 5;
