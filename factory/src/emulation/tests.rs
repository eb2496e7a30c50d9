mod loader_cache;

use super::sample::{DATE, at, listing_of, package, plan, world};
use crate::release::Release;
use crate::specification::{Accounts, Certificate, Directory, Drop, Group, Text, User, UserFile};
use crate::tree::{DIRECTORY_MTIME, NodeKind, PieceKind, Tree};

const OWN: &str = include_str!("../../tests/fixtures/own-corp-ca.pem");
const RESPELLED: &str = include_str!("../../tests/fixtures/own-corp-ca-respelled.pem");
const NETLOCK: &str = include_str!("../../tests/fixtures/netlock-arany.pem");

fn inline(path: &str, text: &str) -> UserFile {
    UserFile {
        source: Text::Inline(text.to_owned()),
        path: at(path),
        mode: None,
        uid: 0,
        gid: 0,
    }
}

fn piece_of(tree: &Tree, path: &str) -> String {
    tree.piece(tree.node(&at(path)).unwrap().piece)
        .unwrap()
        .name
        .clone()
}

fn base_files() -> super::sample::Sample {
    package("base-files")
        .link("/bin", "usr/bin")
        .directory("/run")
        .directory_with("/root", 0o700, 0)
        .directory_with("/tmp", 0o1777, 0)
        .directory("/usr/bin")
        .directory("/usr/share/base-files")
        .file("/usr/share/base-files/profile", b"profile")
        .file("/usr/share/base-files/dot.profile", b"dot")
        .file("/usr/lib/os-release", b"ID=debian\n")
        .file("/etc/dpkg/origins/debian", b"Vendor: Debian\n")
        .directory("/var/lib/dpkg")
        .directory("/var/run")
        .directory_with("/var/lock", 0o1777, 0)
        .directory("/var/spool")
}

#[test]
fn base_files_gets_the_directories_and_links_of_its_script() {
    let world = world([base_files(), package("daemon").directory("/var/run/daemon")]);
    let (tree, _) = world.complete().unwrap();
    for line in [
        "/etc/dpkg/origins/default -> debian",
        "/etc/profile",
        "/root/.profile",
        "/mnt/",
        "/run/daemon/",
        "/run/lock/",
        "/var/run -> /run",
        "/var/lock -> /run/lock",
        "/var/spool/mail -> ../mail",
        "/usr/local/man -> share/man",
        "/usr/local/libexec/",
    ] {
        assert_eq!(listing_of(&tree, line), [line]);
    }
    assert_eq!(tree.node(&at("/run/lock")).unwrap().mode, 0o1777);
    assert_eq!(
        (
            tree.node(&at("/var/mail")).unwrap().mode,
            tree.node(&at("/var/mail")).unwrap().gid
        ),
        (0o2775, 8)
    );
    // `cp -p` keeps the time.
    assert_eq!(tree.node(&at("/etc/profile")).unwrap().mtime, 1_000_000_000);
    assert_eq!(tree.node(&at("/var/run")).unwrap().mtime, DATE);
    assert_eq!(tree.node(&at("/mnt")).unwrap().mtime, DIRECTORY_MTIME);
}

#[test]
fn a_tree_without_packages_gets_nothing_but_tmp() {
    let (tree, _) = world([]).complete().unwrap();
    assert_eq!(super::sample::listing(&tree), ["/tmp/"]);
    assert_eq!(tree.node(&at("/tmp")).unwrap().mode, 0o1777);
}

#[test]
fn os_release_is_distroless_own_with_the_code_name() {
    let mut world = world([base_files()]);
    world
        .plan
        .os_release
        .insert("VARIANT".to_owned(), "say \"$hi\"".to_owned());
    let (tree, _) = world.complete().unwrap();
    assert_eq!(
        world.text(&tree, "/etc/os-release"),
        "PRETTY_NAME=\"Distroless\"\n\
         NAME=\"Debian GNU/Linux\"\n\
         ID=\"debian\"\n\
         VERSION_ID=\"13\"\n\
         VERSION=\"Debian GNU/Linux 13 (trixie)\"\n\
         VERSION_CODENAME=\"trixie\"\n\
         HOME_URL=\"https://github.com/GoogleContainerTools/distroless\"\n\
         SUPPORT_URL=\"https://github.com/GoogleContainerTools/distroless/blob/master/README.md\"\n\
         BUG_REPORT_URL=\"https://github.com/GoogleContainerTools/distroless/issues/new\"\n\
         VARIANT=\"say \\\"\\$hi\\\"\"\n"
    );
    assert_eq!(tree.node(&at("/usr/lib/os-release")).unwrap().mode, 0o555);
    assert_eq!(piece_of(&tree, "/usr/lib/os-release"), "rootfs");
}

#[test]
fn accounts_are_written_as_the_plan_has_them_and_homes_get_their_owners() {
    let mut world = world([base_files()]);
    world.plan.accounts = Accounts {
        users: vec![User {
            name: "nonroot".to_owned(),
            uid: 65532,
            gid: 65532,
            gecos: "nonroot".to_owned(),
            home: "/home/nonroot".to_owned(),
            shell: "/sbin/nologin".to_owned(),
        }],
        groups: vec![Group {
            name: "tty".to_owned(),
            gid: 5,
            members: vec!["a".to_owned(), "b".to_owned()],
        }],
    };
    world.plan.homes = vec![Directory {
        path: at("/home/nonroot"),
        mode: 0o700,
        uid: 65532,
        gid: 65532,
    }];
    world.plan.files = vec![inline("/home/nonroot/.config", "x")];
    let (tree, _) = world.complete().unwrap();
    assert_eq!(
        world.text(&tree, "/etc/passwd"),
        "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"
    );
    assert_eq!(world.text(&tree, "/etc/group"), "tty:x:5:a,b\n");
    let home = tree.node(&at("/home/nonroot")).unwrap();
    assert_eq!((home.mode, home.uid, home.gid), (0o700, 65532, 65532));
    assert_eq!(listing_of(&tree, "/home/nonroot/.config").len(), 1);
}

#[test]
fn what_the_user_gives_is_never_overwritten() {
    let mut world = world([base_files(), package("netbase"), package("ca-certificates")]);
    let own = [
        "/etc/nsswitch.conf",
        "/etc/hosts",
        "/usr/lib/os-release",
        "/etc/passwd",
        "/etc/ld.so.cache",
        "/etc/ssl/certs/ca-certificates.crt",
    ];
    world.plan.files = own.iter().map(|path| inline(path, "mine")).collect();
    world
        .plan
        .files
        .push(inline("/usr/local/share/ca-certificates/x.crt", NETLOCK));
    world.plan.accounts.users = vec![User {
        name: "root".to_owned(),
        uid: 0,
        gid: 0,
        gecos: String::new(),
        home: "/root".to_owned(),
        shell: "/bin/sh".to_owned(),
    }];
    let (tree, _) = world.complete().unwrap();
    for path in own {
        assert_eq!(world.text(&tree, path), "mine", "{path}");
    }
}

#[test]
fn nsswitch_is_libc_bins_own_and_else_that_of_distroless() {
    let with = world([package("libc-bin").file("/usr/share/libc-bin/nsswitch.conf", b"passwd: files\n")]);
    assert_eq!(
        with.text(&with.complete().unwrap().0, "/etc/nsswitch.conf"),
        "passwd: files\n"
    );
    let without = world([package("libc6")]);
    let text = without.text(&without.complete().unwrap().0, "/etc/nsswitch.conf");
    assert!(text.contains("\nhosts:          files dns\n"), "{text}");
}

#[test]
fn the_time_zone_is_utc_and_debian_12_has_it_as_text_too() {
    let mut world = world([package("tzdata").file("/usr/share/zoneinfo/Etc/UTC", b"TZif")]);
    let (tree, _) = world.complete().unwrap();
    assert_eq!(
        listing_of(&tree, "/etc/localtime"),
        ["/etc/localtime -> /usr/share/zoneinfo/Etc/UTC"]
    );
    assert!(tree.node(&at("/etc/timezone")).is_none());
    world.plan = plan(Release::Debian12);
    assert_eq!(
        world.text(&world.complete().unwrap().0, "/etc/timezone"),
        "Etc/UTC\n"
    );
}

#[test]
fn package_metadata_is_verbatim_in_the_packages_own_piece_with_the_packages_time() {
    let world = world([package("libc6").control("Depends: libgcc-s1").file("/x", b"")]);
    let (tree, _) = world.complete().unwrap();
    let path = "/var/lib/dpkg/status.d/libc6";
    assert_eq!(
        world.text(&tree, path),
        "Package: libc6\nVersion: 1.0-1\nDepends: libgcc-s1\n"
    );
    let node = tree.node(&at(path)).unwrap();
    assert_eq!(tree.piece(node.piece).unwrap().kind, PieceKind::Package(0));
    assert_eq!(node.mtime, 1_000_000_000);
    assert!(tree.node(&at("/var/lib/dpkg/status")).is_none());
}

#[test]
fn the_bundle_is_sorted_and_every_certificate_is_found_by_its_hash() {
    let mut world = world([package("ca-certificates")
        .file(
            "/usr/share/ca-certificates/mozilla/b.crt",
            NETLOCK.trim_end().as_bytes(),
        )
        .file("/usr/share/ca-certificates/mozilla/A (1),x.crt", OWN.as_bytes())
        .file("/usr/share/ca-certificates/README", b"no certificate")]);
    world.plan.certificates = vec![Certificate {
        name: "corp".to_owned(),
        pem: Text::Inline(format!(
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n{RESPELLED}"
        )),
    }];
    let (tree, report) = world.complete().unwrap();
    assert_eq!(report.warnings, [""; 0]);
    assert_eq!(
        world.text(&tree, "/etc/ssl/certs/ca-certificates.crt"),
        format!("{OWN}{NETLOCK}{RESPELLED}")
    );
    assert_eq!(
        listing_of(&tree, "/etc/ssl/certs/"),
        [
            "/etc/ssl/certs/",
            "/etc/ssl/certs/988a38cb.0 -> b.pem",
            "/etc/ssl/certs/A_=1=_x.pem -> /usr/share/ca-certificates/mozilla/A (1),x.crt",
            "/etc/ssl/certs/b.pem -> /usr/share/ca-certificates/mozilla/b.crt",
            "/etc/ssl/certs/ca-certificates.crt",
            "/etc/ssl/certs/corp.pem -> /usr/local/share/ca-certificates/corp.crt",
            "/etc/ssl/certs/f8737dfd.0 -> A_=1=_x.pem",
            "/etc/ssl/certs/f8737dfd.1 -> corp.pem",
        ]
    );
    assert_eq!(
        world.text(&tree, "/usr/local/share/ca-certificates/corp.crt"),
        RESPELLED
    );
    assert!(
        world
            .text(&tree, "/etc/ca-certificates.conf")
            .ends_with("\n#\nmozilla/A (1),x.crt\nmozilla/b.crt\n")
    );
}

#[test]
fn a_damaged_certificate_of_the_user_is_an_error_and_a_packaged_one_a_warning() {
    let mut world = world([package("ca-certificates").file("/usr/share/ca-certificates/x.crt", b"nonsense")]);
    let (_, report) = world.complete().unwrap();
    assert_eq!(report.warnings.len(), 1);
    assert!(
        report.warnings[0].starts_with("/usr/share/ca-certificates/x.crt cannot be used"),
        "{report:?}"
    );
    world.plan.certificates = vec![Certificate {
        name: "mine".to_owned(),
        pem: Text::Inline("x".to_owned()),
    }];
    assert_eq!(
        world.complete().unwrap_err().to_string(),
        "certificate mine cannot be used"
    );
}

#[test]
fn java_gets_a_keystore_with_all_authorities() {
    let mut world = world([
        package("ca-certificates").file("/usr/share/ca-certificates/b.crt", NETLOCK.as_bytes()),
        package("openjdk-21-jre-headless")
            .file("/usr/lib/jvm/java-21-openjdk-amd64/bin/java", b"j")
            .file("/usr/lib/jvm/java-21-openjdk-amd64/bin/keytool", b"k")
            .file("/usr/lib/jvm/java-25-openjdk-amd64/bin/java", b"j")
            .link("/usr/lib/jvm/java-1.21.0-openjdk-amd64", "java-21-openjdk-amd64"),
    ]);
    world.plan.certificates = vec![Certificate {
        name: "corp".to_owned(),
        pem: Text::Inline(OWN.to_owned()),
    }];
    let (tree, _) = world.complete().unwrap();
    let NodeKind::File(content) = &tree.node(&at("/etc/ssl/certs/java/cacerts")).unwrap().kind else {
        panic!()
    };
    let crate::tree::ContentSource::Memory(bytes) = &content.source else {
        panic!()
    };
    assert_eq!(bytes[..12], [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 2]);
    assert_eq!(
        listing_of(&tree, "/etc/alternatives/"),
        [
            "/etc/alternatives/",
            "/etc/alternatives/java -> /usr/lib/jvm/java-25-openjdk-amd64/bin/java",
            "/etc/alternatives/keytool -> /usr/lib/jvm/java-21-openjdk-amd64/bin/keytool",
        ]
    );
    assert_eq!(
        listing_of(&tree, "/usr/bin/java"),
        ["/usr/bin/java -> /etc/alternatives/java"]
    );
}

#[test]
fn alternatives_take_the_highest_priority_and_leave_files_alone() {
    let samples = [
        package("libblas3").file("/usr/lib/x86_64-linux-gnu/blas/libblas.so.3", b"b"),
        package("libopenblas0-pthread").file("/usr/lib/x86_64-linux-gnu/openblas-pthread/libblas.so.3", b"o"),
        package("mawk").file("/usr/bin/mawk", b"m"),
    ];
    let (tree, _) = world(samples.clone()).complete().unwrap();
    assert_eq!(
        listing_of(&tree, "/etc/alternatives/lib"),
        [
            "/etc/alternatives/libblas.so.3-x86_64-linux-gnu -> /usr/lib/x86_64-linux-gnu/openblas-pthread/libblas.so.3"
        ]
    );
    assert_eq!(
        listing_of(&tree, "/usr/bin/nawk"),
        ["/usr/bin/nawk -> /etc/alternatives/nawk"]
    );

    let (tree, _) = world(
        samples
            .into_iter()
            .chain([package("own").file("/usr/bin/awk", b"a")]),
    )
    .complete()
    .unwrap();
    assert_eq!(listing_of(&tree, "/usr/bin/awk"), ["/usr/bin/awk"]);
    assert!(listing_of(&tree, "/etc/alternatives/awk").is_empty());
}

#[test]
fn python_gets_its_names_and_directories() {
    let world = world([package("python3.13-minimal").file("/usr/bin/python3.13", b"p")]);
    let (tree, _) = world.complete().unwrap();
    assert_eq!(
        listing_of(&tree, "/usr/bin/python"),
        [
            "/usr/bin/python -> python3",
            "/usr/bin/python3 -> python3.13",
            "/usr/bin/python3.13"
        ]
    );
    assert_eq!(listing_of(&tree, "/usr/local/lib/python3.13/").len(), 2);
}

#[test]
fn fontconfig_chooses_what_debconf_would() {
    let world = world([package("fontconfig-config")
        .file("/usr/share/fontconfig/conf.avail/10-hinting-slight.conf", b"")
        .file("/usr/share/fontconfig/conf.avail/70-no-bitmaps.conf", b"")]);
    let (tree, _) = world.complete().unwrap();
    assert_eq!(
        listing_of(&tree, "/etc/fonts/conf.d/"),
        [
            "/etc/fonts/conf.d/",
            "/etc/fonts/conf.d/10-hinting-slight.conf -> /usr/share/fontconfig/conf.avail/10-hinting-slight.conf",
            "/etc/fonts/conf.d/70-no-bitmaps.conf -> /usr/share/fontconfig/conf.avail/70-no-bitmaps.conf",
        ]
    );
}

#[test]
fn busybox_gets_its_names_only_where_it_is_the_debug_shell() {
    let program = b"\x7fELF\0[\0[[\0ash\0sh\0\0";
    let (tree, _) = world([package("busybox-static").file("/busybox/busybox", program)])
        .complete()
        .unwrap();
    assert_eq!(listing_of(&tree, "/busybox/sh"), ["/busybox/sh -> busybox"]);
    assert_eq!(listing_of(&tree, "/busybox/").len(), 6);
    let (tree, _) = world([package("busybox-static").file("/usr/bin/busybox", program)])
        .complete()
        .unwrap();
    assert!(listing_of(&tree, "/busybox").is_empty());
}

#[test]
fn generated_files_can_be_dropped_and_only_patterns_without_any_match_are_told() {
    let mut world = world([base_files()]);
    let patterns = [
        "/etc/motd*",
        "/etc/profile",
        "/usr/share/base-files/**",
        "/nothing/**",
    ]
    .map(str::to_owned)
    .to_vec();
    world.plan.drop = vec![Drop {
        patterns,
        reason: "test".to_owned(),
    }];
    let (tree, report) = world.complete().unwrap();
    assert_eq!(report.unmatched_drops, ["/etc/motd*", "/nothing/**"]);
    assert!(tree.node(&at("/etc/profile")).is_none());
    assert!(tree.node(&at("/usr/share/base-files")).is_none());
}

#[test]
fn what_is_generated_from_dropped_files_is_there_all_the_same() {
    let mut world = world([
        base_files(),
        package("ca-certificates").file("/usr/share/ca-certificates/b.crt", NETLOCK.as_bytes()),
    ]);
    let patterns = ["/usr/share/base-files/**", "/usr/share/ca-certificates/**"]
        .map(str::to_owned)
        .to_vec();
    world.plan.drop = vec![Drop {
        patterns,
        reason: "only what is made of it is read".to_owned(),
    }];
    let (tree, report) = world.complete().unwrap();
    assert_eq!(
        (report.unmatched_drops, report.warnings),
        (Vec::new(), Vec::new())
    );
    assert_eq!(world.text(&tree, "/etc/profile"), "profile");
    assert_eq!(
        listing_of(&tree, "/etc/ssl/certs/"),
        ["/etc/ssl/certs/", "/etc/ssl/certs/ca-certificates.crt"]
    );
    assert_eq!(world.text(&tree, "/etc/ssl/certs/ca-certificates.crt"), NETLOCK);
}

#[test]
fn the_same_input_gives_the_same_tree() {
    let nodes = || -> Vec<_> {
        let world = world([
            base_files(),
            package("ca-certificates").file("/usr/share/ca-certificates/a.crt", OWN.as_bytes()),
        ]);
        let (tree, _) = world.complete().unwrap();
        tree.iter()
            .map(|(path, node)| (path.clone(), node.clone()))
            .collect()
    };
    assert_eq!(nodes(), nodes());
}
