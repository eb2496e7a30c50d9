//! Package URLs. Spec: <https://github.com/package-url/purl-spec>, type `deb`.

/// The package URL of a binary package of a release, e.g. `debian-13`.
pub(super) fn binary(name: &str, version: &str, architecture: &str, distribution: &str) -> String {
    let (name, version, distribution) = (escape(name), escape(version), escape(distribution));
    format!(
        "pkg:deb/debian/{name}@{version}?arch={}&distro={distribution}",
        escape(architecture)
    )
}

/// The package URL of a source package.
pub(super) fn source(name: &str, version: &str, distribution: &str) -> String {
    binary(name, version, "source", distribution)
}

/// The package URL of an image in no particular repository.
pub(super) fn image(name: &str, digest: &str, architecture: &str) -> String {
    format!(
        "pkg:oci/{}@{}?arch={}",
        escape(&name.to_lowercase()),
        escape(digest),
        escape(architecture)
    )
}

/// Percent-encodes everything but letters, digits, `.`, `-`, `_` and `~`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' => escaped.push(byte.into()),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_and_plus_signs_are_escaped() {
        assert_eq!(
            binary("libstdc++6", "1:14.2.0-19~deb13u1", "amd64", "debian-13"),
            "pkg:deb/debian/libstdc%2B%2B6@1%3A14.2.0-19~deb13u1?arch=amd64&distro=debian-13"
        );
        assert_eq!(
            image("cc-debian13", "sha256:ab", "arm64"),
            "pkg:oci/cc-debian13@sha256%3Aab?arch=arm64"
        );
    }
}
