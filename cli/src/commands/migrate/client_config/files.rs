//! The files for clients.

use std::path::Path;

use transport::Authorities;

use crate::commands::migrate::sides::{read_bounded, replace_below};
use crate::failure::{Failure, Kind};

/// Longest file of an authority, in bytes.
const AUTHORITY_BYTES_MAX: u64 = 1 << 20;

/// The names at hand.
pub(super) struct Names<'n> {
    pub(super) old: &'n str,
    pub(super) new: &'n str,
    pub(super) prefix: Option<&'n str>,
    /// The new side is spoken to without TLS.
    pub(super) is_plain: bool,
    /// The certificate of the authority, in PEM.
    pub(super) authority: Option<&'n str>,
}

/// A file, by its path below the root of the client's machine.
pub(super) struct Written {
    pub(super) path: String,
    pub(super) content: String,
}

/// Reads an authority, which must be one.
pub(super) fn authority(path: &Path) -> Result<String, Failure> {
    let attempt = || format!("cannot use the certificates in {}", path.display());
    let bytes = read_bounded(path, AUTHORITY_BYTES_MAX)
        .map_err(|error| Failure::new(Kind::Usage, attempt(), error))?;
    Authorities::parse(&bytes).map_err(|error| Failure::new(Kind::Usage, attempt(), error))?;
    String::from_utf8(bytes).map_err(|error| Failure::new(Kind::Usage, attempt(), error))
}

/// All of them, with the README.txt last.
pub(super) fn make(names: &Names<'_>) -> Vec<Written> {
    let file = |path: String, content: String| Written { path, content };
    let mut files = Vec::new();
    let is_renamed = names.old != names.new || names.prefix.is_some();
    let containerd = format!("etc/containerd/certs.d/{}", names.old);
    if is_renamed {
        files.push(file(format!("{containerd}/hosts.toml"), hosts_toml(names)));
        let name = names.old.replace(':', "_");
        files.push(file(
            format!("etc/containers/registries.conf.d/50-{name}.conf"),
            registries_conf(names),
        ));
    } else if names.authority.is_some() {
        files.push(file(format!("{containerd}/hosts.toml"), hosts_toml(names)));
    }
    if let Some(authority) = names.authority {
        // Podman looks for the host that it speaks to, Docker for the one in the name of the image.
        let containers = format!("etc/containers/certs.d/{}/ca.crt", names.new);
        let docker = format!("etc/docker/certs.d/{}/ca.crt", names.old);
        for path in [format!("{containerd}/ca.crt"), containers, docker] {
            files.push(file(path, authority.to_owned()));
        }
    }
    files.push(file("README.txt".to_owned(), readme(names, is_renamed)));
    files
}

/// Writes them below a directory.
pub(super) fn write(directory: &Path, files: &[Written]) -> Result<(), Failure> {
    files
        .iter()
        .try_for_each(|file| replace_below(directory, Path::new(&file.path), file.content.as_bytes()))
}

/// The new side is the server, and the only host: containerd 1.6 ignores a file without `[host]`, and what has no server
/// falls back to the old name. What stands before `[host]` is about the server.
///
/// Source: containerd's docs/hosts.md.
fn hosts_toml(names: &Names<'_>) -> String {
    let Names { old, new, prefix, .. } = names;
    let scheme = if names.is_plain { "http" } else { "https" };
    let server = match prefix {
        None => format!("{scheme}://{new}"),
        Some(prefix) => format!("{scheme}://{new}/v2/{prefix}"),
    };
    let mut settings = String::from("capabilities = [\"pull\", \"resolve\", \"push\"]\n");
    if prefix.is_some() {
        settings.push_str("override_path = true\n");
    }
    if names.authority.is_some() {
        settings.push_str(&format!("ca = \"/etc/containerd/certs.d/{old}/ca.crt\"\n"));
    }
    format!(
        "# Whoever pulls {old}/NAME is given what {} has as NAME. A path can only stand before the name: containerd\n\
         # cannot take a part of the name away. There is no other server, so that nothing comes from the old side unnoticed.\n\
         server = \"{server}\"\n{settings}\n[host.\"{server}\"]\n{settings}",
        new_name(names)
    )
}

/// Source: containers-registries.conf(5).
fn registries_conf(names: &Names<'_>) -> String {
    let old = names.old;
    let location = new_name(names);
    // What it says of a mirror stands there, commented out as the rest.
    let (insecure, of_mirror) = match names.is_plain {
        true => ("insecure = true\n", "# insecure = true\n"),
        false => ("", ""),
    };
    format!(
        "# podman, CRI-O, buildah and skopeo: {old}/NAME is {location}/NAME. The old side is not asked.\n\
         [[registry]]\n\
         prefix = \"{old}\"\n\
         location = \"{location}\"\n\
         {insecure}\
         \n\
         # To ask the old side for what the new one does not have, write this instead:\n\
         # [[registry]]\n\
         # prefix = \"{old}\"\n\
         # location = \"{old}\"\n\
         # [[registry.mirror]]\n\
         # location = \"{location}\"\n\
         {of_mirror}"
    )
}

fn new_name(names: &Names<'_>) -> String {
    match names.prefix {
        Some(prefix) => format!("{}/{prefix}", names.new),
        None => names.new.to_owned(),
    }
}

fn readme(names: &Names<'_>, is_renamed: bool) -> String {
    let Names { old, new, .. } = names;
    let location = new_name(names);
    let mut text = format!(
        "Names stay as they are: what is {old}/NAME in Dockerfiles and manifests comes from {location}/NAME.\n\
         Copy what is below etc/ to /etc/ on the machines that pull, then ask there:\n\
         \n    lightship migrate client-config --old {old} --check\n\n"
    );
    if is_renamed {
        text.push_str(&format!(
            "containerd (Kubernetes' nodes)\n\
             \x20 etc/containerd/certs.d/{old}/hosts.toml. It is read at each pull, without a restart, where containerd's\n\
             \x20 configuration says config_path = \"/etc/containerd/certs.d\". Tried with containerd 1.6 (ctr --hosts-dir).\n\
             podman, CRI-O, buildah, skopeo\n\
             \x20 etc/containers/registries.conf.d. Clients log in to {new}: `podman login {new}`. Tried with podman 4.3 and\n\
             \x20 skopeo 1.9, which lists tags at the old name all the same (inspect --no-tags). CRI-O reads the same\n\
             \x20 files. Untested.\n\
             Docker\n\
             \x20 Its `registry-mirrors` are for Docker Hub alone, so the name {old} itself has to lead to the new side (below).\n\
             \x20 - classic image store (overlay2): the name and etc/docker/certs.d/{old}/ca.crt. Untested.\n\
             \x20 - containerd image store: is said to read /etc/containerd/certs.d/{old}/hosts.toml (docker/docs#24213); in which releases\n\
             \x20   is not known here. Untested.\n\n"
        ));
    } else {
        text.push_str(
            "The name itself leads to the new side, for all clients alike; nothing is renamed.\n\n",
        );
    }
    if names.is_plain {
        text.push_str(&format!(
            "Without TLS\n\
             \x20 {new} is spoken to in plain HTTP: the files say so to containerd, podman, CRI-O, buildah and skopeo; Docker wants\n\
             \x20 \"insecure-registries\": [\"{old}\"] in its daemon.json. Whoever is on the way can read and change what is pulled.\n\n"
        ));
    }
    text.push_str(&format!(
        "Certificates\n\
         \x20 Clients whose files name {new} want a certificate for {new}; those that reach the new side because the name {old}\n\
         \x20 leads there want one for {old}. One certificate may have both names (subjectAltName).\n"
    ));
    text.push_str(&match names.authority {
        Some(_) => format!(
            "\x20 The authority is trusted in: etc/containerd/certs.d/{old}/ca.crt, etc/containers/certs.d/{new}/ca.crt (podman,\n\
             \x20 CRI-O, skopeo), etc/docker/certs.d/{old}/ca.crt (Docker). Where {old} leads to the new side by its name, podman\n\
             \x20 wants it in etc/containers/certs.d/{old}/ca.crt.\n\n"
        ),
        None => "\x20 It is one that the machines trust already; for an authority of your own say --ca FILE.\n\n".to_owned(),
    });
    text.push_str(&format!(
        "Making the name lead to the new side\n\
         \x20 For all: the A and AAAA records of {old} in the resolver of your network. For one machine, in /etc/hosts:\n\
         \x20     ADDRESS {old}\n\
         \x20 To try it without changing anything on the machine, in a mount namespace of its own (tested with podman):\n\
         \x20     cp /etc/hosts hosts; echo 'ADDRESS {old}' >>hosts\n\
         \x20     unshare --mount sh -c 'mount --bind hosts /etc/hosts && podman pull {old}/NAME'\n"
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(names: &Names<'_>, path: &str) -> Option<String> {
        make(names)
            .into_iter()
            .find(|file| file.path == path)
            .map(|file| file.content)
    }

    #[test]
    fn nothing_falls_back_to_the_old_side_and_a_prefix_stands_before_the_name() {
        let names = Names {
            old: "gcr.io",
            new: "new.example:5000",
            prefix: Some("moved"),
            is_plain: false,
            authority: Some("PEM"),
        };
        let hosts = content(&names, "etc/containerd/certs.d/gcr.io/hosts.toml").unwrap();
        let parsed: toml::Table = hosts.parse().unwrap();
        assert_eq!(
            parsed["server"].as_str(),
            Some("https://new.example:5000/v2/moved")
        );
        assert_eq!(parsed["override_path"].as_bool(), Some(true));
        assert_eq!(
            parsed["ca"].as_str(),
            Some("/etc/containerd/certs.d/gcr.io/ca.crt")
        );
        let hosts = parsed["host"].as_table().unwrap();
        assert_eq!(
            hosts.keys().collect::<Vec<_>>(),
            ["https://new.example:5000/v2/moved"]
        );
        let registries = content(&names, "etc/containers/registries.conf.d/50-gcr.io.conf").unwrap();
        let parsed: toml::Table = registries.parse().unwrap();
        let registry = &parsed["registry"][0];
        assert_eq!(registry["prefix"].as_str(), Some("gcr.io"));
        assert_eq!(registry["location"].as_str(), Some("new.example:5000/moved"));
        assert!(registry.get("mirror").is_none());
        for path in [
            "etc/containerd/certs.d/gcr.io/ca.crt",
            "etc/containers/certs.d/new.example:5000/ca.crt",
            "etc/docker/certs.d/gcr.io/ca.crt",
        ] {
            assert_eq!(content(&names, path).as_deref(), Some("PEM"), "{path}");
        }
    }

    #[test]
    fn a_registry_without_tls_is_told_as_such() {
        let names = Names {
            old: "gcr.io",
            new: "new.example:5000",
            prefix: None,
            is_plain: true,
            authority: None,
        };
        let hosts = content(&names, "etc/containerd/certs.d/gcr.io/hosts.toml").unwrap();
        let parsed: toml::Table = hosts.parse().unwrap();
        assert_eq!(parsed["server"].as_str(), Some("http://new.example:5000"));
        let registries = content(&names, "etc/containers/registries.conf.d/50-gcr.io.conf").unwrap();
        let parsed: toml::Table = registries.parse().unwrap();
        assert_eq!(parsed["registry"][0]["insecure"].as_bool(), Some(true));
    }

    #[test]
    fn files_are_not_written_through_links() {
        let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(elsewhere.path(), directory.path().join("etc")).unwrap();
        let file = |path: &str| Written {
            path: path.to_owned(),
            content: "x".to_owned(),
        };
        assert!(write(directory.path(), &[file("etc/containerd/hosts.toml")]).is_err());
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
        write(directory.path(), &[file("usr/hosts.toml")]).unwrap();
    }

    #[test]
    fn a_name_that_stays_needs_no_renaming() {
        let names = Names {
            old: "gcr.io",
            new: "gcr.io",
            prefix: None,
            is_plain: false,
            authority: None,
        };
        let paths: Vec<String> = make(&names).into_iter().map(|file| file.path).collect();
        assert_eq!(paths, ["README.txt"]);
    }
}
