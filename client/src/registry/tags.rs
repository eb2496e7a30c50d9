//! The tags of a repository.

use serde::Deserialize;
use transport::{Method, Request, Response, Url};

use super::error::RegistryError;
use super::repository::Repository;

/// Tags asked for at a time. ECR refuses more.
const PAGE_TAGS: usize = 1000;

/// Most pages that are read of one list.
pub(crate) const PAGES_MAX: usize = 1000;

/// Longest page, in bytes. Google's registries send everything at once, with all manifests.
pub(super) const PAGE_BYTES_MAX: u64 = 64 << 20;

/// Most tags of one repository.
pub(super) const TAGS_MAX: usize = 1_000_000;

#[derive(Deserialize)]
struct Page {
    /// Some registries write `null` for none.
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Repository {
    /// The names of all tags, in the registry's order.
    pub(crate) async fn tag_names(&self) -> Result<Vec<String>, RegistryError> {
        let attempted = format!("list the tags of {}", self.shown());
        let mut names = Vec::new();
        let mut next = Some(self.tags_url());
        for _ in 0..PAGES_MAX {
            let Some(url) = next else { return Ok(names) };
            let (page, after) = self.tag_page(&attempted, url).await?;
            names.extend(page);
            if names.len() > TAGS_MAX {
                break;
            }
            next = after;
        }
        Err(RegistryError::protocol(
            &attempted,
            format!("has more than {PAGES_MAX} pages or {TAGS_MAX} tags"),
        ))
    }

    /// The names of the first tags, for a message.
    pub(crate) async fn first_tags(&self) -> Result<Vec<String>, RegistryError> {
        let attempted = format!("list the tags of {}", self.shown());
        self.tag_page(&attempted, self.tags_url())
            .await
            .map(|(names, _)| names)
    }

    /// The names of all tags when one page holds them.
    pub(crate) async fn few_tags(&self) -> Result<Option<Vec<String>>, RegistryError> {
        let attempted = format!("list the tags of {}", self.shown());
        let (names, next) = self.tag_page(&attempted, self.tags_url()).await?;
        Ok(Some(names).filter(|_| next.is_none()))
    }

    pub(super) fn tags_url(&self) -> Url {
        self.url("tags/list").with_parameter("n", &PAGE_TAGS.to_string())
    }

    async fn tag_page(&self, attempted: &str, url: Url) -> Result<(Vec<String>, Option<Url>), RegistryError> {
        let response = self.send(attempted, Request::new(Method::Get, url)).await?;
        if response.status() != 200 {
            return Err(RegistryError::refused(attempted, response).await);
        }
        let next = next_page(attempted, &response)?;
        let bytes = response.read(PAGE_BYTES_MAX).await;
        let bytes = bytes.map_err(|source| RegistryError::transport(attempted, source))?;
        let page: Page = serde_json::from_slice(&bytes).map_err(|_| {
            RegistryError::protocol(attempted, "answers with something that is not a list of tags")
        })?;
        Ok((page.tags.unwrap_or_default(), next))
    }
}

/// Where the list goes on; it must be on the same server, which gets our credentials.
///
/// Spec: RFC 8288; distribution-spec "Listing Tags".
pub(crate) fn next_page(attempted: &str, response: &Response) -> Result<Option<Url>, RegistryError> {
    let Some(reference) = response.headers("link").find_map(next_link) else {
        return Ok(None);
    };
    match response.url().resolve(reference) {
        Ok(url) if url.is_same_origin(response.url()) => Ok(Some(url)),
        _ => Err(RegistryError::protocol(
            attempted,
            "sends the list on to another server",
        )),
    }
}

/// The target of `<…>; rel="next"`.
fn next_link(header: &str) -> Option<&str> {
    let (target, parameters) = header.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = parameters.split(';').any(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or_default();
        let value = value.split(',').next().unwrap_or_default().trim();
        name.trim().eq_ignore_ascii_case("rel") && value.trim_matches('"').eq_ignore_ascii_case("next")
    });
    is_next.then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_next_page() {
        assert_eq!(
            next_link(r#"</v2/a/tags/list?last=x&n=2>; rel="next""#),
            Some("/v2/a/tags/list?last=x&n=2")
        );
        assert_eq!(next_link("<?n=2>;rel=next"), Some("?n=2"));
        assert_eq!(next_link(r#"<a>; title="x"; Rel="Next""#), Some("a"));
        assert_eq!(next_link(r#"<a>; rel="prev""#), None);
        assert_eq!(next_link("a; rel=next"), None);
        assert_eq!(next_link(""), None);
    }
}
