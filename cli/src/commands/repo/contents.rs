//! What is in a repository: images, tags, and what tags named before.

use serde_json::{Value, json};
use transport::Method;

use super::{COMMAND, named};
use crate::administration::{Administered, ImageName, last, number, table, text, time};
use crate::arguments::Format;
use crate::failure::{Failure, Outcome};
use crate::output;

pub(super) async fn images(
    server: &Administered,
    (place, image): (Option<&str>, Option<ImageName>),
    format: Format,
) -> Result<Outcome, Failure> {
    let (found, one) = match image {
        Some(image) => {
            let package = server.package(&image).await?;
            let attempted = format!("list the images of {}", image.name);
            let path = format!("/v1/{package}/versions");
            let request = client::registry::AdministrationRequest {
                attempted: &attempted,
                path: &path,
                query: &[("view", "FULL"), ("orderBy", "updateTime desc")],
            };
            (server.list_with(&request, "versions").await?, Some(image.name))
        }
        None => {
            let name = named(server, place).await?;
            let attempted = format!("list the images of {name}");
            let path = format!("/v1/{name}/dockerImages");
            (server.list(&attempted, &path, "dockerImages").await?, None)
        }
    };
    let rows: Vec<Vec<String>> = found.iter().map(|image| row(image, one.as_deref())).collect();
    output::report(COMMAND, format, &json!({"images": found}), || {
        let head = [
            "IMAGE",
            "DIGEST",
            "TAGS",
            "SIZE",
            "UPLOADED",
            "PULLS",
            "LAST PULL",
        ];
        table(&head, &rows)
    })
}

/// A version or an image; the two documents say the same under other names.
fn row(image: &Value, name: Option<&str>) -> Vec<String> {
    let metadata = image.get("metadata").unwrap_or(image);
    let (of_uri, digest) = text(image, "uri")
        .split_once('@')
        .unwrap_or(("", last(text(image, "name"))));
    let tags: Vec<&str> = match image.get("tags") {
        Some(tags) => tags
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect(),
        None => {
            let related = image["relatedTags"].as_array().into_iter().flatten();
            related.map(|tag| last(text(tag, "name"))).collect()
        }
    };
    let uploaded = ["uploadTime", "createTime"]
        .map(|field| time(image, field))
        .concat();
    let usage = image.get("lightshipUsage").unwrap_or(&Value::Null);
    vec![
        name.unwrap_or(of_uri).to_owned(),
        digest.chars().take(SHORT_DIGEST_CHARACTERS).collect(),
        tags.join(","),
        output::bytes(number(metadata, "imageSizeBytes")),
        uploaded,
        number(usage, "pullCount").to_string(),
        time(usage, "lastPullTime"),
    ]
}

/// `sha256:` and twelve digits, as docker shows it; the JSON has all.
const SHORT_DIGEST_CHARACTERS: usize = 19;

pub(super) async fn tags(
    server: &Administered,
    image: &ImageName,
    format: Format,
) -> Result<Outcome, Failure> {
    let package = server.package(image).await?;
    let attempted = format!("list the tags of {}", image.name);
    let found = server
        .list(&attempted, &format!("/v1/{package}/tags"), "tags")
        .await?;
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|tag| {
            [text(tag, "name"), text(tag, "version")]
                .map(|name| last(name).to_owned())
                .to_vec()
        })
        .collect();
    output::report(COMMAND, format, &json!({"tags": found}), || {
        table(&["TAG", "DIGEST"], &rows)
    })
}

/// The resource of the tag that an image's name has.
async fn tag_of(server: &Administered, image: &ImageName) -> Result<String, Failure> {
    let Some(tag) = &image.tag else {
        return Err(Failure::usage(format!("{} has no tag", image.name)).hint("write HOST/NAME:TAG"));
    };
    Ok(format!("{}/tags/{tag}", server.package(image).await?))
}

async fn moves(server: &Administered, tag: &str) -> Result<Vec<Value>, Failure> {
    let attempted = format!("read the history of {tag}");
    let history = server
        .get(&attempted, &format!("/lightship/v1/{tag}/history"))
        .await?;
    Ok(history["moves"].as_array().cloned().unwrap_or_default())
}

pub(super) async fn history(
    server: &Administered,
    image: &ImageName,
    format: Format,
) -> Result<Outcome, Failure> {
    let tag = tag_of(server, image).await?;
    let found = moves(server, &tag).await?;
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|entry| {
            vec![
                time(entry, "time"),
                text(entry, "actor").to_owned(),
                last(text(entry, "from")).to_owned(),
                last(text(entry, "to")).to_owned(),
            ]
        })
        .collect();
    output::report(COMMAND, format, &json!({"tag": tag, "moves": found}), || {
        table(&["TIME", "BY", "FROM", "TO"], &rows)
    })
}

pub(super) async fn restore(
    server: &Administered,
    image: &ImageName,
    digest: Option<String>,
    format: Format,
) -> Result<Outcome, Failure> {
    let tag = tag_of(server, image).await?;
    let package = tag.rsplit_once("/tags/").map_or("", |(package, _)| package);
    let version = match digest {
        Some(digest) => format!("{package}/versions/{digest}"),
        None => before(&moves(server, &tag).await?).ok_or_else(|| {
            Failure::usage(format!("{} named nothing else before", last(&tag)))
                .hint("name a digest; `lightship repo images IMAGE` lists what there is")
        })?,
    };
    let body = json!({"name": tag, "version": version});
    let attempted = format!("move {} back to {}", last(&tag), last(&version));
    let is_there = server.get(&attempted, &format!("/v1/{tag}")).await.is_ok();
    let moved = if is_there {
        let path = format!("/v1/{tag}");
        let query = [("updateMask", "version")];
        server
            .ask(Method::Patch, (&attempted, &path), &query, Some(&body))
            .await?
    } else {
        // It was removed: it is set anew.
        let path = format!("/v1/{package}/tags");
        let query = [("tagId", last(&tag))];
        server
            .ask(Method::Post, (&attempted, &path), &query, Some(&body))
            .await?
    };
    let digest = last(text(&moved, "version")).to_owned();
    output::report(COMMAND, format, &json!({"tag": tag, "digest": digest}), || {
        format!("{}: {digest}\n", last(&tag))
    })
}

/// What the tag named before its last move: newest first, so it is the first that says.
fn before(moves: &[Value]) -> Option<String> {
    moves.first()?.get("from")?.as_str().map(str::to_owned)
}
