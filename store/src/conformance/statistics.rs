//! Promises about counts of use.

use oci::Digest;

use super::{MetadataWorld, at, manifest, package};
use crate::{Counted, Usage};

fn counted(count: u64, second: i64) -> Option<Counted> {
    Some(Counted {
        count,
        last: at(second),
    })
}

pub(crate) async fn counts_are_added_and_the_last_time_is_kept(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, b) = (package("a"), package("b"));
    let image = manifest("m", &[], &[]);
    for package in [&a, &b] {
        world.put(package, &image).await.unwrap();
    }
    let usage = |pulls, pushes| Usage {
        package: a.clone(),
        digest: image.digest,
        pulls,
        pushes,
    };
    let of = |digest: Digest| [digest];
    assert_eq!(world.store.usage(&a, &of(image.digest)).await.unwrap(), []);
    let batch = [usage(counted(3, 50), None), usage(counted(2, 40), counted(1, 30))];
    world.store.add_usage(&batch).await.unwrap();
    assert_eq!(
        world.store.usage(&a, &of(image.digest)).await.unwrap(),
        [usage(counted(5, 50), counted(1, 30))]
    );
    world
        .store
        .add_usage(&[usage(None, counted(1, 60))])
        .await
        .unwrap();
    assert_eq!(
        world.store.usage(&a, &of(image.digest)).await.unwrap(),
        [usage(counted(5, 50), counted(2, 60))]
    );
    assert_eq!(world.store.usage(&b, &of(image.digest)).await.unwrap(), []);
}

pub(crate) async fn counts_of_what_is_gone_are_passed_over(world: MetadataWorld) {
    let world = world.plain().await;
    let a = package("a");
    let image = manifest("m", &[], &[]);
    world.put(&a, &image).await.unwrap();
    let usage = |digest, name: &str| Usage {
        package: package(name),
        digest,
        pulls: counted(1, 10),
        pushes: None,
    };
    let other = manifest("other", &[], &[]).digest;
    let batch = [
        usage(other, "a"),
        usage(image.digest, "none"),
        usage(image.digest, "a"),
    ];
    world.store.add_usage(&batch).await.unwrap();
    let found = world.store.usage(&a, &[other, image.digest]).await.unwrap();
    assert_eq!(found, [usage(image.digest, "a")]);
}
