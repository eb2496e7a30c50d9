use std::fs;
use std::path::Path;

use super::*;

fn check_plan(text: &str) -> Plan {
    let specification = Specification::parse("app.yaml", text, Path::new("/work"))
        .unwrap_or_else(|error| panic!("{error}\n{}", error.render()));
    specification.plan("latest").expect("every image has it").clone()
}

fn check_variants(text: &str) -> Vec<(String, Plan)> {
    let specification = Specification::parse("app.yaml", text, Path::new("/work"))
        .unwrap_or_else(|error| panic!("{error}\n{}", error.render()));
    specification
        .plans
        .into_iter()
        .map(|plan| (plan.variant.clone(), plan))
        .collect()
}

fn check_faults(text: &str, expected: &[&str]) {
    let error = Specification::parse("app.yaml", text, Path::new("/work")).expect_err("is refused");
    let SpecificationError::Invalid { faults, .. } = error else {
        panic!("{error}")
    };
    let found: Vec<_> = faults
        .iter()
        .map(|f| format!("{}:{} {}", f.line, f.column, f.message))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn an_image_from_nothing_has_defaults() {
    let plan = check_plan("lightship: 1\n");
    assert_eq!(
        (plan.name.as_str(), plan.user.as_str(), plan.workdir.as_str()),
        ("app", "0", "/")
    );
    assert_eq!(plan.release, crate::release::Release::Debian13);
    assert_eq!(plan.architectures, plan.release.architectures());
    assert!(plan.roots.is_empty() && plan.entrypoint.is_none());
}

#[test]
fn lists_append_maps_override_scalars_replace() {
    let plan = check_plan(
        "lightship: 1\nbase: cc-debian13\npackages: [libpq5]\nenvironment:\n  APP: x\n  SSL_CERT_FILE:\n\
         workdir: /srv\nports: [8080]\n",
    );
    let roots: Vec<_> = plan.roots.iter().map(ToString::to_string).collect();
    assert!(roots.contains(&"base-files".to_owned()) && roots.contains(&"libpq5".to_owned()));
    assert_eq!(plan.environment.get("APP").map(String::as_str), Some("x"));
    assert!(plan.environment.contains_key("PATH") && !plan.environment.contains_key("SSL_CERT_FILE"));
    assert_eq!(
        (plan.workdir.as_str(), plan.ports.as_slice()),
        ("/srv", ["8080/tcp".to_owned()].as_slice())
    );
}

#[test]
fn a_package_that_is_asked_for_is_no_longer_excluded() {
    let excluded = |name: &str| {
        let specification = crate::catalogue::specification(name).expect("is in the catalogue");
        let plan = specification.plan("latest").expect("every image has it");
        plan.exclude
            .iter()
            .any(|exclude| exclude.package.as_str() == "libgcc-s1")
    };
    assert!(excluded("base-debian13"));
    assert!(!excluded("cc-debian13"));
}

#[test]
fn variants_stand_on_the_same_variant_of_the_base() {
    let variants =
        check_variants("lightship: 1\nbase: python3-debian13\nvariants:\n  slim:\n    user: nobody\n");
    let names: Vec<_> = variants.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["latest", "nonroot", "debug", "debug-nonroot", "slim"]);
    let plan = |name: &str| {
        &variants
            .iter()
            .find(|(known, _)| known == name)
            .expect("is there")
            .1
    };
    assert_eq!(plan("debug-nonroot").user, "65532");
    assert_eq!(plan("debug-nonroot").moves.len(), 1);
    let path = plan("debug").environment.get("PATH").map(String::as_str);
    assert_eq!(
        path,
        Some("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/busybox")
    );
    // The family's own entrypoint wins over that of the base's debug variant, as in distroless.
    assert_eq!(
        plan("debug").entrypoint,
        Some(vec!["/usr/bin/python3.13".to_owned()])
    );
    assert_eq!(plan("slim").user, "nobody");
    assert!(plan("slim").moves.is_empty());
}

#[test]
fn every_catalogue_image_reads() {
    for name in crate::catalogue::names() {
        let specification = crate::catalogue::specification(name)
            .unwrap_or_else(|error| panic!("{name}: {error}\n{}", error.render()));
        assert_eq!(specification.name, name);
        let variants: Vec<_> = specification
            .plans
            .iter()
            .map(|plan| plan.variant.as_str())
            .collect();
        assert_eq!(variants, VARIANTS);
        assert!(specification.description.is_some(), "{name}");
        for plan in &specification.plans {
            assert!(name.ends_with(plan.release.name()), "{name}");
            let expected = if plan.variant.ends_with("nonroot") {
                ("65532", "/home/nonroot")
            } else {
                ("0", "/")
            };
            assert_eq!(
                (plan.user.as_str(), plan.workdir.as_str()),
                expected,
                "{name}:{}",
                plan.variant
            );
        }
    }
}

#[test]
fn the_users_are_those_of_distroless() {
    let specification = crate::catalogue::specification("static-debian13").expect("is in the catalogue");
    let plan = specification.plan("latest").expect("every image has it");
    let users: Vec<_> = plan
        .accounts
        .users
        .iter()
        .map(|u| {
            format!(
                "{}:x:{}:{}:{}:{}:{}",
                u.name, u.uid, u.gid, u.gecos, u.home, u.shell
            )
        })
        .collect();
    assert_eq!(
        users,
        [
            "root:x:0:0:root:/root:/sbin/nologin",
            "nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin",
            "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin",
        ]
    );
    let groups: Vec<_> = plan
        .accounts
        .groups
        .iter()
        .map(|g| (g.name.as_str(), g.gid))
        .collect();
    assert_eq!(
        groups,
        [
            ("root", 0),
            ("nobody", 65534),
            ("tty", 5),
            ("staff", 50),
            ("nonroot", 65532)
        ]
    );
    let homes: Vec<_> = plan
        .homes
        .iter()
        .map(|h| (h.path.to_string(), h.mode, h.uid))
        .collect();
    assert_eq!(
        homes,
        [
            ("/home/nonroot".to_owned(), 0o700, 65532),
            ("/root".to_owned(), 0o700, 0)
        ]
    );
}

#[test]
fn every_fault_of_a_file_is_told_at_once() {
    check_faults(
        "lightship: 1\nbase: static-debian13\npackages: [Curl]\nuser: app\nports: [70000]\nenvironment:\n  1A: x\n\
         directories:\n  - {path: srv, mode: 0999}\n",
        &[
            "3:12 in relation \"Curl\": \"Curl\" is not the name of a package",
            "4:7 there is no user app under `accounts`",
            "5:9 \"70000\" is not a port: write 8080, 53/udp or a range such as 8000-8010/tcp",
            "7:3 \"1A\" is not a name for a variable: use letters, digits and `_`, no digit first",
            "9:12 path \"srv\" is not absolute",
        ],
    );
}

#[test]
fn bases_that_are_not_there_are_faults() {
    let text = "lightship: 1\nbase: cc-debian31\n";
    let error = Specification::parse("app.yaml", text, Path::new("/work")).expect_err("is refused");
    let expected = "error: there is no image cc-debian31 in the catalogue\n --> app.yaml:2:7\n  |\n\
                    2 | base: cc-debian31\n  |       ^^^^^^^^^^^\n  = help: did you mean `cc-debian13`?\n";
    assert_eq!(error.render(), expected);
    let error = Specification::parse("app.yaml", "lightship: 1\nbase: ./no.yaml\n", Path::new("/work"));
    assert!(
        error
            .expect_err("is refused")
            .render()
            .contains("cannot read the base /work/./no.yaml")
    );
}

#[test]
fn files_stand_on_files_and_never_on_themselves() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).expect("is written");
    write("a.yaml", "lightship: 1\nbase: b.yaml\n");
    write(
        "b.yaml",
        "lightship: 1\nbase: cc-debian12\nfiles: [{path: /b, from: b.txt}]\n",
    );
    let specification = Specification::load(&directory.path().join("a.yaml")).expect("is read");
    let plan = specification.plan("latest").expect("every image has it");
    assert_eq!(
        (plan.name.as_str(), plan.release),
        ("a", crate::release::Release::Debian12)
    );
    let source = plan.files.first().map(|file| file.source.clone());
    assert_eq!(source, Some(Text::Disk(directory.path().join("b.txt"))));

    write("b.yaml", "lightship: 1\nbase: a.yaml\n");
    let error = Specification::load(&directory.path().join("a.yaml")).expect_err("is refused");
    assert!(
        error.render().contains("a.yaml stands on itself"),
        "{}",
        error.render()
    );
}

#[test]
fn at_most_sixteen_specifications_stand_on_one_another() {
    let directory = tempfile::tempdir().expect("a directory");
    for number in 0..=BASES_MAX {
        let base = if number == 0 {
            String::new()
        } else {
            format!("base: ./a{}.yaml\n", number - 1)
        };
        let path = directory.path().join(format!("a{number}.yaml"));
        fs::write(path, format!("lightship: 1\n{base}")).expect("is written");
    }
    let load = |number: usize| Specification::load(&directory.path().join(format!("a{number}.yaml")));
    assert!(load(BASES_MAX - 1).is_ok());
    assert!(
        load(BASES_MAX)
            .expect_err("is refused")
            .render()
            .contains("more than 16 specifications")
    );
}

#[test]
fn releases_cannot_be_mixed() {
    check_faults(
        "lightship: 1\nbase: cc-debian13\nrelease: debian12\n",
        &["3:10 the base is made of debian13"],
    );
    check_faults(
        "lightship: 1\nrelease: debian12\narchitectures: [riscv64]\n",
        &["3:17 debian12 is not made for riscv64"],
    );
}

#[test]
fn placeholders_become_the_architecture() {
    let plan = check_plan(
        "lightship: 1\nfiles: [{path: /app, from: 'out/{arch}/app'}]\n\
         links: [{path: '/lib/{multiarch}/x', target: '/jvm-{debian-arch}'}]\n\
         archives:\n  - {architectures: [arm64], url: 'https://example.org/{arch}.tgz', path: /opt, \
         sha256: 0000000000000000000000000000000000000000000000000000000000000000}\n",
    );
    let arm = plan.for_architecture(crate::release::Architecture::Arm);
    assert_eq!(
        arm.files.first().map(|f| f.source.clone()),
        Some(Text::Disk("/work/out/arm/app".into()))
    );
    let link = arm.links.first().expect("is there");
    assert_eq!(
        (link.path.to_string().as_str(), link.target.as_str()),
        ("/lib/arm-linux-gnueabihf/x", "/jvm-armhf")
    );
    assert!(arm.archives.is_empty());
    let arm64 = plan.for_architecture(crate::release::Architecture::Arm64);
    assert_eq!(
        arm64.archives.first().map(|a| a.url.as_str()),
        Some("https://example.org/arm64.tgz")
    );
    check_faults(
        "lightship: 1\nfiles: [{path: '/{cpu}', text: x}]\n",
        &["2:16 unknown placeholder `{cpu}`: there are {arch}, {debian-arch} and {multiarch}"],
    );
}

#[test]
fn owners_are_found_among_the_accounts() {
    let plan = check_plan(
        "lightship: 1\nbase: static-debian13\nfiles:\n  - {path: /a, text: a, owner: nonroot}\n\
         \x20 - {path: /b, text: b, owner: 'nonroot:staff'}\n  - {path: /c, text: c, owner: 1000}\n",
    );
    let owners: Vec<_> = plan.files.iter().map(|file| (file.uid, file.gid)).collect();
    assert_eq!(owners, [(65532, 65532), (65532, 50), (1000, 1000)]);
    check_faults(
        "lightship: 1\nfiles: [{path: /a, text: a, owner: app}]\n",
        &["2:36 there is no user app under `accounts`"],
    );
}

#[test]
fn additions_have_one_source() {
    check_faults(
        "lightship: 1\nfiles:\n  - path: /a\n  - {path: /b, text: x, from: y}\n  - {path: /b, text: x}\n",
        &[
            "3:11 neither `from` nor `text` is given",
            "4:22 either `from` or `text` can be given, not both",
            "5:12 /b is there twice",
        ],
    );
    check_faults(
        "lightship: 1\ncertificates:\n  - {name: a, text: nonsense}\n  - {text: x}\n",
        &[
            "3:21 there is no line `-----BEGIN CERTIFICATE-----` in it",
            "4:12 there is no line `-----BEGIN CERTIFICATE-----` in it",
        ],
    );
}

#[test]
fn archives_are_named_and_signed() {
    let plan = check_plan(
        "lightship: 1\nrepositories:\n  - name: vendor\n    uri: https://example.org/apt/\n    suite: stable\n\
         \x20   components: [main]\n    signed_by: vendor.asc\n    packages: [tool]\n",
    );
    let repository = plan.repositories.first().expect("is there");
    assert_eq!(repository.uri, "https://example.org/apt");
    assert_eq!(repository.key, Text::Disk("/work/vendor.asc".into()));
    check_faults(
        "lightship: 1\nrepositories:\n  - {name: debian, uri: 'https://a/', suite: s, components: [m], signed-by: k}\n\
         \x20 - {name: x, uri: 'https://user:secret@a/', suite: s, components: [m], signed-by: k}\n",
        &[
            "3:12 debian is Debian's own archive",
            "4:20 a URL in a specification cannot hold credentials",
        ],
    );
}

#[test]
fn variants_extend_variants_that_are_there() {
    check_faults(
        "lightship: 1\nvariants:\n  a: {extends: [b]}\n  b: {extends: [a]}\n",
        &["3:17 b extends itself", "4:17 a extends itself"],
    );
    check_faults(
        "lightship: 1\nvariants:\n  a: {extends: [debag]}\n",
        &["3:17 there is no variant debag"],
    );
}

#[test]
fn an_entrypoint_takes_inherited_arguments_away() {
    let text =
        "lightship: 1\nentrypoint: [/a]\ncmd: [x]\nvariants:\n  b: {entrypoint: [/b]}\n  c: {cmd: [y]}\n";
    let variants = check_variants(text);
    let cmds: Vec<_> = variants
        .iter()
        .map(|(_, plan)| plan.cmd.clone().unwrap_or_default())
        .collect();
    assert_eq!(cmds, [vec!["x".to_owned()], vec![], vec!["y".to_owned()]]);
}

#[test]
fn the_schema_describes_every_key() {
    let schema: serde_json::Value = serde_json::from_str(&json_schema()).expect("is JSON");
    let properties = schema
        .get("properties")
        .and_then(|p| p.as_object())
        .expect("has properties");
    for key in [
        "lightship",
        "packages",
        "os-release",
        "stop-signal",
        "variants",
        "archives",
    ] {
        assert!(
            properties
                .get(key)
                .is_some_and(|p| p.get("description").is_some()),
            "{key}"
        );
    }
    assert_eq!(
        schema.get("additionalProperties"),
        Some(&serde_json::Value::Bool(false))
    );
}

#[test]
fn the_extra_specifications_read() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../catalogue/extra");
    let mut read = 0;
    for entry in fs::read_dir(directory).expect("is there") {
        let path = entry.expect("is there").path();
        let specification = Specification::load(&path).unwrap_or_else(|e| panic!("{e}\n{}", e.render()));
        assert_eq!(
            path.file_stem().and_then(|stem| stem.to_str()),
            Some(specification.name.as_str())
        );
        read += 1;
    }
    assert_eq!(read, 4);
}
