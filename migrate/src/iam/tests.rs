use access::Role;
use serde_json::{Value, json};

use super::*;

fn file(name: &str, document: Value) -> PolicyFile {
    PolicyFile {
        name: name.to_owned(),
        scope: None,
        document,
    }
}

fn binding(role: &str, members: &[&str]) -> Value {
    json!({"role": role, "members": members})
}

fn bucket(bindings: &[Value]) -> PolicyFile {
    file(
        "old/artifacts.shop.appspot.com.json",
        json!({"bindings": bindings, "etag": "CAE="}),
    )
}

fn project(bindings: &[Value]) -> PolicyFile {
    file(
        "shop.json",
        json!({"bindings": bindings, "etag": "x", "version": 1}),
    )
}

fn request(policies: Vec<PolicyFile>, project_policies: Vec<PolicyFile>) -> Request {
    Request {
        policies,
        project_policies,
        ..Request::new(Convenience::Expand)
    }
}

fn grants(access: &Access) -> Vec<String> {
    let shown = |grant: &Grant| format!("{} {}", grant.member, grant.role.short_name());
    access.grants.iter().map(shown).collect()
}

fn listed(access: &Access) -> Vec<String> {
    let shown = |listed: &Listed| {
        let powers = listed.powers.names().join("+");
        format!("{} {} {powers}", listed.kind.as_str(), listed.subject)
    };
    access.listed.iter().map(shown).collect()
}

fn refused(request: &Request) -> Vec<Refusal> {
    translate(request).unwrap_err().0
}

/// A bucket as Container Registry made it, opened to everybody.
#[test]
fn the_policy_of_a_bucket_as_it_was_made_is_carried() {
    let policy = bucket(&[
        binding(
            "roles/storage.legacyBucketOwner",
            &["projectEditor:shop", "projectOwner:shop"],
        ),
        binding("roles/storage.legacyBucketReader", &["projectViewer:shop"]),
        binding(
            "roles/storage.objectViewer",
            &["allUsers", "serviceAccount:puller@shop.iam.gserviceaccount.com"],
        ),
    ]);
    let of_project = project(&[
        binding("roles/owner", &["user:owner@shop.example"]),
        binding(
            "roles/editor",
            &[
                "serviceAccount:build@shop.iam.gserviceaccount.com",
                "deleted:user:x@y?uid=1",
            ],
        ),
        binding(
            "roles/viewer",
            &["group:everybody@shop.example", "domain:shop.example"],
        ),
        binding("roles/compute.admin", &["user:machines@shop.example"]),
    ]);
    let found = translate(&request(vec![policy], vec![of_project])).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].sources, ["artifacts.shop.appspot.com", "projects/shop"]);
    assert_eq!(
        grants(&found[0]),
        [
            "user:owner@shop.example repoAdmin",
            "serviceAccount:build@shop.iam.gserviceaccount.com writer",
            "serviceAccount:puller@shop.iam.gserviceaccount.com reader",
            "group:everybody@shop.example reader",
            "allUsers reader",
        ]
    );
    assert_eq!(
        listed(&found[0]),
        [
            "lost projectEditor:shop delete+set the policy",
            "dropped deleted:user:x@y?uid=1 list+push",
            "lost projectOwner:shop set the policy",
            "unresolved domain:shop.example list",
            "unexamined roles/compute.admin ",
            "group group:everybody@shop.example list",
        ]
    );
}

#[test]
fn buckets_of_several_regions_become_their_repositories() {
    let policy = |name: &str, member: &str| PolicyFile {
        name: "x".to_owned(),
        scope: Some(format!("gs://{name}/")),
        document: json!({"bindings": [binding("roles/storage.objectViewer", &[member])]}),
    };
    let of_itself =
        json!({"resourceId": "projects/_/buckets/asia.artifacts.shop.appspot.com", "etag": "CAE="});
    let policies = vec![
        policy("artifacts.shop.appspot.com", "user:a"),
        policy("eu.artifacts.other.appspot.com", "user:b"),
        file("stdin", of_itself),
    ];
    let found = translate(&request(policies, Vec::new())).unwrap();
    let shown: Vec<_> = found
        .iter()
        .map(|access| (access.repository.to_string(), grants(access)))
        .collect();
    assert_eq!(
        shown,
        [
            (
                "projects/other/locations/europe/repositories/eu.gcr.io".to_owned(),
                vec!["user:b reader".to_owned()]
            ),
            (
                "projects/shop/locations/asia/repositories/asia.gcr.io".to_owned(),
                Vec::new()
            ),
            (
                "projects/shop/locations/us/repositories/gcr.io".to_owned(),
                vec!["user:a reader".to_owned()]
            ),
        ]
    );
}

#[test]
fn a_member_gets_one_role_that_has_all_it_had() {
    let policy = bucket(&[
        binding(
            "roles/storage.objectCreator",
            &["user:a", "user:b", "allAuthenticatedUsers"],
        ),
        binding("roles/storage.legacyObjectReader", &["user:a", "allUsers"]),
        binding("roles/storage.legacyBucketWriter", &["user:a"]),
    ]);
    let found = translate(&request(vec![policy], Vec::new())).unwrap();
    assert_eq!(
        grants(&found[0]),
        [
            "user:a repoAdmin",
            "user:b writer",
            "allUsers reader",
            "allAuthenticatedUsers writer"
        ]
    );
    assert_eq!(
        listed(&found[0]),
        [
            "gained user:b list",
            "gained allUsers list",
            "gained allAuthenticatedUsers list"
        ]
    );
    let because = &found[0].grants[0].because;
    assert_eq!(because.len(), 3);
    assert_eq!(
        because[0],
        "roles/storage.objectCreator on artifacts.shop.appspot.com"
    );
}

#[test]
fn convenience_members_without_the_policy_of_their_project_are_refused_by_name() {
    let policy = bucket(&[binding(
        "roles/storage.objectViewer",
        &["projectViewer:shop", "user:a"],
    )]);
    let mut asked = request(vec![policy], Vec::new());
    let refusals = refused(&asked);
    assert_eq!(refusals.len(), 1);
    assert!(
        refusals[0].to_string().contains("projectViewer:shop"),
        "{}",
        refusals[0]
    );
    asked.project_policies.push(PolicyFile {
        scope: Some("another".to_owned()),
        ..project(&[binding("roles/viewer", &["user:b"])])
    });
    assert_eq!(refused(&asked), refusals);
    asked.project_policies.clear();
    asked.convenience = Convenience::Drop;
    let found = translate(&asked).unwrap();
    assert_eq!(grants(&found[0]), ["user:a reader"]);
    assert_eq!(listed(&found[0]), ["lost projectViewer:shop pull+list"]);
}

#[test]
fn a_basic_role_gives_on_a_bucket_only_what_the_bucket_gives_its_members() {
    let of_project = || {
        vec![project(&[
            binding("roles/viewer", &["user:viewer"]),
            binding("roles/storage.objectAdmin", &["user:storage"]),
            binding("roles/artifactregistry.reader", &["user:registry"]),
        ])]
    };
    let shut = bucket(&[binding("roles/storage.objectViewer", &["user:a"])]);
    let found = translate(&request(vec![shut], of_project())).unwrap();
    assert_eq!(
        grants(&found[0]),
        ["user:a reader", "user:registry reader", "user:storage repoAdmin"]
    );
    assert_eq!(listed(&found[0]), ["notInherited roles/viewer "]);

    let mut asked = request(Vec::new(), of_project());
    asked.repository = Some("projects/shop/locations/us/repositories/images".parse().unwrap());
    let found = translate(&asked).unwrap();
    assert_eq!(
        grants(&found[0]),
        [
            "user:registry reader",
            "user:storage repoAdmin",
            "user:viewer reader"
        ]
    );
}

#[test]
fn a_repository_of_artifact_registry_keeps_its_roles() {
    let policy = file(
        "images.json",
        json!({"bindings": [
            binding("roles/artifactregistry.repoAdmin", &["user:a"]),
            binding("roles/artifactregistry.createOnPushWriter", &["user:a"]),
            binding("roles/artifactregistry.admin", &["user:b"]),
        ]}),
    );
    let mut asked = request(
        vec![policy],
        vec![project(&[binding("roles/owner", &["user:c"])])],
    );
    assert!(matches!(refused(&asked)[0], Refusal::Place { .. }));
    asked.project_policies[0].scope = Some("shop".to_owned());
    asked.repository = Some("projects/shop/locations/us/repositories/images".parse().unwrap());
    let found = translate(&asked).unwrap();
    let expected = [
        Role::CreateOnPushRepositoryAdministrator,
        Role::Administrator,
        Role::RepositoryAdministrator,
    ];
    let roles: Vec<Role> = found[0].grants.iter().map(|grant| grant.role).collect();
    assert_eq!(roles, expected);
    assert_eq!(found[0].listed, []);
}

#[test]
fn everything_that_cannot_be_carried_is_refused_at_once() {
    let mut conditional = binding("roles/storage.objectViewer", &["user:a"]);
    conditional["condition"] = json!({"title": "until May", "expression": "request.time < x"});
    let mut elsewhere = binding("roles/compute.admin", &["user:a"]);
    elsewhere["condition"] = json!({"expression": "false"});
    let mut nothing = binding("roles/storage.hmacKeyAdmin", &["user:a"]);
    nothing["condition"] = json!({"expression": "false"});
    let policy = bucket(&[
        conditional.clone(),
        nothing,
        binding("projects/shop/roles/own", &["user:a"]),
        binding("roles/storage.new", &["user:a"]),
        binding("roles/compute.viewer", &["user:a"]),
    ]);
    let deny = json!({"rules": [{"denyRule": {"deniedPermissions": ["storage.googleapis.com/objects.get"],
        "deniedPrincipals": ["principalSet://goog/public:all"]}}], "displayName": "none"});
    let policies = vec![policy, file("deny.json", deny)];
    let asked = request(policies, vec![project(&[elsewhere, conditional])]);
    let told = translate(&asked).unwrap_err().to_string();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 6, "{told}");
    for (line, part) in lines.iter().zip([
        "the deny policy none",
        "until May",
        "projects/shop/roles/own",
        "roles/storage.new",
        "roles/compute.viewer",
        "shop.json: a binding of roles/storage.objectViewer",
    ]) {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn a_condition_on_who_has_a_basic_role_is_refused_too() {
    let mut conditional = binding("roles/viewer", &["user:a"]);
    conditional["condition"] = json!({"title": "weekdays"});
    let policy = bucket(&[binding("roles/storage.objectViewer", &["projectViewer:shop"])]);
    let refusals = refused(&request(vec![policy], vec![project(&[conditional])]));
    assert!(
        matches!(&refusals[..], [Refusal::Condition { .. }]),
        "{refusals:?}"
    );
}

#[test]
fn two_policies_for_one_repository_are_refused() {
    let policy = || bucket(&[binding("roles/storage.objectViewer", &["user:a"])]);
    let refusals = refused(&request(vec![policy(), policy()], Vec::new()));
    assert!(matches!(&refusals[..], [Refusal::Twice { .. }]), "{refusals:?}");
}

#[test]
fn a_project_that_nobody_names_is_refused() {
    let policies =
        ["artifacts.a.appspot.com", "artifacts.b.appspot.com"].map(|name| file(name, json!({"etag": "x"})));
    let refusals = refused(&request(policies.to_vec(), vec![project(&[])]));
    assert!(matches!(&refusals[..], [Refusal::Project { .. }]), "{refusals:?}");
}

#[test]
fn more_members_than_a_policy_has_are_refused() {
    let names: Vec<String> = (0..=access::MEMBERS_MAX)
        .map(|number| format!("user:{number}"))
        .collect();
    let of = |count: usize| {
        let members: Vec<&str> = names.iter().take(count).map(String::as_str).collect();
        let policy = bucket(&[binding("roles/storage.objectViewer", &members)]);
        translate(&request(vec![policy], Vec::new()))
    };
    assert!(of(access::MEMBERS_MAX).is_ok());
    assert!(matches!(
        of(access::MEMBERS_MAX + 1).unwrap_err().0[..],
        [Refusal::Members { .. }]
    ));
}
