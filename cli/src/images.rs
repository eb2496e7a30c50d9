//! Opening the images that a command names.

use std::error::Error;
use std::sync::OnceLock;

use archive::EntryPath;
use client::registry::{Registries, RegistryError};
use client::{Location, OpenError, Sink, Source, SourceError};
use inspect::ImageView;
use inspect::view::{FileFacts, FileKind, ResolveError};
use oci::{Descriptor, Platform};

use crate::failure::{Failure, Kind};
use crate::registry_options::RegistryOptions;
use crate::settings::Settings;

/// Opens places of images: files, and registries as options and environment say.
pub(crate) struct Media<'s> {
    options: &'s RegistryOptions,
    settings: &'s Settings,
    /// Made when the first registry is opened: no other image needs anybody's credentials.
    registries: OnceLock<Registries>,
}

impl<'s> Media<'s> {
    pub(crate) fn new(options: &'s RegistryOptions, settings: &'s Settings) -> Media<'s> {
        Media {
            options,
            settings,
            registries: OnceLock::new(),
        }
    }

    /// Opens the place of an image for reading.
    pub(crate) fn open_source(&self, location: &Location) -> Result<Box<dyn Source>, Failure> {
        let opened = if is_on_registry(location) {
            self.registries()?.open_source(location)
        } else {
            location.open_source()
        };
        opened.map_err(|error| unopened(location, error))
    }

    /// Opens a place for images.
    pub(crate) fn open_sink(&self, location: &Location) -> Result<Box<dyn Sink>, Failure> {
        let opened = if is_on_registry(location) {
            self.registries()?.open_sink(location)
        } else {
            location.open_sink()
        };
        opened.map_err(|error| {
            let kind = kind_of_unopened(&error);
            Failure::new(kind, format!("cannot write to {location}"), error)
        })
    }

    /// Opens the image of `location` for `platform`, else this machine's.
    pub(crate) async fn open_view(
        &self,
        location: &Location,
        platform: Option<&Platform>,
    ) -> Result<ImageView, Failure> {
        let source = self.open_source(location)?;
        let descriptor = resolve(source.as_ref(), location).await?;
        ImageView::open(source.as_ref(), &descriptor, platform)
            .await
            .map_err(|error| unusable(location, error))
    }

    fn registries(&self) -> Result<&Registries, Failure> {
        if let Some(registries) = self.registries.get() {
            return Ok(registries);
        }
        let made = self.options.registries(self.settings)?;
        Ok(self.registries.get_or_init(|| made))
    }
}

fn is_on_registry(location: &Location) -> bool {
    matches!(location, Location::Registry(_) | Location::RegistryPrefix { .. })
}

/// A digest follows from what is written, so nobody can ask for one.
pub(crate) fn check_target(target: &Location) -> Result<(), Failure> {
    match target {
        Location::Registry(reference) if reference.digest().is_some() => Err(Failure::usage(format!(
            "{target} cannot be written to: it names a digest"
        ))
        .hint("name a tag")),
        _ => Ok(()),
    }
}

/// The manifest or index that `location` means.
pub(crate) async fn resolve(source: &dyn Source, location: &Location) -> Result<Descriptor, Failure> {
    source
        .resolve(&location.selector())
        .await
        .map_err(|error| unread(location, error))
}

/// A disk or a registry that fails is something outside; everything else says that what was named is not a whole image.
pub(crate) fn unread(location: &Location, error: SourceError) -> Failure {
    let kind = if matches!(error, SourceError::Io { .. } | SourceError::Registry(_)) {
        Kind::Outside
    } else {
        Kind::Usage
    };
    Failure::new(kind, format!("cannot read {location}"), error)
}

fn unopened(location: &Location, error: OpenError) -> Failure {
    Failure::new(kind_of_unopened(&error), format!("cannot read {location}"), error)
}

/// A path that leads nowhere was written wrongly; a disk that is full, failing or closed to us is something outside.
fn kind_of_unopened(error: &OpenError) -> Kind {
    use std::io::ErrorKind;
    match error {
        OpenError::Io { source, .. } => match source.kind() {
            ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidFilename
            | ErrorKind::Other => Kind::Usage,
            _ => Kind::Outside,
        },
        _ => Kind::Usage,
    }
}

/// An image that is there and cannot be used: a bad input file, unless a disk or a registry failed.
pub(crate) fn unusable(location: &Location, error: impl Error + Send + Sync + 'static) -> Failure {
    let mut kind = match RegistryError::within(&error) {
        Some(_) => Kind::Outside,
        None => Kind::Usage,
    };
    let mut next: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(cause) = next {
        if cause.is::<std::io::Error>() {
            kind = Kind::Outside;
        }
        next = cause.source();
    }
    Failure::new(kind, format!("cannot look into {location}"), error)
}

/// A path in an image, as people write it: with or without the slash in front.
pub(crate) fn path_inside(text: &str) -> Result<EntryPath, Failure> {
    let relative = text.trim_start_matches('/');
    if relative.is_empty() {
        return Ok(EntryPath::root());
    }
    EntryPath::parse(relative.as_bytes())
        .map_err(|error| Failure::new(Kind::Usage, format!("`{text}` is not a path in an image"), error))
}

pub(crate) fn not_inside(location: &Location, path: &str, error: ResolveError) -> Failure {
    Failure::new(Kind::Usage, format!("there is no {path} in {location}"), error)
        .hint(format!("`lightship ls {location}` lists what is there"))
}

/// Type and permissions as `ls -l` shows them.
pub(crate) fn permissions(facts: &FileFacts) -> String {
    let kind = match facts.kind {
        FileKind::Directory => 'd',
        FileKind::Symlink { .. } => 'l',
        FileKind::CharDevice { .. } => 'c',
        FileKind::BlockDevice { .. } => 'b',
        FileKind::Fifo => 'p',
        _ => '-',
    };
    let mut text = String::from(kind);
    let special = [(0o4000, 's', 'S'), (0o2000, 's', 'S'), (0o1000, 't', 'T')];
    for (shift, (bit, with, without)) in [6, 3, 0].into_iter().zip(special) {
        let bits = facts.mode >> shift;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (bits & 1 != 0, facts.mode & bit != 0) {
            (true, true) => with,
            (false, true) => without,
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}
