//! Our order against `dpkg --compare-versions`, over versions of a real index. (bench/compare-versions.sh compares all
//! versions of any index; a call of dpkg costs a millisecond, so here it is a part of them.)

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

use super::*;

/// All distinct versions of Debian 13.8 main/amd64.
const VERSIONS: &[u8] = include_bytes!("../../tests/fixtures/versions-trixie-amd64.xz");

/// Prints the pairs of its input for which dpkg says otherwise.
const SCRIPT: &str =
    r#"while read -r a op b; do dpkg --compare-versions "$a" "$op" "$b" || echo "$a $op $b"; done"#;

/// How many processes call dpkg at once, and for how many pairs each.
const SHARES: usize = 2;
const PAIRS_PER_SHARE: usize = 2_000;

fn real_versions() -> Vec<Version> {
    let mut text = String::new();
    archive::decode(archive::Codec::Xz, VERSIONS, 1 << 20)
        .read_to_string(&mut text)
        .unwrap();
    let mut versions: Vec<Version> = text.lines().map(version).collect();
    assert!(versions.len() > 20_000);
    versions.sort();
    versions
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn has_dpkg() -> bool {
    let dpkg = Command::new("dpkg")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    !matches!(dpkg, Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// A pair with the operator that we think holds, as dpkg spells it.
fn claim(left: &Version, right: &Version) -> String {
    let operator = match left.cmp(right) {
        Ordering::Less => "lt",
        Ordering::Equal => "eq",
        Ordering::Greater => "gt",
    };
    format!("{left} {operator} {right}\n")
}

/// The claims that dpkg denies.
fn denied_by_dpkg(claims: &[String]) -> String {
    let shares = claims.chunks(claims.len().div_ceil(SHARES));
    let running: Vec<_> = shares
        .map(|share| {
            let mut shell = Command::new("sh")
                .args(["-c", SCRIPT])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut input = shell.stdin.take().unwrap();
            let share = share.concat();
            // The pipe is smaller than the input, and the shell may write before it has read it all.
            let writer = std::thread::spawn(move || input.write_all(share.as_bytes()));
            (shell, writer)
        })
        .collect();
    running
        .into_iter()
        .map(|(shell, writer)| {
            let output = shell.wait_with_output().unwrap();
            writer.join().unwrap().unwrap();
            String::from_utf8(output.stdout).unwrap()
        })
        .collect()
}

#[test]
fn agrees_with_dpkg_on_neighbours_and_on_distant_versions_of_a_real_index() {
    let versions = real_versions();
    if !has_dpkg() {
        return;
    }
    let pairs = SHARES * PAIRS_PER_SHARE;
    // Neighbours are the hard ones: stretches of them from all over the list.
    let stride = versions.len() / (pairs / 2);
    let neighbours = versions
        .windows(2)
        .step_by(stride)
        .map(|pair| claim(&pair[0], &pair[1]));
    // A fixed walk that is as good as random: a step prime to any length of the list comes everywhere.
    let distant = (0..pairs / 2).map(|n| {
        let at = |step: usize| &versions[(n * step) % versions.len()];
        claim(at(7_919), at(104_729))
    });
    let claims: Vec<String> = neighbours.chain(distant).collect();
    assert_eq!(denied_by_dpkg(&claims), "");
}

#[test]
fn agrees_with_dpkg_on_versions_made_to_be_hard() {
    if !has_dpkg() {
        return;
    }
    let parts = [
        "0", "00", "1", "~", "a", "+", ".", "0~", "1a", "1.", "1~~", "10", "9z",
    ];
    let revisions = ["", "-0", "-1", "-~", "-a"];
    let all = parts.iter().flat_map(|part| {
        revisions
            .iter()
            .map(move |revision| version(&format!("0{part}{revision}")))
    });
    let all: Vec<Version> = all.collect();
    let claims = all
        .iter()
        .flat_map(|left| all.iter().map(move |right| claim(left, right)))
        .step_by(3);
    assert_eq!(denied_by_dpkg(&claims.collect::<Vec<_>>()), "");
}

#[test]
fn dpkg_would_deny_a_wrong_claim() {
    if has_dpkg() {
        let wrong = [
            "1.10 lt 1.9\n".to_owned(),
            "1 eq 1\n".to_owned(),
            "1~ gt 1\n".to_owned(),
        ];
        assert_eq!(denied_by_dpkg(&wrong), "1.10 lt 1.9\n1~ gt 1\n");
    }
}
