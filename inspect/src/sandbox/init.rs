//! The inner stages: the program started again by itself, inside the namespaces.
//!
//! First stage: leaves the namespaces of the caller, waits until the caller has mapped the ids, starts the second
//! stage and kills it when the caller is gone or wants it. Second stage: is process 1 of the new process
//! namespace, builds the file system, becomes the image's user, and turns into the command.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::{set_no_new_privs, set_pdeathsig};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, setgroups, sethostname, setresgid, setresuid, setsid};

use super::identity::{self, Identity};
use super::protocol::{Fault, Identities, Message, Task, receive, send};
use super::root::{self, EMULATOR_INSIDE, directory_inside};

/// The hidden command by which the program starts itself inside a sandbox.
///
/// The command line must call [`init`] when its first argument is this, before anything else: the process may
/// have one thread only.
pub const INIT_COMMAND: &str = "sandbox-init";

/// Runs an inner stage of a sandbox; `arguments` are those after [`INIT_COMMAND`]. Standard input must be the
/// channel that the outer stage made.
///
/// The second stage does not return when all goes well. The value is the exit status for the process; the outer
/// stage learns everything through the channel, so it is only ever looked at when that is broken.
pub fn init(arguments: &[String]) -> u8 {
    let result = match arguments.first().map(String::as_str) {
        None => first_stage(),
        Some(SECOND_STAGE) => second_stage(),
        Some(_) => return BROKEN,
    };
    if result.is_ok() { 0 } else { BROKEN }
}

fn first_stage() -> io::Result<()> {
    // What is sent to the caller's process group (an interrupt at the terminal, say) must not end the one that ends
    // the command when the caller is gone.
    setsid()?;
    close_inherited()?;
    let mut control = channel()?;
    if let Err(fault) = leave_namespaces() {
        return send(&mut control, &Message::Fault(fault));
    }
    send(&mut control, &Message::Unshared)?;
    let Some(task) = receive::<Task>(&control)? else {
        return Ok(());
    };
    let message = match supervise(&task, &control) {
        Ok(Ok(code)) => Message::Ended(code),
        Ok(Err(fault)) => Message::Fault(fault),
        Err(error) => Message::Fault(Fault::machine("starting the command", error)),
    };
    send(&mut control, &message)
}

/// Closes whatever the caller's caller left open: with a directory of the host among them, the command could walk out.
fn close_inherited() -> io::Result<()> {
    let numbers = fs::read_dir("/proc/self/fd")?
        .map(|entry| {
            Ok(entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<i32>().ok()))
        })
        .collect::<io::Result<Vec<_>>>()?;
    for number in numbers
        .into_iter()
        .flatten()
        .filter(|number| *number > STANDARD_ERROR)
    {
        // The one that the directory was read by is closed already.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

fn leave_namespaces() -> Result<(), Fault> {
    set_no_new_privs().map_err(|error| Fault::machine("giving up new privileges", error))?;
    let flags = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWNET;
    unshare(flags).map_err(|error| {
        let mut fault = Fault::machine("this machine does not let us make user namespaces", error);
        if Path::new("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").exists() {
            fault
                .reason
                .push_str("; see kernel.apparmor_restrict_unprivileged_userns");
        }
        fault
    })
}

/// Starts the second stage and waits for it.
fn supervise(task: &Task, control: &UnixStream) -> io::Result<Result<i32, Fault>> {
    // In the new namespace we are still nobody; a program that root starts keeps the rights over the namespace.
    let root = (Uid::from_raw(0), Gid::from_raw(0));
    if task.identities == Identities::Shifted {
        setgroups(&[])?;
    }
    setresgid(root.1, root.1, root.1)?;
    setresuid(root.0, root.0, root.0)?;
    let (mut ours, theirs) = UnixStream::pair()?;
    let mut child = Command::new("/proc/self/exe")
        .args([super::INIT_COMMAND, SECOND_STAGE])
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()?;
    // Not an error yet when it is gone already: its exit status tells more.
    let _ = send(&mut ours, task);
    if let Some(Message::Fault(fault)) = receive(&ours)? {
        child.wait()?;
        return Ok(Err(fault));
    }
    wait(&mut child, control).map(|status| Ok(exit_code(status)))
}

/// Waits for the child, and kills it as soon as the caller closes the channel. The process may not have a second
/// thread (it could not have started the child in the new namespace), hence the small steps.
fn wait(child: &mut Child, control: &UnixStream) -> io::Result<ExitStatus> {
    control.set_read_timeout(Some(STEP))?;
    let mut steps = control;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        match io::Read::read(&mut steps, &mut [0]) {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) => {}
            _ => {
                child.kill()?;
                return child.wait();
            }
        }
    }
}

fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn second_stage() -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    let mut control = channel()?;
    let Some(task) = receive::<Task>(&control)? else {
        return Ok(());
    };
    let Err(fault) = become_command(&task, &control) else {
        return Ok(());
    };
    send(&mut control, &Message::Fault(fault))
}

/// Comes back without a fault only when there is no command to become.
fn become_command(task: &Task, control: &UnixStream) -> Result<(), Fault> {
    setsid().map_err(|error| Fault::machine("leaving the session", error))?;
    sethostname("lightship").map_err(|error| Fault::machine("naming the host", error))?;
    umask(Mode::from_bits_truncate(0o022));
    root::enter(task)?;
    let emulate = task
        .emulator
        .as_ref()
        .is_some_and(|emulator| !root::register_emulator(emulator));
    if task.words.is_empty() {
        return Ok(());
    }
    let who = identity::look_up(&task.user).map_err(Fault::image)?;
    let workdir = directory_inside(Path::new("/"), Path::new(&task.workdir))?;
    limit_resources().map_err(|error| Fault::machine("limiting resources", error))?;
    assume(&who, task.identities)?;
    // The kernel forgets the first wish when the user changes.
    die_with_supervisor(control).map_err(|error| Fault::machine("binding the command to us", error))?;
    std::env::set_current_dir(&workdir)
        .map_err(|error| Fault::image(format!("the working directory {}: {error}", workdir.display())))?;
    Err(execute(task, &who, emulate))
}

/// Asks for the end of this process when the first stage ends, which may have been just now.
fn die_with_supervisor(control: &UnixStream) -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    control.set_nonblocking(true)?;
    let mut channel = control;
    let gone = matches!(io::Read::read(&mut channel, &mut [0]), Ok(0));
    control.set_nonblocking(false)?;
    if gone {
        return Err(ErrorKind::BrokenPipe.into());
    }
    Ok(())
}

fn limit_resources() -> nix::Result<()> {
    for (resource, wanted) in LIMITS {
        let (_, hard) = getrlimit(resource)?;
        let limit = wanted.min(hard);
        setrlimit(resource, limit, limit)?;
    }
    Ok(())
}

/// Becomes the user. Where there is one id only, it is given the user's number in one more namespace.
fn assume(who: &Identity, identities: Identities) -> Result<(), Fault> {
    let fault = |error: nix::Error| Fault::machine("becoming the user", error);
    let (uid, gid) = (Uid::from_raw(who.uid), Gid::from_raw(who.gid));
    match identities {
        Identities::Shifted => {
            let groups: Vec<_> = who.groups.iter().copied().map(Gid::from_raw).collect();
            setgroups(&groups).map_err(fault)?;
            setresgid(gid, gid, gid).map_err(fault)?;
            setresuid(uid, uid, uid).map_err(fault)
        }
        Identities::Single if who.uid == 0 && who.gid == 0 => Ok(()),
        Identities::Single => {
            let write = |path: &str, text: String| {
                fs::write(path, text).map_err(|error| Fault::machine("becoming the user", error))
            };
            unshare(CloneFlags::CLONE_NEWUSER).map_err(fault)?;
            write("/proc/self/uid_map", format!("{} 0 1", who.uid))?;
            write("/proc/self/gid_map", format!("{} 0 1", who.gid))
        }
    }
}

/// Turns into the command; comes back only with the reason why not.
fn execute(task: &Task, who: &Identity, emulate: bool) -> Fault {
    let mut environment = task.environment.clone();
    for (name, value) in [("PATH", DEFAULT_PATH), ("HOME", who.home.as_str())] {
        if !environment.iter().any(|(key, _)| key == name) {
            environment.push((name.to_owned(), value.to_owned()));
        }
    }
    let path = environment
        .iter()
        .find(|(key, _)| key == "PATH")
        .map_or("", |(_, value)| value.as_str());
    let Some((name, arguments)) = task.words.split_first() else {
        return Fault::image("no command".to_owned());
    };
    let program = match find_program(name, path) {
        Ok(program) => program,
        Err(reason) => return Fault::image(reason),
    };
    let mut command = if emulate {
        let mut command = Command::new(EMULATOR_INSIDE);
        command.arg("-0").arg(name).arg(&program);
        command
    } else {
        let mut command = Command::new(&program);
        command.arg0(name);
        command
    };
    let error = command
        .args(arguments)
        .env_clear()
        .envs(environment)
        .stdin(Stdio::null())
        .exec();
    let what = match error.kind() {
        ErrorKind::NotFound => "its interpreter or loader is not in the image".to_owned(),
        _ if error.raw_os_error() == Some(nix::libc::ENOEXEC) => {
            "it is not an executable of this architecture".to_owned()
        }
        _ => error.to_string(),
    };
    Fault::image(format!("{} cannot be started: {what}", program.display()))
}

/// A name without a slash is looked up in `path`, as a container runtime does.
fn find_program(name: &str, path: &str) -> Result<PathBuf, String> {
    let executable = |path: &Path| {
        fs::metadata(path).is_ok_and(|status| status.is_file() && status.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        let program = PathBuf::from(name);
        return match fs::metadata(&program) {
            Ok(_) if executable(&program) => Ok(program),
            Ok(_) => Err(format!("{name} is not an executable file")),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(format!("{name} is not in the image")),
            Err(error) => Err(format!("{name}: {error}")),
        };
    }
    let found = path
        .split(':')
        .filter(|directory| !directory.is_empty())
        .map(|directory| Path::new(directory).join(name));
    found
        .into_iter()
        .find(|program| executable(program))
        .ok_or_else(|| format!("{name} is not in the image's PATH ({path})"))
}

/// The channel is standard input; a copy of it that a started program does not inherit.
fn channel() -> io::Result<UnixStream> {
    io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from)
}

const SECOND_STAGE: &str = "second-stage";
const BROKEN: u8 = 255;
const STANDARD_ERROR: i32 = 2;
/// How long a command's end may go unnoticed.
const STEP: Duration = Duration::from_millis(5);
/// What container engines use when an image has none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a command may use. Memory is not limited: language runtimes reserve far more than they use.
const LIMITS: [(Resource, u64); 4] = [
    (Resource::RLIMIT_CORE, 0),
    (Resource::RLIMIT_NOFILE, 4096),
    (Resource::RLIMIT_NPROC, 4096),
    (Resource::RLIMIT_FSIZE, 4 << 30),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_as_a_runtime_finds_them() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("tool");
        fs::write(&program, b"").unwrap();
        let path = format!("/nowhere::{}", directory.path().display());
        assert!(
            find_program("tool", &path)
                .unwrap_err()
                .contains("is not in the image's PATH")
        );
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_program("tool", &path), Ok(program.clone()));
        assert_eq!(find_program(&program.display().to_string(), ""), Ok(program));
        assert_eq!(
            find_program("/no/such", ""),
            Err("/no/such is not in the image".to_owned())
        );
        assert_eq!(
            find_program("/etc", ""),
            Err("/etc is not an executable file".to_owned())
        );
    }

    #[test]
    fn an_unknown_stage_is_refused() {
        assert_eq!(init(&["third".to_owned()]), BROKEN);
    }
}
