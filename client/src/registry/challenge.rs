//! What a registry asks for when it answers 401.

use std::collections::BTreeMap;

use transport::Response;

use super::endpoint::Endpoint;
use super::token::TokenService;

/// Longest header that is looked at, in bytes.
const CHALLENGE_BYTES_MAX: usize = 8 << 10;

/// Most parameters of one challenge.
const PARAMETERS_MAX: usize = 32;

/// One challenge of a `WWW-Authenticate` header.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Challenge {
    /// A user name and a password with every request.
    Basic,
    /// A token, to be had at `realm`.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
    /// Something else, by its name in lower case.
    Other(String),
}

/// What an answer of 401 asks for that may be shown where it is to be shown.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    /// A token, and the scope that the registry names.
    Token(TokenService, Option<String>),
    /// A user name and a password with every request.
    Basic,
}

impl Asked {
    /// Tokens before passwords; none where it asks for nothing that we can show there.
    pub(crate) fn of(response: &Response, endpoint: &Endpoint) -> Option<Asked> {
        let challenges: Vec<Challenge> = response.headers("www-authenticate").flat_map(parse).collect();
        let token = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer {
                realm,
                service,
                scope,
            } => {
                let realm = endpoint.base().resolve(realm).ok()?;
                let service = service.clone();
                let is_fit = endpoint.may_show_at(&realm);
                is_fit.then(|| Asked::Token(TokenService { realm, service }, scope.clone()))
            }
            _ => None,
        });
        token.or_else(|| challenges.contains(&Challenge::Basic).then_some(Asked::Basic))
    }
}

/// Every challenge in the value of a header. What is malformed ends the list; nothing is guessed.
///
/// Spec: RFC 9110, 11.6.1; RFC 6750, 3.
fn parse(value: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut rest = Rest(value.get(..CHALLENGE_BYTES_MAX).unwrap_or(value));
    if value.len() > CHALLENGE_BYTES_MAX {
        return found;
    }
    loop {
        rest.skip_commas();
        let Some(scheme) = rest.token() else { return found };
        let mut parameters = BTreeMap::new();
        let well_formed = rest.parameters(&mut parameters);
        let mut take = |name: &str| parameters.remove(name);
        found.push(match scheme.to_ascii_lowercase().as_str() {
            "basic" => Challenge::Basic,
            "bearer" => match take("realm") {
                Some(realm) => Challenge::Bearer {
                    realm,
                    service: take("service"),
                    scope: take("scope"),
                },
                None => Challenge::Other("bearer".to_owned()),
            },
            other => Challenge::Other(other.to_owned()),
        });
        if !well_formed {
            return found;
        }
    }
}

/// What of a header is not read yet.
struct Rest<'v>(&'v str);

impl<'v> Rest<'v> {
    fn skip_spaces(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn skip_commas(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', ',']);
    }

    fn take(&mut self, expected: char) -> bool {
        match self.0.strip_prefix(expected) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn token(&mut self) -> Option<&'v str> {
        let end = self.0.find(|letter| !is_token(letter)).unwrap_or(self.0.len());
        let (token, rest) = self
            .0
            .split_at_checked(end)
            .filter(|(token, _)| !token.is_empty())?;
        self.0 = rest;
        Some(token)
    }

    /// Reads `name=value` as long as they follow one another with commas. The first of a name counts. What follows may
    /// be another challenge: a token that no `=` follows.
    fn parameters(&mut self, into: &mut BTreeMap<String, String>) -> bool {
        self.skip_spaces();
        loop {
            let before = self.0;
            let Some(name) = self.token() else {
                return self.0.is_empty() || self.0.starts_with(',');
            };
            self.skip_spaces();
            if !self.take('=') {
                self.0 = before;
                return true;
            }
            self.skip_spaces();
            let value = if self.take('"') {
                self.quoted()
            } else {
                self.token().map(str::to_owned)
            };
            let Some(value) = value else { return false };
            if into.len() >= PARAMETERS_MAX {
                return false;
            }
            into.entry(name.to_ascii_lowercase()).or_insert(value);
            self.skip_spaces();
            if !self.take(',') {
                return self.0.is_empty();
            }
            self.skip_commas();
        }
    }

    /// The rest of a quoted string, after its first quote.
    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut letters = self.0.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.0 = self.0.get(at + 1..)?;
                    return Some(text);
                }
                '\\' => text.push(letters.next()?.1),
                other => text.push(other),
            }
        }
        None
    }
}

/// Spec: RFC 9110, 5.6.2.
fn is_token(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        }
    }

    #[test]
    fn reads_what_registries_send() {
        assert_eq!(
            parse(r#"Bearer realm="https://a/token",service="a",scope="repository:b/c:pull,push""#),
            [bearer(
                "https://a/token",
                Some("a"),
                Some("repository:b/c:pull,push")
            )]
        );
        assert_eq!(parse(r#"Basic realm="Registry""#), [Challenge::Basic]);
        assert_eq!(parse("basic"), [Challenge::Basic]);
        assert_eq!(
            parse(r#"BEARER Realm = "https://a/token" , error="invalid_token", Basic realm="b, c=\"d\"""#),
            [bearer("https://a/token", None, None), Challenge::Basic]
        );
        assert_eq!(
            parse(r#"Negotiate, Bearer realm=a"#),
            [Challenge::Other("negotiate".to_owned()), bearer("a", None, None)]
        );
    }

    #[test]
    fn guesses_nothing_from_what_is_malformed() {
        assert_eq!(parse(""), []);
        assert_eq!(parse("Bearer"), [Challenge::Other("bearer".to_owned())]);
        assert_eq!(
            parse(r#"Bearer realm="open"#),
            [Challenge::Other("bearer".to_owned())]
        );
        assert_eq!(parse("Bearer service=a"), [Challenge::Other("bearer".to_owned())]);
        let long = format!("Bearer realm=\"{}\"", "x".repeat(CHALLENGE_BYTES_MAX));
        assert_eq!(parse(&long), []);
    }

    proptest! {
        #[test]
        fn reads_back_any_realm_service_and_scope(
            realm in "[ -~é]{1,40}", service in "[ -~]{0,20}", scope in "[ -~]{0,20}",
        ) {
            let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!(
                r#"Bearer realm="{}", service="{}",scope="{}""#,
                quoted(&realm), quoted(&service), quoted(&scope)
            );
            prop_assert_eq!(parse(&header), [bearer(&realm, Some(&service), Some(&scope))]);
        }

        #[test]
        fn never_panics_and_never_loops(header in "[ -~é\\t]{0,80}") {
            let _ = parse(&header);
        }
    }
}
