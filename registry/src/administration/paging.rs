//! Lists, page by page: sizes, tokens, filters and orders are the same for every kind of resource.
//!
//! Source: AIP-132, AIP-158 and AIP-160; of filters, only what Artifact Registry's documentation shows.

use std::cmp::Ordering;
use std::future::Future;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::Asked;
use super::status::Invalid;
use crate::answer::{self, Answer};
use crate::refusal::Refusal;

/// Entries of a page when a client does not say how many.
const PAGE_SIZE_DEFAULT: usize = 100;
/// Entries of a page, whatever a client says.
const PAGE_SIZE_MAX: usize = 1000;
/// Longest page token, filter and order that are read.
const PARAMETER_BYTES_MAX: usize = 2048;
/// Rows that one request with a filter looks at; the page then ends, with a token.
const FILTERED_ROWS_MAX: usize = 10_000;
/// Rows that are read to be put into another order.
const ORDERED_ROWS_MAX: usize = 100_000;

/// A part of a list.
pub(crate) struct Slice {
    /// The resources.
    pub(crate) documents: Vec<Value>,
    /// Where it goes on; none at the end.
    pub(crate) next: Option<String>,
}

impl Slice {
    /// Rows with their keys, of which `limit` were asked for: fewer are the last.
    pub(crate) fn of_rows(rows: Vec<(String, Value)>, limit: usize) -> Slice {
        let next = rows
            .last()
            .filter(|_| rows.len() >= limit)
            .map(|(key, _)| key.clone());
        Slice {
            documents: rows.into_iter().map(|(_, document)| document).collect(),
            next,
        }
    }
}

/// What a list is made of.
pub(crate) trait Rows: Sync {
    /// The part from `from` on, of at most `limit` resources.
    fn read(&self, from: Option<String>, limit: usize)
    -> impl Future<Output = Result<Slice, Refusal>> + Send;

    /// Whether the rows come in the order that is asked for, so that nothing has to be sorted.
    fn is_ordered(&self) -> bool {
        false
    }
}

/// Answers with the part of a list that is asked for, under `field`.
pub(crate) async fn list(asked: &Asked<'_>, field: &str, source: &impl Rows) -> Result<Answer, Refusal> {
    let query = &asked.call.query;
    let size = page_size(query.get("pageSize"))?;
    let token = query.get("pageToken").filter(|token| !token.is_empty());
    let from = token.map(decoded).transpose()?;
    let filter = Filter::parse(query.get("filter").unwrap_or_default())?;
    let order = Order::parse(query.get("orderBy").unwrap_or_default())?;
    let (rows, next) = match order.filter(|_| !source.is_ordered()) {
        Some(order) => sorted(source, &filter, &order, (size, from)).await?,
        None => as_they_come(source, &filter, (size, from)).await?,
    };
    let mut document = json!({field: rows});
    if let Some(next) = next {
        document["nextPageToken"] = URL_SAFE_NO_PAD.encode(next).into();
    }
    Ok(answer::json(hyper::StatusCode::OK, &document))
}

async fn as_they_come(
    source: &impl Rows,
    filter: &Filter,
    (size, mut from): (usize, Option<String>),
) -> Result<(Vec<Value>, Option<String>), Refusal> {
    let (mut rows, mut looked_at) = (Vec::new(), 0);
    loop {
        let slice = source.read(from, size - rows.len()).await?;
        looked_at += slice.documents.len();
        rows.extend(
            slice
                .documents
                .into_iter()
                .filter(|document| filter.matches(document)),
        );
        from = slice.next;
        if from.is_none() || rows.len() >= size || looked_at >= FILTERED_ROWS_MAX {
            return Ok((rows, from));
        }
    }
}

/// Everything is read and sorted; a token is then a number of entries.
async fn sorted(
    source: &impl Rows,
    filter: &Filter,
    order: &Order,
    (size, from): (usize, Option<String>),
) -> Result<(Vec<Value>, Option<String>), Refusal> {
    let from = match from {
        Some(text) => text.parse::<usize>().map_err(|_| bad_token())?,
        None => 0,
    };
    let (mut all, mut next) = (Vec::new(), None);
    while all.len() < ORDERED_ROWS_MAX {
        let slice = source.read(next, PAGE_SIZE_MAX).await?;
        all.extend(
            slice
                .documents
                .into_iter()
                .filter(|document| filter.matches(document)),
        );
        next = slice.next;
        if next.is_none() {
            break;
        }
    }
    all.sort_by(|one, other| order.compare(one, other));
    let end = from.saturating_add(size);
    let next = (end < all.len()).then(|| end.to_string());
    Ok((all.into_iter().skip(from).take(size).collect(), next))
}

/// A page token that is none, or is one of another list.
pub(crate) fn bad_token() -> Refusal {
    Invalid::new("pageToken", "it is none that was given here for this list").into()
}

fn page_size(text: Option<&str>) -> Result<usize, Refusal> {
    match text.filter(|text| !text.is_empty()) {
        None | Some("0") => Ok(PAGE_SIZE_DEFAULT),
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(text.parse().unwrap_or(PAGE_SIZE_MAX).min(PAGE_SIZE_MAX))
        }
        Some(_) => Err(Invalid::new("pageSize", "it is not a number of entries").into()),
    }
}

fn decoded(token: &str) -> Result<String, Refusal> {
    let bytes = (token.len() <= PARAMETER_BYTES_MAX)
        .then(|| URL_SAFE_NO_PAD.decode(token).ok())
        .flatten();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(bad_token)
}

/// `FIELD=VALUE`, several with `AND`; a value may be quoted, and `*` at its ends stands for any text.
#[derive(Debug, Default)]
struct Filter(Vec<(String, String)>);

impl Filter {
    fn parse(text: &str) -> Result<Filter, Refusal> {
        let bad = || {
            Refusal::from(Invalid::new(
                "filter",
                "expected FIELD=\"VALUE\", several with AND between them",
            ))
        };
        if text.len() > PARAMETER_BYTES_MAX {
            return Err(bad());
        }
        let mut parts = Vec::new();
        for part in text.split(" AND ").filter(|part| !part.trim().is_empty()) {
            let (field, value) = part.split_once('=').ok_or_else(bad)?;
            let (field, value) = (field.trim(), value.trim());
            let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let value = quoted.unwrap_or(value);
            if field.is_empty() || value.contains(['"', ' ']) || !field.bytes().all(is_of_field) {
                return Err(bad());
            }
            parts.push((camel(field), value.to_owned()));
        }
        Ok(Filter(parts))
    }

    fn matches(&self, document: &Value) -> bool {
        self.0.iter().all(|(field, value)| {
            let actual = document.get(field).and_then(Value::as_str).unwrap_or_default();
            matches(value, actual)
        })
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(_), Some(_)) if pattern.len() > 1 => text.contains(pattern.trim_matches('*')),
        (Some(end), _) => text.ends_with(end),
        (_, Some(beginning)) => text.starts_with(beginning),
        _ => pattern == text,
    }
}

/// `FIELD [desc]`, several with commas.
#[derive(Debug)]
struct Order(Vec<(String, bool)>);

impl Order {
    fn parse(text: &str) -> Result<Option<Order>, Refusal> {
        let bad = || Refusal::from(Invalid::new("orderBy", "expected FIELD or FIELD desc"));
        if text.len() > PARAMETER_BYTES_MAX {
            return Err(bad());
        }
        let mut fields = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let words: Vec<&str> = part.split_ascii_whitespace().collect();
            let (field, descends) = match words.as_slice() {
                [field] | [field, "asc"] => (field, false),
                [field, "desc"] => (field, true),
                _ => return Err(bad()),
            };
            if !field.bytes().all(is_of_field) {
                return Err(bad());
            }
            fields.push((camel(field), descends));
        }
        Ok((!fields.is_empty()).then_some(Order(fields)))
    }

    fn compare(&self, one: &Value, other: &Value) -> Ordering {
        let differ = self.0.iter().map(|(field, descends)| {
            let of = |document: &Value| {
                let text = document.get(field).and_then(Value::as_str).unwrap_or_default();
                // Numbers are strings, as Google has it.
                (text.parse::<u64>().ok(), text.to_owned())
            };
            let order = of(one).cmp(&of(other));
            if *descends { order.reverse() } else { order }
        });
        differ
            .into_iter()
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

fn is_of_field(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// `create_time` as `createTime`: masks and orders come in both.
pub(crate) fn camel(field: &str) -> String {
    let mut words = field.split('_');
    let mut text = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        text.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        text.push_str(letters.as_str());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_what_google_documents() {
        let document = json!({"name": "projects/p/tags/v1", "version": "sha256:a", "createTime": "2026"});
        for (filter, matches) in [
            ("", true),
            ("version=\"sha256:a\"", true),
            ("version=sha256:b", false),
            ("name=\"projects/p/tags/v*\" AND version=sha256:*", true),
            ("name=*tags*", true),
            ("name=*v2", false),
            ("create_time=2026", true),
        ] {
            assert_eq!(
                Filter::parse(filter).unwrap().matches(&document),
                matches,
                "{filter}"
            );
        }
        for filter in ["name", "name>3", "name=\"a", "name=a OR name=b", "a.b=c"] {
            assert!(Filter::parse(filter).is_err(), "{filter}");
        }
    }

    #[test]
    fn orders_are_of_fields_in_both_spellings() {
        let order = Order::parse("size_bytes desc,name").unwrap().unwrap();
        let of = |size: &str, name: &str| json!({"sizeBytes": size, "name": name});
        assert!(order.compare(&of("10", "a"), &of("9", "a")).is_lt());
        assert!(order.compare(&of("9", "a"), &of("9", "b")).is_lt());
        assert!(Order::parse("name down").is_err() && Order::parse(" ").unwrap().is_none());
    }

    #[test]
    fn sizes_of_pages_are_bounded() {
        for (text, size) in [
            (None, 100),
            (Some("0"), 100),
            (Some("1000"), 1000),
            (Some("1001"), 1000),
            (Some("99999999999999999999999"), 1000),
        ] {
            assert_eq!(page_size(text).unwrap(), size, "{text:?}");
        }
        assert!(page_size(Some("-1")).is_err() && page_size(Some("x")).is_err());
        assert!(decoded("!").is_err());
        assert!(decoded(&"A".repeat(PARAMETER_BYTES_MAX + 1)).is_err());
    }
}
