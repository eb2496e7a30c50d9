//! Which requests go through which proxy.

use std::collections::BTreeMap;
use std::fmt;

/// Which requests go through which proxy; values come from the environment and from APT's configuration, both read by
/// the caller. Prints without the proxies' URLs, which may hold passwords.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http:` URLs.
    pub http: Option<String>,
    /// For `https:` URLs.
    pub https: Option<String>,
    /// Hosts, domains, addresses and networks that are spoken to directly, separated by commas; `*` for all.
    pub no_proxy: Option<String>,
    /// What holds for single hosts, by (scheme, host), before anything else.
    pub hosts: BTreeMap<(String, String), HostProxy>,
}

/// How one host is reached.
#[derive(Clone, PartialEq, Eq)]
pub enum HostProxy {
    /// Without a proxy.
    Direct,
    /// Through this one.
    Through(String),
}

impl Proxies {
    /// These proxies, with `others` where these say nothing.
    pub fn or(mut self, others: Proxies) -> Proxies {
        self.http = self.http.or(others.http);
        self.https = self.https.or(others.https);
        self.no_proxy = self.no_proxy.or(others.no_proxy);
        for (host, proxy) in others.hosts {
            self.hosts.entry(host).or_insert(proxy);
        }
        self
    }

    /// As the HTTP client takes them: the first that fits counts, so single hosts come first.
    ///
    /// # Errors
    /// A proxy's URL is none; the words do not repeat it.
    pub(crate) fn to_client(&self) -> Result<Vec<reqwest::Proxy>, String> {
        let mut all = Vec::new();
        for ((scheme, host), proxy) in &self.hosts {
            if let HostProxy::Through(proxy) = proxy {
                let proxy: reqwest::Url = parse(proxy)?;
                let (scheme, host) = (scheme.clone(), host.clone());
                all.push(reqwest::Proxy::custom(move |url| {
                    (url.scheme() == scheme && url.host_str() == Some(host.as_str())).then(|| proxy.clone())
                }));
            }
        }
        for (scheme, proxy) in [("http", &self.http), ("https", &self.https)] {
            let Some(proxy) = proxy.as_deref().filter(|text| !text.is_empty()) else {
                continue;
            };
            let url = parse(proxy)?;
            let proxy = if scheme == "http" {
                reqwest::Proxy::http(url)
            } else {
                reqwest::Proxy::https(url)
            };
            let proxy = proxy.map_err(|error| error.without_url().to_string())?;
            all.push(proxy.no_proxy(reqwest::NoProxy::from_string(&self.exempt(scheme))));
        }
        Ok(all)
    }

    /// What is spoken to directly, as a list for the client. A single host stands for its subdomains too, there.
    fn exempt(&self, scheme: &str) -> String {
        let direct = self
            .hosts
            .iter()
            .filter(|((of, _), proxy)| of == scheme && **proxy == HostProxy::Direct);
        let hosts = direct.map(|((_, host), _)| host.as_str());
        let all: Vec<&str> = self.no_proxy.as_deref().into_iter().chain(hosts).collect();
        all.join(",")
    }
}

/// A proxy's URL; `host:port` stands for `http://host:port`, as in the environment variables of other programs.
fn parse(text: &str) -> Result<reqwest::Url, String> {
    let text = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let url: reqwest::Url = text
        .parse()
        .map_err(|error| format!("a proxy's URL is malformed: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!(
            "a proxy of scheme `{other}` is not supported, only http and https"
        )),
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<_> = self.hosts.keys().collect();
        formatter
            .debug_struct("Proxies")
            .field("http", &self.http.is_some())
            .field("https", &self.https.is_some())
            .field("no_proxy", &self.no_proxy)
            .field("hosts", &hosts)
            .finish()
    }
}

impl fmt::Debug for HostProxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            HostProxy::Direct => "Direct",
            HostProxy::Through(_) => "Through(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_first_counts() {
        let apt = Proxies {
            http: Some("http://apt:3128".to_owned()),
            ..Proxies::default()
        };
        let environment = Proxies {
            http: Some("http://env:1".to_owned()),
            https: Some("http://env:2".to_owned()),
            ..Proxies::default()
        };
        let both = apt.or(environment);
        assert_eq!(both.http.as_deref(), Some("http://apt:3128"));
        assert_eq!(both.https.as_deref(), Some("http://env:2"));
    }

    #[test]
    fn passwords_of_proxies_never_print() {
        let mut proxies = Proxies {
            http: Some("http://u:secret@proxy:1".to_owned()),
            ..Proxies::default()
        };
        proxies.hosts.insert(
            ("http".to_owned(), "a".to_owned()),
            HostProxy::Through("http://u:secret@p".to_owned()),
        );
        assert!(!format!("{proxies:?} {:?}", proxies.hosts).contains("secret"));
    }

    #[test]
    fn a_malformed_proxy_is_an_error_that_does_not_repeat_it() {
        let proxies = Proxies {
            http: Some("http://u:secret@[:1".to_owned()),
            ..Proxies::default()
        };
        let error = proxies.to_client().unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }
}
