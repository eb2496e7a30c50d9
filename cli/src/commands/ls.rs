//! `lightship ls`: the files of an image.

use archive::EntryPath;
use clap::Args;
use client::Location;
use inspect::ImageView;
use inspect::view::{FileFacts, FileKind};
use oci::Platform;
use serde::Serialize;

use crate::arguments::{Format, FormatOption};
use crate::failure::{Failure, Outcome};
use crate::images::Media;
use crate::registry_options::RegistryOptions;
use crate::settings::Settings;
use crate::{images, output, runtime};

/// List the files of an image, without unpacking it
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The image: oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF] or HOST/NAME[:TAG|@DIGEST]
    image: Location,
    /// A file or directory in it
    #[arg(default_value = "/")]
    path: String,
    /// Everything below, not only what lies directly in the directory
    #[arg(short, long)]
    recursive: bool,
    /// Mode, owner, size and time too
    #[arg(short, long)]
    long: bool,
    /// Which platform of the image, such as arm64 or linux/arm/v7 [default: this machine's]
    #[arg(long)]
    platform: Option<Platform>,
    #[command(flatten)]
    registry: RegistryOptions,
    #[command(flatten)]
    format: FormatOption,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    digest: String,
    files: Vec<File>,
}

#[derive(Serialize)]
struct File {
    path: String,
    kind: &'static str,
    mode: String,
    uid: u64,
    gid: u64,
    size: u64,
    mtime: i64,
    layer: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let path = images::path_inside(&arguments.path)?;
    let media = Media::new(&arguments.registry, settings);
    let view = runtime::block_on(media.open_view(&arguments.image, arguments.platform.as_ref()))??;
    let files = select(&view, &path, arguments)?;
    match arguments.format.format {
        Format::Json => output::json(&Report {
            schema: "lightship/ls/v1",
            digest: view.descriptor().digest.to_string(),
            files: files.iter().map(|(path, facts)| file(path, facts)).collect(),
        })?,
        Format::Text => {
            let show = if output::data_goes_to_terminal() {
                visible_name
            } else {
                <[u8]>::to_vec
            };
            let mut text = Vec::new();
            for (path, facts) in files {
                line(&mut text, path, facts, (arguments.long, show));
            }
            output::data(&text)?;
        }
    }
    Ok(Outcome::Done)
}

/// What is at `path`: a directory's content, links to it followed, or the one file.
fn select<'v>(
    view: &'v ImageView,
    path: &EntryPath,
    arguments: &Arguments,
) -> Result<Vec<(&'v EntryPath, &'v FileFacts)>, Failure> {
    let missing = |error| images::not_inside(&arguments.image, &arguments.path, error);
    let parent = view.resolve_parent(path).map_err(missing)?;
    let resolved = match view.lstat(&parent).map(|facts| &facts.kind) {
        // A link to a directory is followed; any other link is listed itself.
        Some(FileKind::Symlink { .. }) => view
            .resolve(path)
            .ok()
            .filter(|end| is_directory(view, end))
            .unwrap_or(parent),
        _ => parent,
    };
    if is_directory(view, &resolved) {
        let all = view.below(&resolved).filter(|(path, _)| **path != resolved);
        return Ok(if arguments.recursive {
            all.collect()
        } else {
            view.list(&resolved).collect()
        });
    }
    Ok(view.below(&resolved).take(1).collect())
}

fn is_directory(view: &ImageView, path: &EntryPath) -> bool {
    view.lstat(path)
        .is_some_and(|facts| facts.kind == FileKind::Directory)
}

/// As people can be shown a name: programs that read ours get it as it is.
fn visible_name(name: &[u8]) -> Vec<u8> {
    inspect::visible(&String::from_utf8_lossy(name))
        .into_owned()
        .into_bytes()
}

type Show = fn(&[u8]) -> Vec<u8>;

fn line(text: &mut Vec<u8>, path: &EntryPath, facts: &FileFacts, (long, show): (bool, Show)) {
    if long {
        let time = jiff::Timestamp::from_second(facts.mtime)
            .unwrap_or_default()
            .strftime("%Y-%m-%d %H:%M:%S");
        let owner = format!("{}:{}", facts.uid, facts.gid);
        let start = format!(
            "{} {owner:<12} {:>10} {time} ",
            images::permissions(facts),
            facts.size
        );
        text.extend_from_slice(start.as_bytes());
    }
    text.push(b'/');
    text.extend(show(path.as_bytes()));
    match (&facts.kind, long) {
        (FileKind::Directory, false) => text.push(b'/'),
        (FileKind::Symlink { target }, true) => {
            text.extend_from_slice(b" -> ");
            text.extend(show(target));
        }
        _ => {}
    }
    text.push(b'\n');
}

fn file(path: &EntryPath, facts: &FileFacts) -> File {
    let target = match &facts.kind {
        FileKind::Symlink { target } => Some(String::from_utf8_lossy(target).into_owned()),
        _ => None,
    };
    File {
        path: path.to_string(),
        kind: facts.kind.name(),
        mode: format!("{:04o}", facts.mode),
        uid: facts.uid,
        gid: facts.gid,
        size: facts.size,
        mtime: facts.mtime,
        layer: facts.layer,
        target,
        sha256: facts
            .digest
            .map(|digest| digest.iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}
