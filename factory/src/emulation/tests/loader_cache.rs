use super::super::sample::{at, listing_of, package, world};
use crate::contents::{Class, ElfFacts};
use crate::tree::{NodeKind, Tree};

fn shared(soname: Option<&str>) -> ElfFacts {
    ElfFacts {
        class: Class::Elf64,
        little_endian: true,
        object_type: 3,
        machine: 62,
        flags: 0,
        soname: soname.map(|soname| soname.as_bytes().into()),
    }
}

/// The pairs of soname and path in a cache, by their zero-terminated strings.
fn cached(tree: &Tree) -> Vec<(String, String)> {
    let NodeKind::File(content) = &tree.node(&at("/etc/ld.so.cache")).unwrap().kind else {
        panic!()
    };
    let crate::tree::ContentSource::Memory(bytes) = &content.source else {
        panic!()
    };
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let text = |at: usize| {
        let length = bytes[at..].iter().position(|&byte| byte == 0).unwrap();
        String::from_utf8(bytes[at..at + length].to_vec()).unwrap()
    };
    (0..word(20))
        .map(|index| (text(word(48 + index * 24 + 4)), text(word(48 + index * 24 + 8))))
        .collect()
}

#[test]
fn the_loaders_cache_has_every_library_of_the_searched_directories_once() {
    let world = world([
        package("libc6")
            .directory("/usr/lib")
            .file(
                "/etc/ld.so.conf.d/x86_64-linux-gnu.conf",
                b"# Multiarch\n/lib/x86_64-linux-gnu\n/usr/lib/x86_64-linux-gnu\n",
            )
            .file("/usr/lib/x86_64-linux-gnu/libc.so.6", b"c")
            .elf(shared(Some("libc.so.6")))
            .file("/usr/lib/x86_64-linux-gnu/gconv/libISO.so", b"g")
            .elf(shared(Some("libISO.so"))),
        package("libz")
            .file("/usr/lib/x86_64-linux-gnu/libz.so.1.3", b"z")
            .elf(shared(Some("libz.so.1")))
            .link("/usr/lib/x86_64-linux-gnu/libz.so.1", "libz.so.1.3")
            .file("/usr/lib/x86_64-linux-gnu/libq.so.2.0", b"q")
            .elf(shared(Some("libq.so.2")))
            .file("/usr/lib/x86_64-linux-gnu/libtext.so", b"not ELF"),
        package("plugin")
            .file("/usr/lib/libplugin.so", b"p")
            .elf(shared(None)),
    ]);
    let (tree, _) = world.complete().unwrap();
    let expected = [
        ("libz.so.1", "/lib/x86_64-linux-gnu/libz.so.1"),
        ("libq.so.2", "/lib/x86_64-linux-gnu/libq.so.2"),
        ("libplugin.so", "/lib/libplugin.so"),
        ("libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6"),
    ];
    assert_eq!(
        cached(&tree),
        expected.map(|(soname, path)| (soname.to_owned(), path.to_owned()))
    );
    // ldconfig also makes the link that a package forgot.
    assert_eq!(
        listing_of(&tree, "/usr/lib/x86_64-linux-gnu/libq.so.2"),
        [
            "/usr/lib/x86_64-linux-gnu/libq.so.2 -> libq.so.2.0",
            "/usr/lib/x86_64-linux-gnu/libq.so.2.0"
        ]
    );
}

#[test]
fn an_image_without_libraries_has_no_cache() {
    let (tree, _) = world([package("static").file("/usr/bin/x", b"x")])
        .complete()
        .unwrap();
    assert!(tree.node(&at("/etc/ld.so.cache")).is_none());
}
