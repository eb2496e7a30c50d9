//! Proxies in APT's configuration.

use std::collections::BTreeMap;

use transport::{HostProxy, Proxies};

/// The proxies that the texts of configuration files say, later ones over earlier ones.
///
/// What is not said for https is what is said for http, as with APT. `Proxy-Auto-Detect` is not run: it is a program.
pub(super) fn proxies(texts: &[String]) -> Proxies {
    let mut values = BTreeMap::new();
    for text in texts {
        collect(text, &mut values);
    }
    let mut proxies = Proxies::default();
    // Later in the loop counts: https itself after what https takes over from http.
    for (said_for, scheme) in [("http", "http"), ("http", "https"), ("https", "https")] {
        let option = format!("acquire::{said_for}::proxy");
        if let Some(value) = values.get(&option) {
            let value = if is_direct(value) {
                String::new()
            } else {
                value.clone()
            };
            match scheme {
                "http" => proxies.http = Some(value),
                _ => proxies.https = Some(value),
            }
        }
        let of_hosts = values.iter().filter_map(|(name, value)| {
            let host = name.strip_prefix(&option)?.strip_prefix("::")?;
            Some((host.to_owned(), value))
        });
        for (host, value) in of_hosts {
            let proxy = if is_direct(value) {
                HostProxy::Direct
            } else {
                HostProxy::Through(value.clone())
            };
            proxies.hosts.insert((scheme.to_owned(), host), proxy);
        }
    }
    proxies
}

fn is_direct(value: &str) -> bool {
    value == "DIRECT" || value == "false"
}

/// Reads `Name "value";` and `Scope { … };` into `scope::name` → value, names in lower case.
fn collect(text: &str, values: &mut BTreeMap<String, String>) {
    let mut scopes: Vec<String> = Vec::new();
    let mut name = String::new();
    let mut value = None;
    for token in tokens(text) {
        match token {
            Token::Word(word) if name.is_empty() => name = word.to_ascii_lowercase(),
            Token::Word(word) | Token::Quoted(word) => value = Some(word),
            Token::Open => scopes.push(std::mem::take(&mut name)),
            Token::Close => {
                scopes.pop();
                name.clear();
            }
            Token::End => {
                let path: Vec<&str> = scopes.iter().map(String::as_str).chain([name.as_str()]).collect();
                if let Some(value) = value
                    .take()
                    .filter(|_| !name.is_empty() && scopes.len() < DEPTH_MAX)
                {
                    values.insert(path.join("::"), value);
                }
                name.clear();
            }
        }
    }
}

enum Token {
    Word(String),
    Quoted(String),
    Open,
    Close,
    End,
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        let past = |end: &str, from: &'_ str| from.find(end).map_or(from.len(), |at| at + end.len());
        rest = match first {
            '{' | '}' | ';' => {
                tokens.push(match first {
                    '{' => Token::Open,
                    '}' => Token::Close,
                    _ => Token::End,
                });
                after
            }
            '"' => {
                let (inside, behind) = after.split_once('"').unwrap_or((after, ""));
                tokens.push(Token::Quoted(inside.to_owned()));
                behind
            }
            '#' => rest.get(past("\n", rest)..).unwrap_or_default(),
            '/' if after.starts_with('/') => rest.get(past("\n", rest)..).unwrap_or_default(),
            '/' if after.starts_with('*') => after.get(past("*/", after)..).unwrap_or_default(),
            _ if first.is_whitespace() => after,
            _ => {
                let end = rest
                    .find(|c: char| c.is_whitespace() || "{};\"".contains(c))
                    .unwrap_or(rest.len());
                let (word, behind) = rest.split_at(end);
                tokens.push(Token::Word(word.to_owned()));
                behind
            }
        };
    }
    tokens
}

/// The deepest nesting whose values are looked at.
const DEPTH_MAX: usize = 16;
