//! The values of a specification: each is read by one function that says what it expects.

use archive::EntryPath;
use jiff::civil::Date;

use super::plan::LayerPolicy;

/// Why a value is not what its key expects; a fragment for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    #[error("{text:?} is not a mode: write three or four octal digits, such as 0644")]
    Mode { text: String },
    #[error("{text:?} is not a port: write 8080, 53/udp or a range such as 8000-8010/tcp")]
    Port { text: String },
    #[error("{text:?} is not a user: write a name or a number, optionally with `:GROUP`")]
    User { text: String },
    #[error("{text:?} is not a name: use letters, digits, `_`, `-` and `.`, a letter or `_` first")]
    AccountName { text: String },
    #[error(
        "{text:?} is not a name for an image: use lower-case letters, digits, and `.`, `_`, `-` between them"
    )]
    ImageName { text: String },
    #[error("{text:?} is not a name for a variant: use letters, digits, `.`, `_` and `-`, at most 100")]
    VariantName { text: String },
    #[error("{text:?} is not a SHA-256: write 64 hex digits")]
    Sha256 { text: String },
    #[error("{text:?} is not a name for a variable: use letters, digits and `_`, no digit first")]
    VariableName { text: String },
    #[error("{text:?} is not a signal: write a name such as SIGTERM, or a number from 1 to 64")]
    Signal { text: String },
    #[error("{text:?} is not a layer policy: write per-package, budget:N with 2 to 127, or single")]
    Layers { text: String },
    #[error("{text:?} is not a date: write YYYY-MM-DD")]
    Date { text: String },
    #[error("{text:?} is not a URL: write https://HOST/PATH or http://HOST/PATH")]
    Url { text: String },
    #[error("a URL in a specification cannot hold credentials")]
    Credentials,
    #[error("{text:?} is not a suite or component: use letters, digits, and `.`, `_`, `-`, `/` between them")]
    Suite { text: String },
    #[error("{text:?} is not a glob: {reason}")]
    Glob { text: String, reason: String },
    #[error("{0}")]
    Path(#[from] archive::PathError),
    #[error("the root directory cannot be used here")]
    Root,
    #[error("a value is missing here")]
    Empty,
    #[error("{text:?} holds a line break or a NUL byte")]
    Control { text: String },
    #[error("`${{{name}}}` has no value so far")]
    Unset { name: String },
    #[error("unknown placeholder `{{{name}}}`: there are {{arch}}, {{debian-arch}} and {{multiarch}}")]
    Placeholder { name: String },
}

pub(crate) fn mode(text: &str) -> Result<u32, ValueError> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = (3..=4).contains(&digits.len()) && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let bad = || ValueError::Mode {
        text: text.to_owned(),
    };
    if !octal {
        return Err(bad());
    }
    u32::from_str_radix(digits, 8).map_err(|_| bad())
}

/// A port as the configuration spells it: `8080/tcp`; a range becomes `8000-8010/tcp`.
pub(crate) fn port(text: &str) -> Result<String, ValueError> {
    let bad = || ValueError::Port {
        text: text.to_owned(),
    };
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(bad());
    }
    let number = |text: &str| match text.parse::<u16>() {
        Ok(number) if number > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(number),
        _ => Err(bad()),
    };
    match numbers.split_once('-') {
        None => Ok(format!("{}/{protocol}", number(numbers)?)),
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(bad());
            }
            Ok(format!("{first}-{last}/{protocol}"))
        }
    }
}

/// `User` of a configuration: the parts before and after the colon are a name or a number each.
pub(crate) fn user(text: &str) -> Result<(&str, Option<&str>), ValueError> {
    let part = |part: &str| part.parse::<u32>().is_ok() || account_name(part).is_ok();
    let (user, group) = match text.split_once(':') {
        None => (text, None),
        Some((user, group)) => (user, Some(group)),
    };
    if part(user) && group.is_none_or(part) {
        Ok((user, group))
    } else {
        Err(ValueError::User {
            text: text.to_owned(),
        })
    }
}

/// A login or group name, as `adduser` takes them.
pub(crate) fn account_name(text: &str) -> Result<(), ValueError> {
    let mut bytes = text.bytes();
    let first = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let rest = bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if first && rest && text.len() <= 32 {
        Ok(())
    } else {
        Err(ValueError::AccountName {
            text: text.to_owned(),
        })
    }
}

/// One component of a repository name of the distribution specification.
pub(crate) fn image_name(text: &str) -> Result<(), ValueError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let edges = text.bytes().next().is_some_and(plain) && text.bytes().last().is_some_and(plain);
    if edges && text.len() <= 100 && text.bytes().all(|byte| plain(byte) || b"._-".contains(&byte)) {
        Ok(())
    } else {
        Err(ValueError::ImageName {
            text: text.to_owned(),
        })
    }
}

/// A variant is a tag too.
pub(crate) fn variant_name(text: &str) -> Result<(), ValueError> {
    let first = text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if first && rest && text.len() <= 100 {
        Ok(())
    } else {
        Err(ValueError::VariantName {
            text: text.to_owned(),
        })
    }
}

pub(crate) fn sha256(text: &str) -> Result<[u8; 32], ValueError> {
    let bad = || ValueError::Sha256 {
        text: text.to_owned(),
    };
    let text = text.strip_prefix("sha256:").unwrap_or(text);
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(bad());
    }
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
    }
    Ok(digest)
}

pub(crate) fn variable_name(text: &str) -> Result<(), ValueError> {
    let first = text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if first
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    {
        Ok(())
    } else {
        Err(ValueError::VariableName {
            text: text.to_owned(),
        })
    }
}

pub(crate) fn signal(text: &str) -> Result<String, ValueError> {
    let bad = || ValueError::Signal {
        text: text.to_owned(),
    };
    if let Ok(number) = text.parse::<u8>() {
        return if (1..=64).contains(&number) {
            Ok(number.to_string())
        } else {
            Err(bad())
        };
    }
    let name = text.strip_prefix("SIG").unwrap_or(text);
    let known = SIGNALS.contains(&name) || realtime_signal(name);
    if known {
        Ok(format!("SIG{name}"))
    } else {
        Err(bad())
    }
}

fn realtime_signal(name: &str) -> bool {
    let offset = |rest: &str, sign: char| {
        rest.is_empty()
            || rest
                .strip_prefix(sign)
                .and_then(|n| n.parse::<u8>().ok())
                .is_some_and(|n| n <= 15)
    };
    match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => offset(rest, '+'),
        (_, Some(rest)) => offset(rest, '-'),
        _ => false,
    }
}

pub(crate) fn layers(text: &str) -> Result<LayerPolicy, ValueError> {
    text.parse().map_err(|_| ValueError::Layers {
        text: text.to_owned(),
    })
}

pub(crate) fn date(text: &str) -> Result<Date, ValueError> {
    text.parse().map_err(|_| ValueError::Date {
        text: text.to_owned(),
    })
}

/// `https:` or `http:` without credentials, as what it is.
pub(crate) fn web_url(text: &str) -> Result<(), ValueError> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
    if host.contains('@') {
        return Err(ValueError::Credentials);
    }
    if host.is_empty() || text.contains(char::is_whitespace) {
        return Err(ValueError::Url {
            text: text.to_owned(),
        });
    }
    placeholders(text)
}

/// Whether a text claims to be a URL rather than a path.
pub(crate) fn is_url(text: &str) -> bool {
    text.contains("://")
}

/// The suite or a component of an archive.
pub(crate) fn suite(text: &str) -> Result<(), ValueError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/~+".contains(&byte);
    let parts = text
        .split('/')
        .all(|part| !part.is_empty() && part != "." && part != "..");
    if parts && text.len() <= 200 && text.bytes().all(plain) {
        Ok(())
    } else {
        Err(ValueError::Suite {
            text: text.to_owned(),
        })
    }
}

/// An absolute path below the root.
pub(crate) fn path(text: &str) -> Result<EntryPath, ValueError> {
    placeholders(text)?;
    let path = EntryPath::parse_absolute(text.as_bytes())?;
    if path.is_root() {
        Err(ValueError::Root)
    } else {
        Ok(path)
    }
}

/// An absolute path, the root included.
pub(crate) fn path_or_root(text: &str) -> Result<EntryPath, ValueError> {
    placeholders(text)?;
    Ok(EntryPath::parse_absolute(text.as_bytes())?)
}

/// A glob over absolute paths, or, for `relative`, over paths inside an archive.
pub(crate) fn glob(text: &str, relative: bool) -> Result<String, ValueError> {
    let bad = |reason: String| ValueError::Glob {
        text: text.to_owned(),
        reason,
    };
    if text.starts_with('/') == relative {
        let reason = if relative {
            "it begins with a slash"
        } else {
            "it does not begin with a slash"
        };
        return Err(bad(reason.to_owned()));
    }
    globset::GlobBuilder::new(text)
        .literal_separator(true)
        .build()
        .map(|_| text.to_owned())
        .map_err(|error| bad(error.kind().to_string()))
}

/// Text on one line that is not empty.
pub(crate) fn line(text: &str) -> Result<(), ValueError> {
    if text.trim().is_empty() {
        return Err(ValueError::Empty);
    }
    no_control(text)
}

/// Text without line breaks and NUL.
pub(crate) fn no_control(text: &str) -> Result<(), ValueError> {
    if text.contains(['\n', '\r', '\0']) {
        return Err(ValueError::Control {
            text: text.to_owned(),
        });
    }
    Ok(())
}

/// Checks that every `{…}` is a placeholder that [`super::Plan::for_architecture`] knows.
pub(crate) fn placeholders(text: &str) -> Result<(), ValueError> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        if !PLACEHOLDERS.contains(&name) {
            return Err(ValueError::Placeholder {
                name: name.to_owned(),
            });
        }
        rest = after;
    }
    Ok(())
}

/// What stands for a property of the architecture in paths, link targets and URLs.
pub(crate) const PLACEHOLDERS: [&str; 3] = ["arch", "debian-arch", "multiarch"];

const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal() {
        assert_eq!(mode("0644"), Ok(0o644));
        assert_eq!(mode("755"), Ok(0o755));
        assert_eq!(mode("0o1777"), Ok(0o1777));
        for bad in ["", "44", "0888", "17777", "rwx", "-644", "07777 "] {
            assert!(mode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ports_have_a_protocol() {
        assert_eq!(port("8080").as_deref(), Ok("8080/tcp"));
        assert_eq!(port("53/UDP").as_deref(), Ok("53/udp"));
        assert_eq!(port("1-65535").as_deref(), Ok("1-65535/tcp"));
        for bad in ["0", "65536", "80/icmp", "9-8", "+80", "http", ""] {
            assert!(port(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn users_are_names_or_numbers() {
        assert_eq!(user("nonroot:staff"), Ok(("nonroot", Some("staff"))));
        assert_eq!(user("65532"), Ok(("65532", None)));
        for bad in ["", "a b", ":0", "0:", "1x", "4294967296"] {
            assert!(user(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_fit_where_they_go() {
        assert!(image_name("cc-debian13").is_ok());
        assert!(image_name(&"a".repeat(100)).is_ok());
        for bad in ["", "CC", "-a", "a-", "a/b", &"a".repeat(101)] {
            assert!(image_name(bad).is_err(), "{bad}");
        }
        assert!(variant_name("debug-nonroot").is_ok());
        assert!(variant_name(".x").is_err());
        assert!(account_name(&"a".repeat(32)).is_ok());
        assert!(account_name(&"a".repeat(33)).is_err());
    }

    #[test]
    fn digests_are_64_hex_digits() {
        assert_eq!(sha256(&"ab".repeat(32)), Ok([0xab; 32]));
        assert!(sha256(&"ab".repeat(31)).is_err());
        assert!(sha256(&"+b".repeat(32)).is_err());
        assert!(sha256(&"é".repeat(32)).is_err());
    }

    #[test]
    fn signals_get_their_prefix() {
        assert_eq!(signal("TERM").as_deref(), Ok("SIGTERM"));
        assert_eq!(signal("SIGRTMIN+3").as_deref(), Ok("SIGRTMIN+3"));
        assert_eq!(signal("15").as_deref(), Ok("15"));
        for bad in ["0", "65", "SIGNO", "", "RTMIN+16"] {
            assert!(signal(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_stay_inside() {
        assert!(path("/usr/bin").is_ok());
        for bad in ["usr", "/", "/a/../b", "/a//b", "/{x}"] {
            assert!(path(bad).is_err(), "{bad}");
        }
        assert!(path("/lib/{multiarch}/x").is_ok());
        assert!(path_or_root("/").is_ok());
    }

    #[test]
    fn globs_are_checked() {
        assert!(glob("/usr/share/{man,info}/**", false).is_ok());
        assert!(glob("usr", false).is_err());
        assert!(glob("/usr", true).is_err());
        assert!(glob("/a[", false).is_err());
    }
}
