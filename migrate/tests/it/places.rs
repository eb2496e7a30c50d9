//! Layouts, lists of names, prefixes, and plans in files.

use migrate::place::PlaceName;
use migrate::plan::{Depth, Plan, TagState};

use crate::world::{World, bytes, image, index, plain, referrer};
use testkit::registry::Ways;

#[tokio::test]
async fn a_registry_goes_into_a_layout_and_out_of_it_again() {
    let mut world = World::plain();
    {
        let old = &mut *world.old.content();
        let one = image(old, "team/a", Some("v1"), &[b"shared", &bytes(3, 500_000)]);
        index(old, "team/a", Some("all"), vec![one.descriptor()]);
        image(old, "b", Some("v1"), &[b"shared"]);
        referrer(old, "b", &one, b"bundle of something else");
    }
    let layout = PlaceName::Layout(world.path("layout"));
    world.to = Some(layout.clone());
    let report = world.run().await;
    assert_eq!((report.failures.len(), report.tags_set), (0, 3));
    let again = world.run().await;
    assert_eq!((again.failures.len(), again.tags_same, again.tags_set), (0, 3, 0));

    world.from = Some(layout);
    world.to = None;
    std::fs::remove_dir_all(world.path("journal")).unwrap();
    let report = world.run().await;
    assert_eq!((report.failures.len(), report.tags_set), (0, 3));
    let (old, new) = (world.old.content(), world.new.content());
    for (name, tag) in [("team/a", "v1"), ("team/a", "all"), ("b", "v1")] {
        assert_eq!(new.tag(name, tag), old.tag(name, tag), "{name}:{tag}");
    }
}

#[tokio::test]
async fn a_list_of_names_stands_in_for_a_catalogue() {
    let mut world = World::between(
        Ways {
            catalog: false,
            ..plain()
        },
        plain(),
    );
    for name in ["a", "b", "c"] {
        image(&mut world.old.content(), name, Some("1"), &[b"x"]);
    }
    world.names = Some(vec!["a".parse().unwrap(), "c".parse().unwrap()]);
    assert_eq!(world.run().await.tags_set, 2);
    let new = world.new.content();
    assert!(new.tag("a", "1").is_some() && new.tag("b", "1").is_none() && new.tag("c", "1").is_some());
}

#[tokio::test]
async fn names_change_by_prefixes_and_rules() {
    let mut world = World::plain();
    for name in ["team/a", "team/a-web", "other/x"] {
        image(&mut world.old.content(), name, Some("1"), &[name.as_bytes()]);
    }
    world.from = Some(format!("{}/team", world.old.host()).parse().unwrap());
    world.to = Some(format!("{}/moved/here", world.new.host()).parse().unwrap());
    world.mapping = migrate::mapping::Mapping::new(Vec::new(), vec!["(.*)-web=web/$1".parse().unwrap()]);
    assert_eq!(world.run().await.tags_set, 2);
    let new = world.new.content();
    let names: Vec<&String> = new.manifests.keys().filter(|key| key.ends_with("/1")).collect();
    assert_eq!(names, ["moved/here/a/1", "moved/here/web/a/1"]);
}

#[tokio::test]
async fn a_plan_tells_what_is_missing_what_differs_and_what_only_the_other_side_has() {
    let world = World::plain();
    {
        let old = &mut *world.old.content();
        let same = image(old, "a", Some("same"), &[b"same"]);
        image(old, "a", Some("missing"), &[b"missing", &bytes(1, 1000)]);
        image(old, "b", Some("missing"), &[b"missing", &bytes(1, 1000)]);
        image(old, "a", Some("differs"), &[b"here"]);
        let new = &mut *world.new.content();
        new.add_manifest("a", Some("same"), &same);
        image(new, "a", Some("differs"), &[b"there"]);
        image(new, "a", Some("only"), &[b"only"]);
    }
    let plan = world.plan().await;
    let repository = &plan.repositories[&"a".parse().unwrap()];
    let state = |tag: &str| repository.tags[tag].state;
    assert_eq!(
        (state("same"), state("missing")),
        (TagState::Same, TagState::Missing)
    );
    assert!(matches!(state("differs"), TagState::Differs { .. }));
    assert_eq!(repository.only_there, ["only"]);
    let estimate = plan.estimate();
    assert_eq!(estimate.images, 3);
    let shared = 1000 + "missing".len() as u64;
    assert_eq!(estimate.bytes_without_deduplication - estimate.bytes, shared);
    // It is of the whole source, not only of what is missing.
    assert_eq!(plan.manifests.len(), 4);
}

#[tokio::test]
async fn a_plan_in_a_file_is_done_as_it_stands_and_a_changed_one_is_refused() {
    let world = World::plain();
    for number in 0..4 {
        let tag = format!("v{number}");
        image(&mut world.old.content(), "a", Some(&tag), &[tag.as_bytes()]);
    }
    let file = world.plan().await.to_bytes().unwrap();
    let plan = Plan::parse(&file).unwrap();
    assert_eq!(plan.to_bytes().unwrap(), file);
    for at in (0..file.len()).step_by(7) {
        let mut changed = file.clone();
        changed[at] ^= 4;
        assert!(Plan::parse(&changed).is_err(), "byte {at} is another one");
        assert!(Plan::parse(&file[..at]).is_err(), "cut off at {at}");
    }
    // What came after the plan is not in it.
    image(&mut world.old.content(), "a", Some("later"), &[b"later"]);
    let (sides, journal) = (world.sides().await, world.journal());
    let report = world.run_plan(&sides, &plan, &journal).await;
    assert_eq!(report.tags_set, 4);
    assert!(world.new.content().tag("a", "later").is_none());
    let again = world.run_plan(&sides, &plan, &journal).await;
    assert_eq!(
        (again.tags_set, again.manifests_put),
        (0, 0),
        "the journal knows that it is done"
    );
}

#[tokio::test]
async fn a_dry_run_asks_for_names_only() {
    let world = World::plain();
    image(&mut world.old.content(), "a", Some("1"), &[b"x"]);
    let (sides, journal) = (world.sides().await, world.journal());
    let plan = world.plan_with(&sides, Depth::Names, &journal).await;
    assert_eq!(plan.mapping().count(), 1);
    assert_eq!(world.old.requests("").len(), 1);
}
