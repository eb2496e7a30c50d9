//! Promises about where the content of repositories comes from.

use std::time::Duration;

use super::{MetadataWorld, ann, repository};
use crate::{ImmutableTags, Member, Mode, Remote, Repository, RepositoryRefusal, SettingsError, Virtual};

pub(crate) async fn a_repository_says_where_its_content_comes_from(world: MetadataWorld) {
    let store = &world.store;
    let mut remote = Remote::new("old.example:5000/team".parse().unwrap());
    remote.bytes_per_second_max = Some(1 << 20);
    let mut made = repository("remote");
    made.mode = Mode::Remote(remote.clone());
    store.create_repository(&made, ann()).await.unwrap().unwrap();
    assert_eq!(store.repository(&made.path).await.unwrap().unwrap(), made);
    remote.fresh = Duration::from_secs(5);
    remote.upstream = "new.example".parse().unwrap();
    made.mode = Mode::Remote(remote);
    store.update_repository(&made, ann()).await.unwrap().unwrap();
    assert_eq!(store.repository(&made.path).await.unwrap().unwrap(), made);
    let refused = |repository: Repository| async move {
        match store.update_repository(&repository, ann()).await.unwrap() {
            Err(RepositoryRefusal::Settings { error, .. }) => error,
            other => panic!("{other:?}"),
        }
    };
    let standard = Repository {
        mode: Mode::Standard,
        ..made.clone()
    };
    assert_eq!(refused(standard).await, SettingsError::KindChanged);
    let immutable = Repository {
        immutable_tags: ImmutableTags::All,
        ..made.clone()
    };
    assert_eq!(refused(immutable).await, SettingsError::ImmutableElsewhere);
    assert_eq!(store.repository(&made.path).await.unwrap().unwrap(), made);
}

pub(crate) async fn virtual_repositories_lead_to_others_and_never_in_a_circle(world: MetadataWorld) {
    let store = &world.store;
    let of = |id: &str, members: &[&str]| Repository {
        mode: Mode::Virtual(Virtual {
            members: members
                .iter()
                .map(|member| Member {
                    id: format!("as-{member}"),
                    repository: repository(member).path,
                    priority: -3,
                    owned_packages: vec!["team/*".to_owned()],
                })
                .collect(),
        }),
        ..repository(id)
    };
    let create = |made: Repository| async move {
        let created = store.create_repository(&made, ann()).await.unwrap();
        created.map_err(|refusal| match refusal {
            RepositoryRefusal::Settings { error, .. } => error,
            other => panic!("{other}"),
        })
    };
    let unknown = create(of("v1", &["base"])).await;
    assert!(matches!(unknown, Err(SettingsError::MemberUnknown { id, .. }) if id == "as-base"));
    create(repository("base")).await.unwrap();
    let myself = create(of("v1", &["v1"])).await;
    assert!(matches!(myself, Err(SettingsError::Circle { .. })));
    create(of("v1", &["base"])).await.unwrap();
    let found = store.repository(&repository("v1").path).await.unwrap().unwrap();
    assert_eq!(found.mode, of("v1", &["base"]).mode);
    create(of("v2", &["v1", "base"])).await.unwrap();
    create(of("v3", &["v2"])).await.unwrap();
    create(of("v4", &["base", "v3"])).await.unwrap();
    assert_eq!(create(of("v5", &["v4"])).await, Err(SettingsError::TooDeep));
    create(of("v5", &["base"])).await.unwrap();
    let update = |changed: Repository| async move {
        match store.update_repository(&changed, ann()).await.unwrap() {
            Err(RepositoryRefusal::Settings { error, .. }) => error,
            other => panic!("{other:?}"),
        }
    };
    // What leads to it counts as well.
    assert_eq!(update(of("v1", &["v5"])).await, SettingsError::TooDeep);
    assert!(matches!(
        update(of("v1", &["v3"])).await,
        SettingsError::Circle { .. }
    ));
}
