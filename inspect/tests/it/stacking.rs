//! Layers upon layers.

use archive::EntryPath;
use inspect::view::{FileKind, LINKS_MAX, ReadError, ResolveError};

use crate::sample::{Form, Image, dir, file, hardlink, layer, link, listing, path, special, view};

#[tokio::test]
async fn later_layers_win() {
    let view = view(&[
        &[dir("/a"), file("/a/one", b"1"), file("/a/two", b"2")],
        &[dir("/a"), file("/a/two", b"two"), file("/b", b"b")],
    ])
    .await;
    assert_eq!(listing(&view).await, "/a directory\n/a/one 1\n/a/two two\n/b b\n");
    assert_eq!(view.lstat(&path("/a/one")).unwrap().layer, 0);
    assert_eq!(view.lstat(&path("/a/two")).unwrap().layer, 1);
}

#[tokio::test]
async fn whiteouts_hide_what_lies_below_and_nothing_of_their_own_layer() {
    let below = [
        dir("/a"),
        file("/a/one", b"1"),
        dir("/a/b"),
        file("/a/b/x", b"x"),
        file("/c", b"c"),
    ];
    let view1 = view(&[
        &below,
        &[
            file("/a/.wh.one", b""),
            file("/.wh.c", b""),
            file("/a/.wh.absent", b""),
        ],
    ])
    .await;
    assert_eq!(listing(&view1).await, "/a directory\n/a/b directory\n/a/b/x x\n");
    let view2 = view(&[&below, &[file("/.wh.a", b"")]]).await;
    assert_eq!(listing(&view2).await, "/c c\n");
    let view3 = view(&[
        &below,
        &[dir("/a"), file("/a/new", b"n"), file("/a/.wh..wh..opq", b"")],
    ])
    .await;
    assert_eq!(listing(&view3).await, "/a directory\n/a/new n\n/c c\n");
    let view4 = view(&[
        &below,
        &[
            file("/a/one", b"new"),
            file("/.wh.a", b""),
            file("/a/.wh..wh.plnk", b""),
        ],
    ])
    .await;
    assert_eq!(listing(&view4).await, "/a directory\n/a/one new\n/c c\n");
}

/// Otherwise an image could hide a file from us that engines have.
#[tokio::test]
async fn a_whiteout_hides_no_hard_link_of_its_own_layer() {
    let view = view(&[
        &[dir("/a"), file("/a/old", b"o"), dir("/b")],
        &[
            hardlink("/a/new", "/a/old"),
            file("/a/.wh..wh..opq", b""),
            hardlink("/b/new", "/a/new"),
            file("/.wh.b", b""),
            file("/b/.wh.new", b""),
        ],
    ])
    .await;
    assert_eq!(
        listing(&view).await,
        "/a directory\n/a/new o\n/b directory\n/b/new o\n"
    );
}

#[tokio::test]
async fn many_whiteouts_of_one_directory_take_no_longer_than_they_should() {
    let files = (0..30_000).map(|at| file(&format!("/d/{at}"), b""));
    let opaque = (0..30_000).map(|_| file("/d/.wh..wh..opq", b""));
    let whole = (0..30_000).map(|_| file("/.wh.d", b""));
    let items: Vec<_> = files.chain(opaque).chain(whole).collect();
    let started = std::time::Instant::now();
    let view = view(&[&items]).await;
    assert_eq!(view.iter().count(), 30_002);
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
}

#[tokio::test]
async fn what_is_below_a_link_lands_where_it_leads() {
    let view = view(&[
        &[
            dir("/usr"),
            dir("/usr/lib"),
            link("/lib", "usr/lib"),
            file("/usr/lib/a", b"a"),
        ],
        &[file("/lib/b", b"b"), file("/lib/deep/c", b"c")],
        &[file("/lib/.wh.a", b"")],
    ])
    .await;
    assert_eq!(
        listing(&view).await,
        "/lib -> usr/lib\n/usr directory\n/usr/lib directory\n/usr/lib/b b\n/usr/lib/deep directory\n/usr/lib/deep/c c\n"
    );
    assert_eq!(view.read(&path("/lib/deep/c"), 1).await.unwrap(), b"c");
}

#[tokio::test]
async fn a_link_cannot_lead_out() {
    let view = view(&[&[
        link("/out", "../../../etc"),
        dir("/etc"),
        file("/etc/passwd", b"inside"),
        file("/out/new", b"n"),
        link("/absolute", "/etc/passwd"),
    ]])
    .await;
    assert_eq!(view.read(&path("/out/passwd"), 10).await.unwrap(), b"inside");
    assert_eq!(view.read(&path("/absolute"), 10).await.unwrap(), b"inside");
    assert_eq!(view.lstat(&path("/etc/new")).unwrap().size, 1);
}

#[tokio::test]
async fn kinds_replace_each_other() {
    let view = view(&[
        &[dir("/a"), file("/a/x", b"x"), file("/b", b"b"), link("/c", "a")],
        &[
            file("/a", b"now a file"),
            dir("/b"),
            file("/b/y", b"y"),
            dir("/c"),
            file("/c/z", b"z"),
        ],
    ])
    .await;
    assert_eq!(
        listing(&view).await,
        "/a now a file\n/b directory\n/b/y y\n/c directory\n/c/z z\n"
    );
}

#[tokio::test]
async fn hard_links_are_the_file_even_after_it_is_gone() {
    let big = vec![b'x'; 400_000];
    let view = view(&[
        &[
            file("/big", &big),
            hardlink("/same", "/big"),
            file("/s", b"s"),
            hardlink("/t", "/s"),
        ],
        &[file("/.wh.big", b""), file("/s", b"other")],
    ])
    .await;
    assert!(view.lstat(&path("/big")).is_none());
    assert_eq!(view.read(&path("/same"), 400_000).await.unwrap(), big);
    assert_eq!(view.read(&path("/t"), 9).await.unwrap(), b"s");
    assert_eq!(view.read(&path("/s"), 9).await.unwrap(), b"other");
    let facts = |at: &str| view.lstat(&path(at)).unwrap();
    assert!(!facts("/s").is_same_file(facts("/t")));
    assert!(matches!(
        view.read(&path("/same"), 399_999).await,
        Err(ReadError::TooLarge { size: 400_000, .. })
    ));
}

#[tokio::test]
async fn every_form_of_a_layer_is_read() {
    let big = vec![7; 1_000_000];
    for form in [Form::Plain, Form::Gzip, Form::Zstd] {
        let image = Image::of(&[layer(
            &[dir("/d"), file("/d/f", b"f"), file("/d/big", &big)],
            form,
        )])
        .await;
        let view = image.view().await.unwrap();
        assert_eq!(view.read(&path("/d/f"), 1).await.unwrap(), b"f");
        let mut out = Vec::new();
        assert_eq!(view.copy_content(&path("/d/big"), &mut out).unwrap(), 1_000_000);
        assert_eq!(out, big);
        assert_eq!(view.layers()[0].entries, 3);
    }
}

#[tokio::test]
async fn links_are_followed_up_to_their_limit() {
    let name = |number: usize| format!("/l{number:02}");
    let mut items = vec![file("/end", b"e")];
    items.push(link(&name(1), "end"));
    for number in 2..=LINKS_MAX + 1 {
        items.push(link(&name(number), &name(number - 1)));
    }
    items.push(link("/loop", "loop"));
    let view = view(&[&items]).await;
    assert_eq!(view.resolve(&path(&name(LINKS_MAX))).unwrap(), path("/end"));
    for at in [name(LINKS_MAX + 1), "/loop".to_owned()] {
        assert!(matches!(
            view.resolve(&path(&at)),
            Err(ResolveError::TooManyLinks { .. })
        ));
    }
    assert_eq!(view.resolve_parent(&path("/loop")).unwrap(), path("/loop"));
    assert!(matches!(
        view.resolve(&path("/none/x")),
        Err(ResolveError::NotFound { .. })
    ));
    assert!(matches!(
        view.resolve(&path("/end/x")),
        Err(ResolveError::NotADirectory { .. })
    ));
}

#[tokio::test]
async fn directories_are_listed_by_name_and_only_their_own() {
    let view = view(&[&[
        dir("/a"),
        file("/a/z", b""),
        dir("/a/b"),
        file("/a/b/c", b""),
        file("/a-b", b""),
        special("/pipe", archive::tar::EntryKind::Fifo),
    ]])
    .await;
    let names = |at: &EntryPath| {
        view.list(at)
            .map(|(path, _)| path.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&path("/a")), ["/a/b", "/a/z"]);
    assert_eq!(names(&EntryPath::root()), ["/a", "/a-b", "/pipe"]);
    assert_eq!(names(&path("/a/z")), [""; 0]);
    assert_eq!(view.lstat(&path("/pipe")).unwrap().kind, FileKind::Fifo);
    assert!(matches!(
        view.read(&path("/pipe"), 1).await,
        Err(ReadError::NotAFile { .. })
    ));
}
