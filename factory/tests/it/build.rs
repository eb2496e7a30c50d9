//! The build flow: same bytes everywhere, damage noticed, sudden death survived.

use std::{fs, path::Path, sync::Arc, thread, time::Duration};

use cache::{Cache, Shelf};
use factory::{
    build::{BuildError, FailurePolicy, Medium, SbomPolicy, build},
    contents::ContentsError,
    release::Architecture,
    specification::LayerPolicy,
};
use oci::{ImageConfig, Parsed};

use crate::{
    child,
    shop::{Shop, blob_path, manifest, options, output, run, verified},
};

const BOTH: [Architecture; 2] = [Architecture::Amd64, Architecture::Arm64];
const ONE: [Architecture; 1] = [Architecture::Amd64];

#[test]
fn the_same_lock_gives_the_same_bytes_under_other_threads_and_caches() {
    let (place, shop) = (tempfile::tempdir().unwrap(), Shop::new());
    let at = |name: &str| place.path().join(name);
    let first = shop.build(&BOTH, &at("cache-1"), 1, &at("layout-1")).unwrap();
    let second = shop.build(&BOTH, &at("cache-2"), 7, &at("layout-2")).unwrap();
    let warm = shop.build(&BOTH, &at("cache-2"), 3, &at("layout-3")).unwrap();
    assert_eq!(first.layers.reused, 0);
    assert_eq!(warm.layers.built, 0);
    assert_eq!(warm.layers.reused, first.layers.built);
    let digests = verified(&at("layout-1"));
    assert_eq!(
        digests.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["small-latest", "small-other"]
    );
    assert_eq!(verified(&at("layout-2")), digests);
    assert_eq!(verified(&at("layout-3")), digests);
    assert_eq!(
        first.images.iter().map(|image| image.digest).collect::<Vec<_>>(),
        [digests[0].1, digests[1].1]
    );
    assert_eq!(second.images, {
        let mut images = first.images.clone();
        for image in &mut images {
            image.outputs = image
                .outputs
                .iter()
                .map(|label| label.replace("layout-1", "layout-2"))
                .collect();
        }
        images
    });
    // Only the whole layout tells whether its own index depends on the order of events.
    assert_eq!(
        fs::read(at("layout-1/index.json")).unwrap(),
        fs::read(at("layout-2/index.json")).unwrap()
    );
}

#[test]
fn a_small_image_has_the_digest_it_always_had() {
    let (place, mut shop) = (tempfile::tempdir().unwrap(), Shop::new());
    shop.plans.truncate(1);
    let layout = place.path().join("layout");
    shop.build(&BOTH, &place.path().join("cache"), 2, &layout)
        .unwrap();
    // When this changes, every lock in the world builds other images: it needs a new emulation id, or
    // a new encoder id when the diff IDs are the same.
    assert_eq!(
        manifest(&layout, "latest").digest().to_string(),
        "sha256:b14708a24eeb99030026fc001ea8060e7d991c6630e57d042d29f3edd82471e5"
    );
}

#[test]
fn directory_zone_locale_and_umask_of_a_process_change_nothing() {
    let place = tempfile::tempdir().unwrap();
    assert!(child::start(place.path()).wait().unwrap().success());
    Shop::new()
        .build(
            &ONE,
            &place.path().join("own-cache"),
            2,
            &place.path().join("own"),
        )
        .unwrap();
    assert_eq!(
        verified(&place.path().join("layout")),
        verified(&place.path().join("own"))
    );
}

#[test]
fn a_killed_build_leaves_the_layout_valid_and_the_next_one_works() {
    let place = tempfile::tempdir().unwrap();
    let layout = place.path().join("layout");
    let shop =
        Shop::of("lightship: 1\nname: old\nrelease: debian13\narchitectures: [amd64]\npackages: [beta]\n");
    let cache = tempfile::tempdir().unwrap();
    shop.build(&ONE, cache.path(), 2, &layout).unwrap();
    let old = verified(&layout);
    assert_eq!(old.len(), 1);
    let mut killed = 0;
    for round in 0..24 {
        let mut build = child::start(place.path());
        thread::sleep(Duration::from_millis(5 + 17 * round));
        if build.try_wait().unwrap().is_none() {
            killed += 1;
        }
        build.kill().unwrap();
        build.wait().unwrap();
        let now = verified(&layout);
        assert!(now.contains(&old[0]), "after {round}: {now:?}");
    }
    assert!(killed > 0, "every build was faster than the first kill");
    assert!(child::start(place.path()).wait().unwrap().success());
    let names: Vec<String> = verified(&layout).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["latest", "small-latest", "small-other"]);
}

/// Builds, lets `damage` do its work on every file of a shelf, and builds again into another layout.
fn damaged(shelf: Shelf, damage: fn(&Path)) {
    let (place, shop) = (tempfile::tempdir().unwrap(), Shop::new());
    let at = |name: &str| place.path().join(name);
    shop.build(&BOTH, &at("cache"), 2, &at("layout-1")).unwrap();
    let cache = Cache::open(at("cache")).unwrap();
    let mut files = 0;
    for shard in fs::read_dir(at("cache").join(shelf.name())).unwrap() {
        for file in fs::read_dir(shard.unwrap().path()).unwrap() {
            damage(&file.unwrap().path());
            files += 1;
        }
    }
    assert!(files > 0, "the shelf is empty");
    // Layers and images would hide what lies below them.
    match shelf {
        Shelf::Packages => drop(
            cache
                .clean(&[Shelf::Images, Shelf::Layers, Shelf::Entries])
                .unwrap(),
        ),
        Shelf::Entries => drop(cache.clean(&[Shelf::Images]).unwrap()),
        _ => {}
    }
    shop.build(&BOTH, &at("cache"), 2, &at("layout-2")).unwrap();
    assert_eq!(verified(&at("layout-2")), verified(&at("layout-1")));
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn cut_short(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

#[test]
fn damaged_layers_are_made_again_and_never_served() {
    damaged(Shelf::Layers, flip);
    damaged(Shelf::Layers, cut_short);
}

#[test]
fn damaged_image_records_are_made_again() {
    damaged(Shelf::Images, flip);
    damaged(Shelf::Images, cut_short);
}

#[test]
fn damaged_entry_lists_are_made_again() {
    damaged(Shelf::Entries, flip);
    damaged(Shelf::Entries, cut_short);
}

#[test]
fn damaged_packages_are_fetched_again() {
    damaged(Shelf::Packages, flip);
    damaged(Shelf::Packages, cut_short);
}

#[test]
fn one_architecture_is_a_manifest_and_several_are_an_index() {
    let (place, mut shop) = (tempfile::tempdir().unwrap(), Shop::new());
    shop.plans.truncate(1);
    let at = |name: &str| place.path().join(name);
    shop.build(&ONE, &at("cache"), 2, &at("one")).unwrap();
    shop.build(&BOTH, &at("cache"), 2, &at("both")).unwrap();
    // An image that is alone is tagged with its variant.
    let one = manifest(&at("one"), "latest");
    let Parsed::Index(both) = manifest(&at("both"), "latest").parsed().clone() else {
        panic!("no index")
    };
    assert_eq!(both.manifests[0].digest, one.digest());
    let platforms: Vec<String> = both
        .manifests
        .iter()
        .map(|one| one.platform.as_ref().unwrap().to_string())
        .collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64/v8"]);
    let image = one.image().unwrap();
    let config = ImageConfig::parse(&fs::read(blob_path(&at("one"), &image.config.digest)).unwrap()).unwrap();
    assert_eq!(config.created.as_deref(), Some("2026-11-01T10:20:30Z"));
    assert_eq!(config.config.user.as_deref(), Some("1000"));
    assert_eq!(config.rootfs.diff_ids.len(), image.layers.len());
    assert_eq!(config.history.len(), image.layers.len());
}

#[test]
fn another_date_changes_the_configuration_and_generated_layers_alone() {
    let (place, shop) = (tempfile::tempdir().unwrap(), Shop::new());
    let at = |name: &str| place.path().join(name);
    let mut request = shop.request(&ONE, &at("dated"));
    request.options.date = Some("2020-02-02T02:02:02Z".parse().unwrap());
    run(build(request, &shop.services(&at("cache"), 2))).unwrap();
    shop.build(&ONE, &at("cache"), 2, &at("usual")).unwrap();
    let layers = |layout: &Path| manifest(layout, "small-latest").image().unwrap().layers.clone();
    let (dated, usual) = (layers(&at("dated")), layers(&at("usual")));
    assert_eq!(dated[..2], usual[..2], "package layers keep the packages' times");
    assert_ne!(
        manifest(&at("dated"), "small-latest").digest(),
        manifest(&at("usual"), "small-latest").digest()
    );
}

#[test]
fn layer_policies_change_how_many_layers_there_are() {
    let (place, shop) = (tempfile::tempdir().unwrap(), Shop::new());
    let layers = |policy, name: &str| {
        let layout = place.path().join(name);
        let mut request = shop.request(&ONE, &layout);
        request.options.layers = Some(policy);
        run(build(request, &shop.services(&place.path().join("cache"), 2))).unwrap();
        manifest(&layout, "small-latest").image().unwrap().layers.len()
    };
    assert_eq!(layers(LayerPolicy::Single, "single"), 1);
    assert_eq!(layers(LayerPolicy::Budget(2), "budget"), 2);
    assert!(layers(LayerPolicy::PerPackage, "each") > 2);
}

#[test]
fn a_package_that_cannot_be_had_fails_its_images_only() {
    let (place, shop) = (tempfile::tempdir().unwrap(), Shop::new());
    let mut request = shop.request(&ONE, &place.path().join("layout"));
    let lock = Arc::get_mut(&mut request.lock).unwrap();
    let mut lost = lock.packages[0].clone();
    lost.sha256 = "0".repeat(64);
    lock.packages.push(lost);
    let position = lock.packages.len() - 1;
    lock.images[0]
        .platforms
        .insert(Architecture::Amd64, vec![position]);
    let services = shop.services(&place.path().join("cache"), 2);
    request.options.failures = FailurePolicy::KeepGoing;
    let report = run(build(request, &services)).unwrap();
    assert_eq!(report.images.len(), 1);
    assert_eq!(
        (
            report.failures[0].name.as_str(),
            report.failures[0].variant.as_str()
        ),
        ("small", "latest")
    );
    assert!(matches!(report.failures[0].error, BuildError::Fetch { .. }));
    assert_eq!(verified(&place.path().join("layout")).len(), 1);
}

#[test]
fn a_failure_stops_the_build_and_names_nothing() {
    let (place, shop) = (tempfile::tempdir().unwrap(), Shop::new());
    let layout = place.path().join("layout");
    let mut request = shop.request(&ONE, &layout);
    let lock = Arc::get_mut(&mut request.lock).unwrap();
    lock.images.pop();
    let result = run(build(request, &shop.services(&place.path().join("cache"), 2)));
    assert!(matches!(result, Err(BuildError::NotLocked { .. })));
    assert_eq!(verified(&layout), []);
}

#[test]
fn a_lock_of_another_release_is_refused() {
    let (place, shop) = (tempfile::tempdir().unwrap(), Shop::new());
    let mut request = shop.request(&ONE, &place.path().join("layout"));
    Arc::get_mut(&mut request.lock).unwrap().emulation = "emulation-0".to_owned();
    let result = run(build(request, &shop.services(&place.path().join("cache"), 2)));
    assert!(matches!(result, Err(BuildError::UnknownId(_))));
}

#[test]
fn bills_of_materials_are_attached_or_written_and_always_the_same() {
    let (place, shop) = (tempfile::tempdir().unwrap(), Shop::new());
    let at = |name: &str| place.path().join(name);
    let build_with = |sbom: SbomPolicy, cache: &str, layout: &str| {
        let mut request = shop.request(&ONE, &at(layout));
        request.options.sbom = sbom;
        run(build(request, &shop.services(&at(cache), 2))).unwrap()
    };
    build_with(SbomPolicy::Attach, "cache-1", "attached");
    build_with(SbomPolicy::Directory(at("bills-1")), "cache-1", "beside-1");
    build_with(SbomPolicy::Directory(at("bills-2")), "cache-2", "beside-2");
    for name in ["small-latest-amd64.spdx.json", "small-other-amd64.cdx.json"] {
        let bytes = fs::read(at("bills-1").join(name)).unwrap();
        assert_eq!(bytes, fs::read(at("bills-2").join(name)).unwrap());
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            text.contains("pkg:deb/debian/alpha@1%3A1.0-1?arch=amd64&distro=debian-13"),
            "{text}"
        );
        assert!(
            text.contains("GPL-2.0-or-later OR LicenseRef-debian-Odd"),
            "{text}"
        );
        assert!(text.contains("beta-source"), "{text}");
    }
    let subject = manifest(&at("attached"), "small-latest").digest();
    let referrers = run(async {
        let source = crate::shop::location(&at("attached")).open_source().unwrap();
        source.referrers(&subject).await.unwrap()
    });
    let mut types: Vec<String> = referrers
        .iter()
        .map(|one| one.artifact_type.as_ref().unwrap().to_string())
        .collect();
    types.sort();
    assert_eq!(types, ["application/spdx+json", "application/vnd.cyclonedx+json"]);
}

#[test]
fn a_repository_gets_one_image_with_its_bills_and_a_layout_beside_it_none() {
    let (place, shop) = (tempfile::tempdir().unwrap(), Shop::new());
    let at = |name: &str| place.path().join(name);
    let into = |layout: &str, medium: Medium| {
        let mut output = crate::shop::output(&at(layout));
        output.medium = medium;
        output
    };
    let repository = |image: Option<&str>| Medium::Repository {
        image: image.map(str::to_owned),
    };
    let mut request = shop.request(&ONE, &at("unused"));
    request.options.sbom = SbomPolicy::Repositories;
    request.outputs = vec![
        into("files", Medium::Files),
        into("repository", repository(Some("small"))),
        into("other", repository(Some("unknown"))),
    ];
    let report = run(build(request, &shop.services(&at("cache"), 2))).unwrap();
    let names =
        |layout: &str| -> Vec<String> { verified(&at(layout)).into_iter().map(|(name, _)| name).collect() };
    assert_eq!(names("files"), ["small-latest", "small-other"]);
    assert_eq!(names("repository"), ["latest", "other"]);
    assert_eq!(names("other"), Vec::<String>::new());
    let label = format!("oci:{}:latest", at("repository").display());
    assert!(
        report.images[0].outputs.contains(&label),
        "{:?}",
        report.images[0].outputs
    );
    let referrers = |layout: &str, tag: &str| {
        let subject = manifest(&at(layout), tag).digest();
        run(async {
            let source = crate::shop::location(&at(layout)).open_source().unwrap();
            source.referrers(&subject).await.unwrap().len()
        })
    };
    assert_eq!(referrers("repository", "latest"), 2);
    assert_eq!(referrers("files", "small-latest"), 0);
}

#[test]
fn a_file_on_disk_that_changed_makes_another_image_and_an_unchanged_one_none() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let text = format!(
        "lightship: 1\nname: own\nrelease: debian13\narchitectures: [amd64]\npackages: [beta]\nfiles:\n  - from: {}\n    path: /app/data\n",
        at("data").display()
    );
    fs::write(at("data"), "one").unwrap();
    let shop = Shop::of(&text);
    let digest = |layout: &str| shop.build(&ONE, &at("cache"), 2, &at(layout)).unwrap().images[0].digest;
    let first = digest("first");
    assert_eq!(digest("again"), first);
    fs::write(at("data"), "two").unwrap();
    let second = digest("second");
    assert_ne!(second, first);
    fs::write(at("data"), "one").unwrap();
    assert_eq!(digest("back"), first);
    assert_eq!(verified(&at("back")), verified(&at("first")));
}

#[test]
fn an_archive_of_the_user_is_verified_and_unpacked() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let mut tar = archive::tar::Writer::new(Vec::new());
    let entry =
        |path: &[u8], size| archive::tar::Entry::file(archive::EntryPath::parse(path).unwrap(), 0o755, size);
    tar.append(&entry(b"node-1/bin/node", 4), &mut &b"node"[..])
        .unwrap();
    tar.append(&entry(b"node-1/README", 2), &mut &b"no"[..]).unwrap();
    let mut bytes = Vec::new();
    archive::Encoder::Gzip
        .encode_member(&tar.finish().unwrap(), &mut bytes)
        .unwrap();
    fs::write(at("node.tar.gz"), &bytes).unwrap();
    let text = |sha256: &str| {
        format!(
            "lightship: 1\nname: own\nrelease: debian13\narchitectures: [amd64]\npackages: [beta]\narchives:\n  - url: {}\n    sha256: {sha256}\n    strip: 1\n    select: [bin/node]\n    path: /nodejs\n",
            at("node.tar.gz").display()
        )
    };
    let shop = Shop::of(&text(&oci::Digest::sha256_of(&bytes).hex()));
    shop.build(&ONE, &at("cache"), 2, &at("layout")).unwrap();
    let layers = manifest(&at("layout"), "latest").image().unwrap().layers.clone();
    let layer = fs::read(blob_path(&at("layout"), &layers.last().unwrap().digest)).unwrap();
    let tar = archive::decode(archive::Codec::Gzip, &layer[..], 1 << 20);
    let mut reader = archive::tar::Reader::new(tar, archive::tar::Limits::default());
    let mut paths = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        paths.push(entry.path.to_string());
    }
    assert_eq!(paths, ["/nodejs", "/nodejs/bin", "/nodejs/bin/node"]);
    let wrong = Shop::of(&text(&"0".repeat(64)));
    let result = wrong.build(&ONE, &at("cache"), 2, &at("layout"));
    assert!(
        matches!(result, Err(BuildError::Contents(ContentsError::Damaged { .. }))),
        "{result:?}"
    );
}

#[test]
fn several_outputs_get_the_same_images() {
    let (place, shop) = (tempfile::tempdir().unwrap(), Shop::new());
    let at = |name: &str| place.path().join(name);
    let mut request = shop.request(&ONE, &at("one"));
    request.outputs.push(output(&at("two")));
    request.options = options();
    let report = run(build(request, &shop.services(&at("cache"), 2))).unwrap();
    assert_eq!(verified(&at("one")), verified(&at("two")));
    assert_eq!(report.images[0].outputs.len(), 2);
}
