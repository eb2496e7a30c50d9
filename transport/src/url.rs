//! URLs that print without credentials.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// A URL of scheme `http`, `https` or `file`. It prints with `…` in place of a user name and password, also in `Debug`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Url(reqwest::Url);

/// Why a text is no URL that we can fetch from.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// It is no absolute URL at all. The text is not repeated, as it may hold a password.
    #[error("not a URL: {0}")]
    Malformed(String),
    /// Its scheme is not one of those we speak.
    #[error("the scheme `{0}` is not one of http, https, file")]
    Scheme(String),
    /// It is longer than [`URL_BYTES_MAX`].
    #[error("a URL of {0} bytes, at most {URL_BYTES_MAX} are allowed")]
    TooLong(usize),
}

/// The longest URL accepted, in bytes.
pub const URL_BYTES_MAX: usize = 8 << 10;

impl Url {
    /// The URL of `path` below this one, which is taken as a directory whether it ends in a slash or not.
    ///
    /// `path` is relative and made of plain segments: what has a meaning in URLs (`?`, `#`, `%`) is escaped.
    pub fn join(&self, path: &str) -> Url {
        let mut joined = self.0.clone();
        joined.set_query(None);
        joined.set_fragment(None);
        if let Ok(mut segments) = joined.path_segments_mut() {
            segments.pop_if_empty();
            segments.extend(path.split('/').filter(|segment| !segment.is_empty()));
        }
        Url(joined)
    }

    /// The same URL with a slash at its end, where a protocol asks for one.
    #[must_use]
    pub fn with_slash(&self) -> Url {
        let mut directory = self.0.clone();
        if let Ok(mut segments) = directory.path_segments_mut() {
            segments.pop_if_empty().push("");
        }
        Url(directory)
    }

    /// The query, escaped as in the URL.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.0.query()
    }

    /// The same URL with one more parameter in its query.
    #[must_use]
    pub fn with_parameter(&self, name: &str, value: &str) -> Url {
        let mut longer = self.0.clone();
        longer.query_pairs_mut().append_pair(name, value);
        Url(longer)
    }

    /// The same URL without query and fragment: queries may hold signatures, which are not for messages.
    #[must_use]
    pub fn without_query(&self) -> Url {
        let mut shorter = self.0.clone();
        shorter.set_query(None);
        shorter.set_fragment(None);
        Url(shorter)
    }

    /// What `reference` means in an answer that came from this URL: an absolute URL, or a path.
    ///
    /// # Errors
    /// As when a URL is parsed.
    ///
    /// Spec: RFC 3986, 5.
    pub fn resolve(&self, reference: &str) -> Result<Url, UrlError> {
        if reference.len() > URL_BYTES_MAX {
            return Err(UrlError::TooLong(reference.len()));
        }
        let joined = self.0.join(reference);
        let joined = joined.map_err(|error| UrlError::Malformed(format!("{error}")))?;
        joined.as_str().parse()
    }

    /// Whether both lead to the same server: scheme, host and port.
    #[must_use]
    pub fn is_same_origin(&self, other: &Url) -> bool {
        self.0.scheme() == other.0.scheme()
            && self.0.host() == other.0.host()
            && self.0.port_or_known_default() == other.0.port_or_known_default()
    }

    /// The scheme: `http`, `https` or `file`.
    pub fn scheme(&self) -> &str {
        self.0.scheme()
    }

    /// The host, in lower case, if there is one.
    pub fn host(&self) -> Option<&str> {
        self.0.host_str()
    }

    /// The port, where it is not the scheme's own.
    pub fn port(&self) -> Option<u16> {
        self.0.port()
    }

    /// The path, escaped as in the URL.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// The last segment of the path that is not empty; empty when there is none.
    pub fn last_segment(&self) -> &str {
        self.0
            .path()
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default()
    }

    /// The file that a `file:` URL names.
    pub fn to_file_path(&self) -> Option<PathBuf> {
        (self.scheme() == "file")
            .then(|| self.0.to_file_path().ok())
            .flatten()
    }

    pub(crate) fn inner(&self) -> &reqwest::Url {
        &self.0
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Url, UrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(UrlError::TooLong(text.len()));
        }
        let url: reqwest::Url = text
            .parse()
            .map_err(|error| UrlError::Malformed(format!("{error}")))?;
        match url.scheme() {
            "http" | "https" if url.host_str().is_some() => Ok(Url(url)),
            "file" if url.to_file_path().is_ok() => Ok(Url(url)),
            "http" | "https" | "file" => Err(UrlError::Malformed("no host".to_owned())),
            other => Err(UrlError::Scheme(other.to_owned())),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.username().is_empty() && self.0.password().is_none() {
            return formatter.write_str(self.0.as_str());
        }
        let mut plain = self.0.clone();
        // Neither can fail: the URL has a host, else it could have no credentials.
        let _ = plain.set_username("");
        let _ = plain.set_password(None);
        let rest = plain
            .as_str()
            .split_once("://")
            .map_or(plain.as_str(), |(_, rest)| rest);
        write!(formatter, "{}://…@{rest}", plain.scheme())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Url({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_never_print() {
        let url: Url = "https://user:secret@mirror.example:8443/debian".parse().unwrap();
        assert_eq!(url.to_string(), "https://…@mirror.example:8443/debian");
        assert_eq!(format!("{url:?}"), "Url(https://…@mirror.example:8443/debian)");
        assert_eq!(
            url.join("dists/a").to_string(),
            "https://…@mirror.example:8443/debian/dists/a"
        );
        let error = "https://user:secret@[::/".parse::<Url>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"));
    }

    #[test]
    fn joins_below_a_directory_with_or_without_a_slash() {
        for base in ["http://a/debian", "http://a/debian/"] {
            let url: Url = base.parse().unwrap();
            assert_eq!(
                url.join("pool/main/g/g++/g++_1%3a2~x_amd64.deb").to_string(),
                "http://a/debian/pool/main/g/g++/g++_1%253a2~x_amd64.deb"
            );
        }
        let root: Url = "http://a".parse().unwrap();
        assert_eq!(root.join("dists").to_string(), "http://a/dists");
    }

    #[test]
    fn resolves_what_answers_say_and_knows_its_own_server() {
        let url: Url = "http://a:5000/v2/x/blobs/uploads/".parse().unwrap();
        let resolved = |text: &str| url.resolve(text).unwrap();
        assert_eq!(
            resolved("/v2/x/blobs/uploads/1?s=2").to_string(),
            "http://a:5000/v2/x/blobs/uploads/1?s=2"
        );
        assert!(resolved("?n=2").is_same_origin(&url));
        assert!(resolved("http://A:5000/y").is_same_origin(&url));
        for other in ["https://a:5000/", "http://a/", "http://b:5000/", "//b/"] {
            assert!(!resolved(other).is_same_origin(&url), "{other}");
        }
        assert!(url.resolve("ftp://a/").is_err());
        assert_eq!(resolved("/u").with_slash().to_string(), "http://a:5000/u/");
        assert_eq!(resolved("/u/").with_slash().to_string(), "http://a:5000/u/");
        assert_eq!(
            resolved("/u?s=1")
                .with_parameter("digest", "sha256:a")
                .to_string(),
            "http://a:5000/u?s=1&digest=sha256%3Aa"
        );
        assert_eq!(
            resolved("/u?s=1#f").without_query().to_string(),
            "http://a:5000/u"
        );
    }

    #[test]
    fn takes_no_other_scheme() {
        assert_eq!(
            "ftp://a/b".parse::<Url>(),
            Err(UrlError::Scheme("ftp".to_owned()))
        );
        assert!("/a/b".parse::<Url>().is_err());
        let file: Url = "file:///srv/debian".parse().unwrap();
        assert_eq!(
            file.join("dists").to_file_path(),
            Some(PathBuf::from("/srv/debian/dists"))
        );
    }

    #[test]
    fn bounds_the_length() {
        let text = |bytes: usize| format!("http://a/{}", "x".repeat(bytes - 9));
        assert!(text(URL_BYTES_MAX).parse::<Url>().is_ok());
        assert_eq!(
            text(URL_BYTES_MAX + 1).parse::<Url>(),
            Err(UrlError::TooLong(URL_BYTES_MAX + 1))
        );
    }
}
