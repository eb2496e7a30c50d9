//! The file system that a command sees: the image's files, `/proc`, a small `/dev`, nothing of the host.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::pivot_root;

use super::protocol::{Bind, Emulator, Fault, Overlay, Step, Task};

/// Where the emulator is inside; under `/dev` since nothing of that is the image's.
pub(super) const EMULATOR_INSIDE: &str = "/dev/.emulator";

/// Mounts everything and makes it the root directory of this process.
pub(super) fn enter(task: &Task) -> Result<(), Fault> {
    mount(
        NOTHING,
        "/",
        NOTHING,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        NOTHING,
    )
    .map_err(|error| Fault::machine("making mounts private", error))?;
    let root = task.root.as_path();
    match &task.overlay {
        Some(overlay) => mount_overlay(root, overlay)?,
        None => bind(root, root).map_err(|error| Fault::machine("mounting the image's files", error))?,
    }
    std::env::set_current_dir(root).map_err(|error| Fault::machine("entering the image's files", error))?;
    let root = Path::new(".");
    mount_proc(root)?;
    mount_dev(root, task.emulator.as_ref())?;
    for mount in &task.bind_mounts {
        mount_bind(root, mount)?;
    }
    pivot_root(".", ".").map_err(|error| Fault::machine("changing the root directory", error))?;
    umount2(".", MntFlags::MNT_DETACH)
        .map_err(|error| Fault::machine("leaving the old root directory", error))?;
    std::env::set_current_dir("/").map_err(|error| Fault::machine("entering the new root directory", error))
}

/// Tells the kernel to run foreign executables by the emulator, for the processes of this sandbox alone; true when
/// it could be done (Linux 6.7 and newer).
pub(super) fn register_emulator(emulator: &Emulator) -> bool {
    let directory = Path::new("/dev/.binfmt");
    let rule = format!(":foreign:M::{}:{EMULATOR_INSIDE}:FP", emulator.recognition);
    let mounted = fs::create_dir(directory).is_ok()
        && mount(
            Some("binfmt_misc"),
            directory,
            Some("binfmt_misc"),
            MsFlags::empty(),
            NOTHING,
        )
        .is_ok();
    mounted && fs::write(directory.join("register"), rule).is_ok()
}

fn mount_overlay(root: &Path, overlay: &Overlay) -> Result<(), Fault> {
    // Directories are ours and relative, so nothing in them needs escaping.
    let Overlay { lower, upper, work } = overlay;
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr",
        lower.display(),
        upper.display(),
        work.display()
    );
    mount(
        Some("overlay"),
        root,
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    )
    .map_err(|error| Fault {
        step: Step::Overlay,
        reason: format!("mounting an overlay: {error}"),
    })
}

fn mount_proc(root: &Path) -> Result<(), Fault> {
    let target = directory_inside(root, Path::new("/proc"))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), &target, Some("proc"), flags, NOTHING)
        .map_err(|error| Fault::machine("mounting /proc", error))
}

fn mount_dev(root: &Path, emulator: Option<&Emulator>) -> Result<(), Fault> {
    let fault = |error: io::Error| Fault::machine("filling /dev", error);
    let dev = directory_inside(root, Path::new("/dev"))?;
    let tmpfs = |target: &Path, options: &str| {
        mount(
            Some("tmpfs"),
            target,
            Some("tmpfs"),
            MsFlags::MS_NOSUID,
            Some(options),
        )
        .map_err(io::Error::from)
    };
    tmpfs(&dev, "mode=755,size=4m").map_err(fault)?;
    for name in DEVICES {
        let (host, target) = (Path::new("/dev").join(name), dev.join(name));
        if host.exists() {
            fs::write(&target, b"")
                .and_then(|()| bind(&host, &target))
                .map_err(fault)?;
        }
    }
    for (name, target) in DEVICE_LINKS {
        symlink(target, dev.join(name)).map_err(fault)?;
    }
    let shared = dev.join("shm");
    fs::create_dir(&shared)
        .and_then(|()| tmpfs(&shared, "mode=1777,size=256m"))
        .map_err(fault)?;
    if let Some(emulator) = emulator {
        let target = root.join(EMULATOR_INSIDE.trim_start_matches('/'));
        fs::write(&target, b"")
            .and_then(|()| bind(&emulator.program, &target))
            .map_err(|error| Fault::machine("making the emulator visible", error))?;
    }
    Ok(())
}

fn mount_bind(root: &Path, wanted: &Bind) -> Result<(), Fault> {
    let doing = format!(
        "mounting {} at {}",
        wanted.host.display(),
        wanted.target.display()
    );
    let fault = |error: io::Error| Fault::machine(&doing, error);
    let is_directory = fs::metadata(&wanted.host).map_err(fault)?.is_dir();
    let target = if is_directory {
        directory_inside(root, &wanted.target)?
    } else {
        let parent = directory_inside(root, wanted.target.parent().unwrap_or(Path::new("/")))?;
        let target = parent.join(wanted.target.file_name().unwrap_or_default());
        if fs::symlink_metadata(&target).is_err() {
            fs::write(&target, b"").map_err(fault)?;
        }
        target
    };
    bind(&wanted.host, &target).map_err(fault)?;
    if wanted.read_only {
        let flags = MsFlags::MS_BIND
            | MsFlags::MS_REMOUNT
            | MsFlags::MS_RDONLY
            | MsFlags::MS_NOSUID
            | MsFlags::MS_NODEV;
        mount(NOTHING, &target, NOTHING, flags, NOTHING).map_err(|error| fault(error.into()))?;
    }
    Ok(())
}

fn bind(from: &Path, to: &Path) -> io::Result<()> {
    mount(
        Some(from),
        to,
        NOTHING,
        MsFlags::MS_BIND | MsFlags::MS_REC,
        NOTHING,
    )
    .map_err(io::Error::from)
}

/// The real path of a directory of the image, made when it is missing. Links are followed inside the image.
pub(super) fn directory_inside(root: &Path, path: &Path) -> Result<PathBuf, Fault> {
    let fault = |error: io::Error| Fault::image(format!("{} in the image: {error}", path.display()));
    let mut pending: Vec<PathBuf> = components_reversed(path);
    let mut inside: Vec<PathBuf> = Vec::new();
    let mut links = 0;
    while let Some(component) = pending.pop() {
        if component.as_os_str() == ".." {
            inside.pop();
            continue;
        }
        let here = inside
            .iter()
            .fold(root.to_owned(), |path, component| path.join(component))
            .join(&component);
        match fs::symlink_metadata(&here) {
            Ok(status) if status.is_symlink() => {
                links += 1;
                if links > LINKS_MAX {
                    return Err(fault(io::Error::other("too many symbolic links")));
                }
                let target = fs::read_link(&here).map_err(fault)?;
                if target.is_absolute() {
                    inside.clear();
                }
                pending.extend(components_reversed(&target));
            }
            Ok(status) if status.is_dir() => inside.push(component),
            Ok(_) => return Err(fault(io::ErrorKind::NotADirectory.into())),
            Err(_) => {
                fs::DirBuilder::new().mode(0o755).create(&here).map_err(fault)?;
                // The mode of a new directory went through the umask.
                fs::set_permissions(&here, fs::Permissions::from_mode(0o755)).map_err(fault)?;
                inside.push(component);
            }
        }
    }
    Ok(inside
        .iter()
        .fold(root.to_owned(), |path, component| path.join(component)))
}

fn components_reversed(path: &Path) -> Vec<PathBuf> {
    let kept = |component: Component<'_>| match component {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        _ => None,
    };
    path.components().rev().filter_map(kept).collect()
}

const NOTHING: Option<&str> = None;
const LINKS_MAX: usize = 40;
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const DEVICE_LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_inside_the_image_only() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("run")).unwrap();
        fs::create_dir_all(root.path().join("var")).unwrap();
        symlink("/run", root.path().join("var/run")).unwrap();
        symlink("../../../../etc", root.path().join("var/up")).unwrap();
        let made = directory_inside(root.path(), Path::new("/var/run/app/data")).unwrap();
        assert_eq!(made, root.path().join("run/app/data"));
        assert!(made.is_dir());
        assert_eq!(
            directory_inside(root.path(), Path::new("/var/up/x")).unwrap(),
            root.path().join("etc/x")
        );
    }

    #[test]
    fn circles_of_links_and_files_on_the_way_are_faults() {
        let root = tempfile::tempdir().unwrap();
        symlink("b", root.path().join("a")).unwrap();
        symlink("a", root.path().join("b")).unwrap();
        fs::write(root.path().join("file"), b"").unwrap();
        assert!(directory_inside(root.path(), Path::new("/a")).is_err());
        assert!(directory_inside(root.path(), Path::new("/file/x")).is_err());
    }
}
