//! From a request to what each platform is made of.

use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;
use oci::Digest;

use super::{
    BuildError, BuildRequest,
    disk_state::disk_state,
    image_cache::{ImageKey, KeyInputs},
    platform::PlatformJob,
};
use crate::{
    contents::{ArchiveToRead, PackageToRead},
    lock::{Lock, LockedPackage},
    release::Architecture,
};

/// The platforms of the image at that position. Where their files lie is still to be filled in.
///
/// # Errors
/// When the lock does not have the image for one of its architectures.
pub(super) fn platform_jobs(
    request: &BuildRequest,
    image: usize,
    date: Timestamp,
) -> Result<Vec<PlatformJob>, BuildError> {
    let architectures = request
        .images
        .get(image)
        .map(|image| image.architectures.as_slice())
        .unwrap_or_default();
    let job = |(platform, &architecture)| platform_job(request, (image, platform), architecture, date);
    architectures.iter().enumerate().map(job).collect()
}

fn platform_job(
    request: &BuildRequest,
    (image, platform): (usize, usize),
    architecture: Architecture,
    date: Timestamp,
) -> Result<PlatformJob, BuildError> {
    let of_image = request.images.get(image).ok_or(BuildError::GivenUp)?;
    let plan = of_image.plan.for_architecture(architecture);
    let not_locked = || BuildError::NotLocked {
        name: plan.name.clone(),
        variant: plan.variant.clone(),
        architecture,
    };
    let locked = request
        .lock
        .image(&plan.name, &plan.variant)
        .ok_or_else(not_locked)?;
    let packages: Vec<PackageToRead> = request
        .lock
        .packages_of(locked, architecture)
        .ok_or_else(not_locked)?
        .into_iter()
        .map(|package| package_to_read(&request.lock, package))
        .collect::<Result<_, _>>()?;
    let archives = plan
        .archives
        .iter()
        .map(|archive| ArchiveToRead {
            url: archive.url.clone(),
            sha256: archive.sha256,
            path: PathBuf::new(),
        })
        .collect();
    let policy = request.options.layers.unwrap_or(plan.layers);
    let key = disk_state(&plan).map(|disk| {
        ImageKey::new(&KeyInputs {
            plan: &plan,
            architecture,
            packages: &packages,
            disk,
            policy,
            encoder: request.options.encoder,
            date,
        })
    });
    Ok(PlatformJob {
        image,
        platform,
        plan: Arc::new(plan),
        architecture,
        packages,
        archives,
        policy,
        date,
        key,
    })
}

fn package_to_read(lock: &Lock, package: &LockedPackage) -> Result<PackageToRead, BuildError> {
    let damaged = || BuildError::LockedPackage {
        package: package.name.clone(),
    };
    lock.archive_of(package).ok_or_else(damaged)?;
    Ok(PackageToRead {
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        sha256: sha256_of(package).ok_or_else(damaged)?,
        size: package.size,
        path: PathBuf::new(),
    })
}

/// The SHA-256 that a lock says of a package; `None` when it is none.
pub(super) fn sha256_of(package: &LockedPackage) -> Option<[u8; 32]> {
    let digest: Digest = format!("sha256:{}", package.sha256).parse().ok()?;
    digest.as_bytes().try_into().ok()
}
