//! Which parts of a line are secrets: what follows options and keys that have them, and keys themselves.
//!
//! Reports show lines around what was found, and go to places where more people read than in the repository.

use std::ops::Range;
use std::sync::OnceLock;

use regex::Regex;

use crate::image::variable_length;

/// Names, at the end of which a secret's begins; what stands between name and value is quotes and one sign. `-p` is a password
/// where clients log in, and a port where they run.
const NAMES: &str = r#"(?ix)
    (?: ^ | [\s"'\[,(] ) -p (?: [\s=]+ | ["'],? \s* )
  | [\w.-]* (?: password | passwd | passphrase | secret | token | private_?key | api_?key | access_?key | credentials? )
    ["'\\\])]* (?: \s* (?: := | => | [:=,] ) \s* | \s+ )
  | \b auth ["'\\]+ \s* [:=] \s*
"#;

/// What is a secret by all that stands around it, or by its own form; each alternative has one group.
const AROUND: &str = r#"(?x)
    # Addresses, and users of curl, docker, podman and skopeo.
    :// [^\s/:@"']+ : ( [^\s/@"']+ ) @
  | :// ( [^\s/:@"'$]+ ) @
  | (?: -u | --user | --(?:src-|dest-)?creds ) (?: \s+ | = ) ["']? [^\s:"'/]+ : ( [^\s"']+ )
    # A password right behind its option, or given to the input of a login.
  | \b login \b [^|;&]* \s -p ( [^\s"'=$-] [^\s"']* )
  | (?: echo | printf ) \s+ (?: -n \s+ )? (?: ["']%s["'] \s+ )? ["']? ( [^\s"'|$`]+ ) ["']? \s* \| [^|]* --password-stdin
  | --password-stdin [^|;&]* <<< \s* ["']? ( [^\s"'$]+ )
  | <<< \s* ["']? ( [^\s"'$|]+ ) ["']? \s* \| [^|]* --password-stdin
  | (?i: authorization ) ["']? \s* [:=] \s* ["']? (?i: bearer | basic ) \s+ ( [^\s"'$]+ )
  | ConvertTo-SecureString \s+ ["'] ( [^"'$]+ ) ["']
    # A variable of a container.
  | (?i: name ) ["']? \s* : \s* ["']? [\w.-]* (?i: password | passwd | secret | token | key ) ["']? \s* , \s*
    ["']? (?i: value ) ["']? \s* : \s* ["']? ( [^\s"',}\]$]+ )
  | \b (?i: pass ) ["']? \s* [:=] \s* ["']? ( [^\s"',}\]$]+ )
    # Tokens that tell whose they are: GitHub's, GitLab's, Google's, Amazon's, and signed ones.
  | \b ( gh[opsur]_ \w{16,} | glpat- [\w-]{16,} | ya29\. [\w.-]{16,} | AIza [\w-]{30,} | AKIA [0-9A-Z]{16}
      | eyJ [\w-]{8,} \. [\w-]{8,} \. [\w-]+ )
"#;

/// Keys in the form that OpenSSL writes.
const KEY_BEGIN: &str = "-----BEGIN";
const KEY_END: &str = "-----END";

/// Where the secrets of a line are, from left to right.
pub(crate) fn secrets(line: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(name) = names().find_at(line, at) {
        at = name.end();
        let is_word = name.as_str().ends_with(char::is_whitespace) && !has_separator(name.as_str());
        // A name with a space behind it is an option, or it is prose.
        if !is_word
            || name
                .as_str()
                .trim_start_matches(['"', '\'', ' '])
                .starts_with('-')
        {
            let value = value(line, name.end());
            // What stands in a secret names none.
            at = value.as_ref().map_or(at, |value| value.end);
            found.extend(value);
        }
    }
    for around in around().captures_iter(line) {
        let secret = around.iter().skip(1).flatten().next();
        let secret = secret.filter(|secret| !is_no_secret(secret.as_str()));
        found.extend(secret.map(|secret| secret.range()));
    }
    let begin = line.find(KEY_BEGIN);
    found.extend(begin.map(|begin| {
        let end = line.get(begin..).and_then(|key| key.find(KEY_END));
        begin..end.map_or(line.len(), |end| begin + end)
    }));
    found.sort_by_key(|range| range.start);
    found
}

fn has_separator(name: &str) -> bool {
    name.trim_end().ends_with([':', '=', ',', '>'])
}

/// The value that begins at a place, without its quotes.
fn value(line: &str, start: usize) -> Option<Range<usize>> {
    let rest = line.get(start..)?;
    let opening = rest.len() - rest.trim_start_matches('\\').len();
    let quote = rest
        .get(opening..)?
        .chars()
        .next()
        .filter(|sign| matches!(sign, '"' | '\''));
    let length = match quote {
        Some(quote) => {
            let from = opening + quote.len_utf8();
            let inner = rest.get(from..)?;
            let closing = format!("{}{quote}", rest.get(..opening)?);
            let end = inner
                .match_indices(&closing)
                .map(|(at, _)| at)
                .find(|at| opening > 0 || !inner.get(..*at).is_some_and(|inner| inner.ends_with('\\')));
            let inner = inner.get(..end.unwrap_or(inner.len()))?;
            return (!is_no_secret(inner)).then(|| start + from..start + from + inner.len());
        }
        None => {
            let variable = variable_length(rest).unwrap_or(0);
            let ends = |sign: char| {
                sign.is_whitespace() || matches!(sign, ',' | ';' | '&' | '|' | ')' | '}' | ']' | '"' | '\'')
            };
            let after = rest.get(variable..)?;
            variable + after.find(ends).unwrap_or(after.len())
        }
    };
    let inner = rest.get(..length)?;
    (!is_no_secret(inner)).then_some(start..start + length)
}

/// What only says where a secret is, and what is none: a variable, a port, a switch.
fn is_no_secret(value: &str) -> bool {
    let is_command = value.starts_with('`') && value.ends_with('`');
    let is_number = value
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
    let is_option = value.starts_with('-') && !value.starts_with(KEY_BEGIN);
    let is_opening = matches!(value, "{" | "[" | "|" | ">" | "|-" | ">-");
    let is_word = matches!(value, "true" | "false" | "null" | "none" | "git");
    variable_length(value) == Some(value.len())
        || is_command
        || is_number
        || is_option
        || is_opening
        || is_word
}

fn names() -> &'static Regex {
    static NAMES_READ: OnceLock<Regex> = OnceLock::new();
    NAMES_READ.get_or_init(|| {
        #[expect(clippy::expect_used, reason = "a pattern of ours, which tests use")]
        Regex::new(NAMES).expect("a pattern")
    })
}

fn around() -> &'static Regex {
    static AROUND_READ: OnceLock<Regex> = OnceLock::new();
    AROUND_READ.get_or_init(|| {
        #[expect(clippy::expect_used, reason = "a pattern of ours, which tests use")]
        Regex::new(AROUND).expect("a pattern")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        let mut shown = String::new();
        let mut at = 0;
        for secret in secrets(line) {
            if secret.start >= at {
                shown.push_str(&line[at..secret.start]);
                shown.push('…');
                at = secret.end;
            }
        }
        shown + &line[at..]
    }

    #[test]
    fn secrets_are_told_by_what_stands_before_them() {
        for (line, wanted) in [
            (
                "docker login -u _json_key -p \"hunter2secret\" gcr.io",
                "docker login -u _json_key -p \"…\" gcr.io",
            ),
            (
                "docker login -u x -p hunter2 gcr.io",
                "docker login -u x -p … gcr.io",
            ),
            (
                "docker login --password=hunter2 gcr.io",
                "docker login --password=… gcr.io",
            ),
            (
                "docker login --password hunter2 gcr.io",
                "docker login --password … gcr.io",
            ),
            (
                "[\"login\", \"-p\", \"hunter2\", \"gcr.io\"]",
                "[\"login\", \"-p\", \"…\", \"gcr.io\"]",
            ),
            (
                "{\"auth\":\"eA==\",\"password\":\"hunter2\"}",
                "{\"auth\":\"…\",\"password\":\"…\"}",
            ),
            (
                "echo \"{\\\"password\\\":\\\"hunter2\\\"}\" x",
                "echo \"{\\\"password\\\":\\\"…\\\"}\" x",
            ),
            (
                "-p '{\"private_key\": \"a b\", \"x\": 1}' gcr.io",
                "-p '…' gcr.io",
            ),
            (
                "{\"private_key\": \"-----BEGIN PRIVATE KEY-----\\nMII\\n\"}",
                "{\"private_key\": \"…\"}",
            ),
            (
                "DOCKER_PASSWORD=hunter2 docker login gcr.io",
                "DOCKER_PASSWORD=… docker login gcr.io",
            ),
            ("password: hunter2", "password: …"),
            (
                "curl -u me:hunter2 https://gcr.io/v2/",
                "curl -u me:… https://gcr.io/v2/",
            ),
            ("https://me:hunter2@gcr.io/v2/", "https://me:…@gcr.io/v2/"),
            ("--docker-password='a b'", "--docker-password='…'"),
            ("curl -H \"X-Token: abc\" gcr.io", "curl -H \"X-Token: …\" gcr.io"),
        ] {
            assert_eq!(shown(line), wanted);
        }
    }

    #[test]
    fn secrets_are_told_by_what_stands_around_them_and_by_their_form() {
        for line in [
            "docker login gcr.io -uoauth2accesstoken -pHIDDEN",
            "podman login --creds u:HIDDEN gcr.io",
            "skopeo copy --src-creds=u:HIDDEN docker://gcr.io/acme/x oci:x",
            "curl -H \"Authorization: Bearer HIDDEN\" https://gcr.io/v2/",
            "echo HIDDEN | docker login -u _json_key --password-stdin gcr.io",
            "printf '%s' 'HIDDEN' | docker login -u x --password-stdin gcr.io",
            "cat <<< \"HIDDEN\" | docker login -u x --password-stdin gcr.io",
            "docker login gcr.io -u x --password-stdin <<< HIDDEN",
            "ConvertTo-SecureString \"HIDDEN\" -AsPlainText; docker pull gcr.io/acme/x",
            "imageCredentials: {registry: gcr.io, username: _json_key, pass: HIDDEN}",
            "env: [{name: DB_PASSWORD, value: HIDDEN}, {name: I, value: gcr.io/acme/x}]",
            "url: https://HIDDEN@gcr.io/acme/x",
        ] {
            let told = shown(line);
            assert!(told.contains("gcr.io") && !told.contains("HIDDEN"), "{told}");
        }
        let digits = "0123456789abcdef".repeat(3);
        for token in [
            format!("ghp_{digits}"),
            format!("ya29.{digits}"),
            format!("eyJ{digits}.{digits}.x"),
        ] {
            assert_eq!(shown(&format!("x {token} gcr.io")), "x … gcr.io");
        }
    }

    #[test]
    fn what_only_says_where_a_secret_is_stays() {
        for line in [
            "docker run -p 8080:80 gcr.io/p/x",
            "docker login -u oauth2accesstoken --password-stdin gcr.io",
            "docker login -p \"$(gcloud auth print-access-token)\" gcr.io",
            "docker login -p $PASSWORD gcr.io",
            "password: ${{ secrets.KEY }}",
            "the password of gcr.io is a key",
            "imagePullSecrets: [a]",
            "username: _json_key",
            "git clone ssh://git@gcr.io/x",
            "echo \"$KEY\" | docker login -u _json_key --password-stdin https://gcr.io",
            "pass the image gcr.io/p/x on",
        ] {
            assert_eq!(shown(line), line);
        }
    }
}
