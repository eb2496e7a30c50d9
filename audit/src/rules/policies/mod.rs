//! Admission policies and network allow-lists: what lets images in by their host, and what lets pulls out to it.
//!
//! There a host may be a pattern, `*.gcr.io` or `gcr\.io`, which is no reference: hosts are read by [`host`].

mod host;
mod network;
mod place;

use super::{Look, Spotted};
use crate::image::variable_length;
use crate::place::Place;
use crate::reading::outline::{has_key, plain};
use crate::reading::{Piece, Role};
use host::OldHost;
use place::Manifest;

/// Finds them.
pub(super) fn detect(look: &mut Look<'_>) {
    let document = look.document;
    let is_list = network::is_list_file(look.path);
    for piece in &document.pieces {
        if piece.role == Role::Comment || piece.role == Role::Key {
            continue;
        }
        let hosts = host::find(piece.text.text());
        if hosts.is_empty() {
            continue;
        }
        if piece.role == Role::Prose {
            // A list of hosts may be a file of text.
            if is_list {
                spot_lines(look, piece, &hosts);
            }
            continue;
        }
        let manifest = Manifest::around(document, look.outline, &piece.path);
        if is_admission(look, piece, &manifest) {
            spot_admissions(look, piece, &hosts);
        } else if network::is_value(look, piece, &manifest) {
            for host in &hosts {
                spot_host(look, piece, host);
            }
        } else {
            spot_lines(look, piece, &hosts);
        }
    }
    detect_variables(look);
}

/// `NO_PROXY` of shells, Dockerfiles and settings.
fn detect_variables(look: &mut Look<'_>) {
    let document = look.document;
    for binding in &document.bindings {
        if plain(&binding.name) == "noproxy" {
            for host in host::find(binding.value.text()) {
                let span = binding.value.span(host.range.clone());
                let written = binding.value.text().get(host.range.clone()).unwrap_or_default();
                look.spot(Spotted {
                    reference: Some(written.to_owned()),
                    place: Place::fixed(BOTH),
                    ..Spotted::new(
                        "network-allow-list",
                        span,
                        Role::Value,
                        network_message(&host.name),
                    )
                });
            }
        }
    }
}

/// Hosts on lines that say by themselves what they are for.
fn spot_lines(look: &mut Look<'_>, piece: &Piece, hosts: &[OldHost]) {
    let is_list = network::is_list_file(look.path)
        // A file in a manifest; a program's names are none.
        || piece.role != Role::Literal && has_key(&piece.path, network::is_list_file)
        || is_hosts_file(look, piece);
    for host in hosts {
        let at = piece.text.span(host.range.clone()).start;
        let line = line_around(look.source.text(), at);
        if network::is_line(line) || is_list && network::is_host_line(line) {
            spot_host(look, piece, host);
        }
    }
}

/// The line that a byte stands in; nothing of one that is too long to be somebody's configuration.
fn line_around(text: &str, at: usize) -> &str {
    let bytes = text.as_bytes();
    let least = at.saturating_sub(LINE_BYTES_MAX);
    let most = bytes.len().min(at + LINE_BYTES_MAX);
    let before = bytes.get(least..at).unwrap_or_default();
    let after = bytes.get(at..most).unwrap_or_default();
    let start = match memchr::memrchr(b'\n', before) {
        Some(newline) => least + newline + 1,
        None if least == 0 => 0,
        None => return "",
    };
    let end = match memchr::memchr(b'\n', after) {
        Some(newline) => at + newline,
        None if most == bytes.len() => most,
        None => return "",
    };
    text.get(start..end).unwrap_or_default()
}

/// The longest line, before a host and after it, that is looked at as one of a configuration, in bytes.
const LINE_BYTES_MAX: usize = 1024;

/// Whether a piece is of a file that is nothing but hosts, whatever it is called.
fn is_hosts_file(look: &Look<'_>, piece: &Piece) -> bool {
    look.path.rsplit('/').next().is_some_and(|name| name == "hosts") && piece.role != Role::Prose
}

fn spot_host(look: &mut Look<'_>, piece: &Piece, host: &OldHost) {
    let role = match piece.role {
        Role::Prose => Role::Value,
        role => role,
    };
    let written = piece.text.text().get(host.range.clone()).unwrap_or_default();
    look.spot(Spotted {
        reference: Some(written.to_owned()),
        place: Place::fixed(BOTH),
        ..Spotted::new(
            "network-allow-list",
            piece.text.span(host.range.clone()),
            role,
            network_message(&host.name),
        )
    });
}

/// Why none of these is rewritten.
const BOTH: &str =
    "old and new places have to be let in together until everything has moved: add the new one beside it";

fn network_message(host: &str) -> String {
    format!(
        "this lets traffic to {host} through: let it through to LOCATION-docker.pkg.dev too, before pulls move"
    )
}

fn spot_admissions(look: &mut Look<'_>, piece: &Piece, hosts: &[OldHost]) {
    let text = piece.text.text();
    for host in hosts {
        let range = host.range.start..pattern_end(text, host.range.end);
        let message = format!(
            "this policy lets images in by the name {}: let in the ones at LOCATION-docker.pkg.dev too, before they move",
            host.name
        );
        look.spot(Spotted {
            reference: text.get(range.clone()).map(str::to_owned),
            is_verbatim: look.is_verbatim(&piece.text, range.clone()),
            place: Place::fixed(BOTH),
            ..Spotted::new("admission-policy", piece.text.span(range), piece.role, message)
        });
    }
}

/// Where a pattern of images ends that goes on at `from`; a variable in it may have any sign.
fn pattern_end(text: &str, from: usize) -> usize {
    let is_end = |sign: char| {
        sign.is_whitespace() || matches!(sign, '"' | '\'' | ',' | '|' | ')' | ']' | '}' | '`' | ';')
    };
    let mut at = from;
    while let Some(first) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let variable = text.get(at..).and_then(variable_length);
        match variable {
            Some(length) => at += length,
            None if is_end(first) => break,
            None => at += first.len_utf8(),
        }
    }
    at
}

/// Hosts in a text whose dots are escaped, as in regular expressions, and where they stand.
pub(super) fn escaped_hosts(text: &str) -> Vec<(String, std::ops::Range<usize>)> {
    let hosts = host::find(text).into_iter();
    let is_escaped = |host: &OldHost| {
        text.get(host.range.clone())
            .is_some_and(|written| written.contains('\\'))
    };
    hosts
        .filter(is_escaped)
        .filter(|host| {
            // A longer name, with its dot escaped as well.
            let rest = text.get(host.range.end..).unwrap_or_default();
            !rest.trim_start_matches('\\').starts_with('.') || !rest.starts_with('\\')
        })
        .map(|host| (host.name, host.range))
        .collect()
}

/// Groups of resources that are admission policies, or parts of their names.
const ADMISSION_GROUPS: [&str; 9] = [
    "kyverno.io",
    "constraints.gatekeeper.sh",
    "templates.gatekeeper.sh",
    "policy.sigstore.dev",
    "binaryauthorization",
    "admissionregistration.k8s.io",
    "policies.kubewarden.io",
    "portieris",
    "imagepolicy.k8s.io",
];

/// Keys that only admission policies have.
const ADMISSION_KEYS: [&str; 9] = [
    "namepattern",
    "admissionwhitelistpatterns",
    "admissionallowlistpatterns",
    "googlebinaryauthorizationpolicy",
    "registrysources",
    "allowedregistriesforimport",
    "exemptimages",
    "imageallowlist",
    "imagereferences",
];

fn is_admission(look: &Look<'_>, piece: &Piece, manifest: &Manifest<'_>) -> bool {
    if ADMISSION_GROUPS
        .iter()
        .any(|group| manifest.group.contains(group))
    {
        return true;
    }
    let is_rego = look.path.ends_with(".rego") && !look.path.ends_with("_test.rego");
    is_rego || piece.keys().any(|key| is_admission_key(&plain(key)))
}

/// `allowedRepos`, `trusted_registries`, `imageWhitelist` and the like.
fn is_admission_key(key: &str) -> bool {
    let is_allowing = ["allow", "whitelist", "trusted", "permitted"]
        .iter()
        .any(|word| key.contains(word));
    let is_of_images = ["registr", "repos", "image"]
        .iter()
        .any(|word| key.contains(word));
    let is_switch = key.starts_with("is") || key.ends_with("enabled");
    ADMISSION_KEYS.contains(&key) || is_allowing && is_of_images && !is_switch
}

#[cfg(test)]
mod tests;
