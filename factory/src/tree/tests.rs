use super::*;
use crate::emulation::sample::{World, at, listing, package, world};
use crate::release::{Architecture, Release};
use crate::specification::{Drop, Link, Move, Text, UserArchive, UserFile, UserTree};

fn tree_of(world: &World) -> Tree {
    world.assemble().unwrap().tree
}

fn inline(path: &str, text: &str) -> UserFile {
    UserFile {
        source: Text::Inline(text.to_owned()),
        path: at(path),
        mode: None,
        uid: 0,
        gid: 0,
    }
}

fn drop_of(patterns: &[&str]) -> Drop {
    Drop {
        patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
        reason: "test".to_owned(),
    }
}

#[test]
fn a_directory_of_several_packages_is_one_node_with_the_first_ones_mode() {
    let world = world([
        package("a")
            .directory_with("/var", 0o755, 0)
            .directory_with("/var/local", 0o2775, 50),
        package("b")
            .directory("/var")
            .directory_with("/var/local", 0o700, 0)
            .file("/var/local/x", b"x"),
    ]);
    let tree = tree_of(&world);
    let node = tree.node(&at("/var/local")).unwrap();
    assert_eq!((node.mode, node.gid, node.mtime), (0o2775, 50, DIRECTORY_MTIME));
    assert_eq!(tree.piece(node.piece).unwrap().name, "a");
    assert_eq!(listing(&tree), ["/var/", "/var/local/", "/var/local/x"]);
}

#[test]
fn a_missing_parent_is_made_and_takes_the_mode_of_a_later_package() {
    let world = world([
        package("a").file("/srv/data/x", b"x"),
        package("b").directory_with("/srv", 0o700, 0),
    ]);
    let tree = tree_of(&world);
    assert_eq!(tree.node(&at("/srv")).unwrap().mode, 0o700);
    assert_eq!(tree.node(&at("/srv/data")).unwrap().mode, 0o755);
}

#[test]
fn set_id_and_sticky_bits_stay() {
    let world = world([package("a")
        .file_with("/usr/bin/su", 0o4755, b"")
        .directory_with("/tmp", 0o1777, 0)]);
    let tree = tree_of(&world);
    assert_eq!(tree.node(&at("/usr/bin/su")).unwrap().mode, 0o4755);
    assert_eq!(tree.node(&at("/tmp")).unwrap().mode, 0o1777);
}

#[test]
fn different_files_at_one_path_name_both_packages() {
    let world = world([
        package("a").file("/etc/x", b"1"),
        package("b").file("/etc/x", b"2"),
    ]);
    let error = world.assemble().unwrap_err();
    assert_eq!(
        error.to_string(),
        "/etc/x is in both a and b, with different content, and neither says that it replaces the other"
    );
}

#[test]
fn equal_files_at_one_path_are_one_file() {
    let world = world([
        package("a").file("/etc/x", b"1"),
        package("b").file("/etc/x", b"1"),
    ]);
    let tree = tree_of(&world);
    assert_eq!(
        tree.piece(tree.node(&at("/etc/x")).unwrap().piece).unwrap().name,
        "a"
    );
}

#[test]
fn a_file_goes_to_the_package_that_replaces_the_other_in_either_order() {
    let old = package("old").file("/etc/x", b"old");
    let new = package("new")
        .control("Replaces: other, old (<< 2)")
        .file("/etc/x", b"new");
    for samples in [[old.clone(), new.clone()], [new, old.clone()]] {
        let world = world(samples);
        assert_eq!(world.text(&tree_of(&world), "/etc/x"), "new");
    }
    let too_new = package("new")
        .control("Replaces: old (<< 1)")
        .file("/etc/x", b"new");
    assert!(matches!(
        world([old, too_new]).assemble(),
        Err(TreeError::FileConflict { .. })
    ));
}

#[test]
fn a_link_wins_over_a_directory_in_either_order() {
    let link = package("a")
        .directory("/usr/share/real")
        .link("/usr/share/doc", "real");
    let directory = package("b")
        .directory("/usr/share/doc")
        .file("/usr/share/doc/x", b"x");
    for samples in [[link.clone(), directory.clone()], [directory, link]] {
        let tree = tree_of(&world(samples));
        assert_eq!(
            listing(&tree),
            [
                "/usr/",
                "/usr/share/",
                "/usr/share/doc -> real",
                "/usr/share/real/",
                "/usr/share/real/x"
            ]
        );
    }
}

#[test]
fn on_debian_13_top_level_directories_are_links_into_usr_even_without_base_files() {
    let mut world = world([
        package("libc6")
            .directory("/usr/lib64")
            .link("/usr/lib64/ld-linux-x86-64.so.2", "../lib/ld.so"),
        package("old")
            .directory("/lib")
            .file("/lib/x.so", b"x")
            .hard_link("/sbin/y", "/lib/x.so"),
    ]);
    world.plan.files = vec![inline("/bin/tool", "#!")];
    let tree = tree_of(&world);
    assert_eq!(
        listing(&tree),
        [
            "/bin -> usr/bin",
            "/lib -> usr/lib",
            "/lib64 -> usr/lib64",
            "/sbin -> usr/sbin",
            "/usr/",
            "/usr/bin/",
            "/usr/bin/tool",
            "/usr/lib/",
            "/usr/lib/x.so",
            "/usr/lib64/",
            "/usr/lib64/ld-linux-x86-64.so.2 -> ../lib/ld.so",
            "/usr/sbin/",
            "/usr/sbin/y == /usr/lib/x.so",
        ]
    );
}

#[test]
fn on_debian_12_directories_stay_as_packages_have_them_unless_one_ships_the_links() {
    let mut world = world([package("libc6").directory("/lib").file("/lib/libc.so.6", b"x")]);
    world.plan = crate::emulation::sample::plan(Release::Debian12);
    assert_eq!(listing(&tree_of(&world)), ["/lib/", "/lib/libc.so.6"]);

    let mut merged = crate::emulation::sample::world([
        package("libc6").directory("/lib").file("/lib/libc.so.6", b"x"),
        package("merge").link("/lib", "usr/lib"),
    ]);
    merged.plan = crate::emulation::sample::plan(Release::Debian12);
    assert_eq!(
        listing(&tree_of(&merged)),
        ["/lib -> usr/lib", "/usr/", "/usr/lib/", "/usr/lib/libc.so.6"]
    );
}

#[test]
fn hard_links_point_to_the_first_name_and_survive_drops_of_it() {
    let sample = package("a")
        .file("/usr/bin/zip", b"z")
        .hard_link("/usr/bin/a", "/usr/bin/zip")
        .hard_link("/usr/bin/m", "/usr/bin/zip");
    let mut world = world([sample]);
    assert_eq!(
        listing(&tree_of(&world))[3..],
        [
            "/usr/bin/a",
            "/usr/bin/m == /usr/bin/a",
            "/usr/bin/zip == /usr/bin/a"
        ]
    );

    world.plan.drop = vec![drop_of(&["/usr/bin/a"])];
    let tree = tree_of(&world);
    assert_eq!(listing(&tree)[3..], ["/usr/bin/m", "/usr/bin/zip == /usr/bin/m"]);
    assert_eq!(world.text(&tree, "/usr/bin/zip"), "z");

    world.plan.drop = Vec::new();
    world.plan.files = vec![inline("/usr/bin/a", "mine")];
    let tree = tree_of(&world);
    assert_eq!(world.text(&tree, "/usr/bin/a"), "mine");
    assert_eq!(world.text(&tree, "/usr/bin/zip"), "z");
}

#[test]
fn a_hard_link_to_nothing_is_an_error() {
    let world = world([package("a").hard_link("/usr/bin/a", "/usr/bin/b")]);
    assert!(matches!(world.assemble(), Err(TreeError::HardlinkTarget { .. })));
}

#[test]
fn a_name_that_a_layer_would_take_for_a_removal_is_refused() {
    for path in ["/usr/bin/.wh..wh..opq", "/etc/.wh.passwd", "/opt/.wh.x/y"] {
        let error = world([package("a").file(path, b"")]).assemble().unwrap_err();
        assert!(matches!(error, TreeError::Whiteout { .. }), "{path}: {error}");
        let mut world = world([package("a").file("/etc/passwd", b"")]);
        world.plan.files.push(inline(path, ""));
        let error = world.assemble().unwrap_err();
        assert!(matches!(error, TreeError::Whiteout { .. }), "{path}: {error}");
    }
    tree_of(&world([package("a")
        .file("/etc/x.wh.y", b"")
        .file("/etc/.whx", b"")]));
}

#[test]
fn drops_take_what_is_below_and_directories_that_they_empty() {
    let mut world = world([package("a")
        .directory("/usr")
        .directory("/usr/share")
        .directory("/usr/share/man")
        .directory("/usr/share/man/man1")
        .file("/usr/share/man/man1/x.1.gz", b"x")
        .directory("/usr/share/doc")
        .directory("/usr/share/doc/a")
        .file("/usr/share/doc/a/copyright", b"c")
        .file("/usr/share/doc/a/changelog.gz", b"c")
        .directory("/usr/share/empty")]);
    world.plan.drop = vec![drop_of(&[
        "/usr/share/man/**",
        "/usr/share/doc/*/changelog*",
        "/opt/**",
        "/usr/*.gz",
    ])];
    let assembled = world.assemble().unwrap();
    assert_eq!(assembled.unmatched_drops, ["/opt/**", "/usr/*.gz"]);
    assert_eq!(
        listing(&assembled.tree),
        [
            "/bin -> usr/bin",
            "/usr/",
            "/usr/share/",
            "/usr/share/doc/",
            "/usr/share/doc/a/",
            "/usr/share/doc/a/copyright",
            "/usr/share/empty/"
        ][1..]
    );
}

#[test]
fn a_pattern_that_is_not_one_is_an_error_that_shows_it() {
    let mut world = world([package("a").file("/x", b"")]);
    world.plan.drop = vec![drop_of(&["/usr/[z"])];
    assert_eq!(
        world.assemble().unwrap_err().to_string(),
        "pattern \"/usr/[z\" is not a valid path pattern"
    );
    world.plan.drop = vec![drop_of(&["usr"])];
    assert!(matches!(world.assemble(), Err(TreeError::RelativePattern { .. })));
}

#[test]
fn moves_take_everything_below_along_and_keep_the_piece() {
    let mut world = world([package("busybox-static")
        .directory("/usr")
        .directory("/usr/bin")
        .file("/usr/bin/busybox", b"b")
        .hard_link("/usr/bin/again", "/usr/bin/busybox")]);
    world.plan.moves = vec![Move {
        from: at("/usr/bin/busybox"),
        to: at("/busybox/busybox"),
    }];
    let tree = tree_of(&world);
    let lines = listing(&tree);
    assert!(lines.contains(&"/busybox/busybox".to_owned()), "{lines:?}");
    assert!(
        lines.contains(&"/usr/bin/again == /busybox/busybox".to_owned()),
        "{lines:?}"
    );
    assert_eq!(world.text(&tree, "/busybox/busybox"), "b");
    assert_eq!(
        tree.piece(tree.node(&at("/busybox/busybox")).unwrap().piece)
            .unwrap()
            .name,
        "busybox-static"
    );

    world.plan.moves = vec![Move {
        from: at("/nothing"),
        to: at("/x"),
    }];
    assert!(matches!(world.assemble(), Err(TreeError::NothingToMove { .. })));
}

#[test]
fn users_have_the_last_word_and_follow_links_of_directories() {
    let on_disk = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(on_disk.path().join("tmp/cache")).unwrap();
    std::fs::write(on_disk.path().join("tmp/cache/x"), "x").unwrap();
    let mut world = world([package("a")
        .directory_with("/tmp", 0o1777, 0)
        .file("/etc/x", b"package")
        .link("/etc/y", "x")]);
    world.plan.links = vec![Link {
        path: at("/data"),
        target: "/mnt/data".to_owned(),
    }];
    world.plan.files = vec![inline("/etc/y", "mine"), inline("/data/z", "z")];
    world.plan.trees = vec![UserTree {
        source: on_disk.path().to_owned(),
        path: at("/"),
        mode: None,
        uid: 7,
        gid: 8,
    }];
    let tree = tree_of(&world);
    assert_eq!(world.text(&tree, "/etc/x"), "package");
    assert_eq!(world.text(&tree, "/etc/y"), "mine");
    assert_eq!(world.text(&tree, "/mnt/data/z"), "z");
    assert_eq!(tree.node(&at("/tmp")).unwrap().mode, 0o1777);
    let cached = tree.node(&at("/tmp/cache/x")).unwrap();
    assert_eq!(
        (cached.uid, cached.gid, tree.piece(cached.piece).unwrap().kind),
        (7, 8, PieceKind::User)
    );
}

#[test]
fn a_file_cannot_replace_a_directory_with_content() {
    let mut world = world([package("a").directory("/etc").file("/etc/x", b"x")]);
    world.plan.files = vec![inline("/etc", "mine")];
    assert!(matches!(
        world.assemble(),
        Err(TreeError::DirectoryInTheWay { .. })
    ));
    world.plan.files = vec![inline("/etc/x/y", "mine")];
    assert!(matches!(world.assemble(), Err(TreeError::NotADirectory { .. })));
}

#[test]
fn children_are_those_of_the_directory_alone() {
    let world = world([package("a")
        .file("/a/b/c", b"")
        .file("/a/d", b"")
        .file("/ab", b"")]);
    let tree = tree_of(&world);
    let children: Vec<String> = tree
        .children(&at("/a"))
        .map(|(path, _)| path.to_string())
        .collect();
    assert_eq!(children, ["/a/b", "/a/d"]);
}

#[test]
fn of_an_archive_the_selected_paths_come_in_stripped_and_with_the_plans_owner() {
    let sample = package("archive")
        .directory("/node-v20")
        .file_with("/node-v20/bin/node", 0o4755, b"n")
        .link("/node-v20/bin/corepack", "../lib/corepack.js")
        .file("/node-v20/LICENSE", b"l")
        .file("/node-v20/share/man/node.1", b"m");
    let entries = crate::emulation::sample::world([sample]).packages[0]
        .entries
        .clone();
    let mut world = world([]);
    world.plan.archives = vec![
        archive_of(vec![Architecture::Arm64], &[]),
        archive_of(vec![Architecture::Amd64], &["bin", "/LICENSE"]),
    ];
    let archives = [Some(std::sync::Arc::new(ArchiveContents { entries }))];
    let tree = assemble(&Inputs {
        archives: &archives,
        ..world.inputs()
    })
    .unwrap()
    .tree;
    assert_eq!(
        listing(&tree),
        [
            "/nodejs/",
            "/nodejs/LICENSE",
            "/nodejs/bin/",
            "/nodejs/bin/corepack -> ../lib/corepack.js",
            "/nodejs/bin/node"
        ]
    );
    let node = tree.node(&at("/nodejs/bin/node")).unwrap();
    assert_eq!((node.mode, node.uid), (0o755, 7));
    assert!(matches!(
        assemble(&world.inputs()),
        Err(TreeError::ArchiveMissing { .. })
    ));
}

fn archive_of(architectures: Vec<Architecture>, select: &[&str]) -> UserArchive {
    UserArchive {
        architectures,
        url: "https://example.org/node.tar.gz".to_owned(),
        sha256: [0; 32],
        strip: 1,
        select: select.iter().map(|pattern| (*pattern).to_owned()).collect(),
        path: at("/nodejs"),
        mode: None,
        uid: 7,
        gid: 7,
    }
}
