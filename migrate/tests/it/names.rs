//! Names that a source lists, and that are none.

use migrate::failure::{Failure, FailureKind};
use migrate::filter::Filter;
use migrate::place::PlaceName;
use testkit::registry::Ways;

use crate::world::{World, image, plain};

/// What is told as not copied, as `NAME[:REFERENCE]`.
fn subjects(failures: &[Failure]) -> Vec<String> {
    failures.iter().map(Failure::subject).collect()
}

#[tokio::test]
async fn what_is_listed_and_is_no_name_is_told() {
    let mut world = World::plain();
    {
        let old = &mut *world.old.content();
        let manifest = image(old, "good", Some("v1"), &[b"x"]);
        old.add_manifest("UPPER", Some("v1"), &manifest);
        old.add_manifest("two words", Some("v1"), &manifest);
        old.add_manifest("good", Some("-no-tag"), &manifest);
    }
    let expected = ["UPPER", "good:-no-tag", "two words"];
    let plan = world.plan().await;
    assert_eq!(subjects(&plan.failures), expected);
    let report = world.run().await;
    assert_eq!(subjects(&report.failures), expected);
    assert_eq!(report.tags_set, 1);
    assert!(
        report
            .failures
            .iter()
            .all(|failure| failure.kind == FailureKind::Protocol && failure.error.contains("no name"))
    );
    // What was not chosen is not missed.
    world.filter = Filter::new(&["g*".to_owned()], &[], &["-no*".to_owned()]).unwrap();
    assert_eq!(world.plan().await.failures, []);
}

#[tokio::test]
async fn many_names_that_are_none_are_told_in_a_bounded_list_with_their_number() {
    let world = World::plain();
    {
        let old = &mut *world.old.content();
        let manifest = image(old, "good", Some("v1"), &[b"x"]);
        for number in 0..205 {
            old.add_manifest(&format!("Bad{number}"), Some("v1"), &manifest);
        }
    }
    let plan = world.plan().await;
    assert_eq!(plan.failures.len(), 101);
    let rest = &plan.failures[0];
    assert_eq!(rest.subject(), "some of the source");
    assert!(rest.error.contains("105 more names"), "{}", rest.error);
}

#[tokio::test]
async fn what_google_s_listing_names_below_and_is_no_name_is_told() {
    let ways = Ways {
        google: true,
        ..plain()
    };
    let mut world = World::between(ways, Ways::default());
    world.from = Some(format!("{}/team", world.old.host()).parse().unwrap());
    {
        let old = &mut *world.old.content();
        let manifest = image(old, "team/app", Some("v1"), &[b"x"]);
        old.add_manifest("team/Bad", Some("v1"), &manifest);
    }
    let plan = world.plan().await;
    assert_eq!(subjects(&plan.failures), ["team/Bad"]);
    assert_eq!(plan.repositories.len(), 1);
}

#[tokio::test]
async fn an_image_of_a_layout_whose_name_is_none_is_told() {
    let mut world = World::plain();
    let layout = world.path("layout");
    world.to = Some(PlaceName::Layout(layout.clone()));
    image(&mut world.old.content(), "a", Some("v1"), &[b"x"]);
    assert_eq!(world.run().await.tags_set, 1);
    let path = layout.join("index.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"a:v1\"", "\"Big/A:v1\"")).unwrap();
    world.from = Some(PlaceName::Layout(layout));
    world.to = None;
    assert_eq!(subjects(&world.plan().await.failures), ["Big/A:v1"]);
}
