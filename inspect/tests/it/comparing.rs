//! Packages, differences and summaries.

use inspect::ImageView;
use inspect::difference::{DifferenceOptions, ImageDifference, Times};
use inspect::packages::packages;
use inspect::summary::{ContentsOf, ImageSummary, SummaryOptions};
use oci::{ContainerConfig, History, ImageConfig};

use crate::sample::{Form, Image, Item, dir, file, layer, link, view};

fn package(name: &str, version: &str) -> Vec<Item> {
    let control = format!("Package: {name}\nArchitecture: amd64\nVersion: {version}\n");
    vec![
        dir("/var"),
        dir("/var/lib"),
        dir("/var/lib/dpkg"),
        dir("/var/lib/dpkg/status.d"),
        file(&format!("/var/lib/dpkg/status.d/{name}"), control.as_bytes()),
        file(&format!("/var/lib/dpkg/status.d/{name}.md5sums"), b"not a record"),
    ]
}

#[tokio::test]
async fn packages_are_found_in_both_records() {
    let status = b"Package: b\nStatus: install ok installed\nArchitecture: all\nVersion: 2\nSource: bb (1)\n";
    let mut layers = vec![package("c", "3"), package("a", "1")];
    layers.push(vec![file("/var/lib/dpkg/status", status)]);
    let layers: Vec<&[Item]> = layers.iter().map(Vec::as_slice).collect();
    let found = packages(&view(&layers).await).await.unwrap();
    let shown: Vec<String> = found
        .iter()
        .map(|p| format!("{} {} {}", p.name, p.version, p.source))
        .collect();
    assert_eq!(shown, ["a 1 a", "b 2 bb", "c 3 c"]);
    assert!(
        packages(&view(&[&[file("/x", b"")]]).await)
            .await
            .unwrap()
            .is_empty()
    );
}

fn config(user: &str, path: &str) -> ImageConfig {
    ImageConfig {
        config: ContainerConfig {
            user: Some(user.to_owned()),
            env: vec![format!("PATH={path}"), "A=1".to_owned()],
            ..ContainerConfig::default()
        },
        history: vec![
            History {
                created_by: Some("lightship".to_owned()),
                comment: Some("a".to_owned()),
                ..History::default()
            },
            History {
                empty_layer: true,
                ..History::default()
            },
            History {
                created_by: Some("files".to_owned()),
                ..History::default()
            },
        ],
        ..ImageConfig::default()
    }
}

/// Two images that differ in everything.
async fn before_and_after() -> (ImageView, ImageView) {
    let mut owned = file("/owned", b"x");
    owned.0.uid = 65532;
    owned.0.mode = 0o600;
    let mut later = file("/later", b"x");
    later.0.mtime = 5;
    let before = Image::with_config(
        &[
            layer(&package("a", "1"), Form::Plain),
            layer(
                &[
                    file("/gone", b""),
                    file("/text", b"one"),
                    file("/owned", b"x"),
                    link("/l", "a"),
                    file("/later", b"x"),
                ],
                Form::Plain,
            ),
        ],
        config("0", "/bin"),
    )
    .await;
    let after = Image::with_config(
        &[
            layer(&package("a", "2"), Form::Plain),
            layer(
                &[file("/text", b"two!"), owned, link("/l", "b"), later, dir("/new")],
                Form::Plain,
            ),
        ],
        config("65532", "/bin"),
    )
    .await;
    (before.view().await.unwrap(), after.view().await.unwrap())
}

#[tokio::test]
async fn every_kind_of_difference_is_told() {
    let (before, after) = before_and_after().await;
    let difference = ImageDifference::between(&before, &after, DifferenceOptions::default())
        .await
        .unwrap();
    let mut text = String::new();
    difference.write_text(&mut text).unwrap();
    insta::assert_snapshot!(text, @r#"
packages: 1
  ~ a 1 → 2
files: 6
  - /gone
  ~ /l (link a → b)
  + /new
  ~ /owned (mode 0644 → 0600, owner 0:0 → 65532:0)
  ~ /text (content, 3 → 4 bytes)
  ~ /var/lib/dpkg/status.d/a (content)
configuration: 1
  ~ user: 0 → 65532
layers: 2
  ~ 0: sha256:39a961c4bc12 5120 bytes → sha256:c7599f1ea848 5120 bytes
  ~ 1: sha256:853a98262b5f 5120 bytes → sha256:7debb78ed5f8 5120 bytes
size: 10240 → 10240 bytes compressed
      10240 → 10240 bytes unpacked
"#);
    let times = DifferenceOptions {
        times: Times::Compare,
    };
    let difference = ImageDifference::between(&before, &after, times).await.unwrap();
    assert!(difference.files.iter().any(|file| file.path == "/later"));
    let same = ImageDifference::between(&before, &before, times).await.unwrap();
    assert!(same.is_empty());
    let mut text = String::new();
    same.write_text(&mut text).unwrap();
    assert_eq!(text, "no difference\n");
}

#[tokio::test]
async fn a_summary_tells_what_there_is() {
    let image = Image::with_config(
        &[
            layer(&package("a", "1"), Form::Plain),
            layer(&[file("/x", b"x")], Form::Plain),
        ],
        config("65532", "/bin"),
    )
    .await;
    let options = SummaryOptions {
        contents: ContentsOf::All,
        ..SummaryOptions::default()
    };
    let summary = ImageSummary::of(&*image.source(), &image.descriptor, &options)
        .await
        .unwrap();
    let mut text = String::new();
    summary.write_text(&mut text).unwrap();
    insta::assert_snapshot!(text, @r#"
digest      sha256:70c0778ad2a678d5933426afe9debca5d1f38565ab4fd0695ad0af337d2d10de
media type  application/vnd.oci.image.manifest.v1+json

platform    linux/amd64
manifest    sha256:70c0778ad2a678d5933426afe9debca5d1f38565ab4fd0695ad0af337d2d10de
size        7168 bytes, 7168 unpacked
contents    files 3, directories 5, packages 1
user        65532
env         PATH=/bin
env         A=1
layer 0            5120 bytes  lightship: a
layer 1            2048 bytes  files
package     a 1
"#);
    let options = SummaryOptions {
        platform: Some("arm64".parse().unwrap()),
        ..SummaryOptions::default()
    };
    let error = ImageSummary::of(&*image.source(), &image.descriptor, &options)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "image is not for linux/arm64");
}

#[tokio::test]
async fn what_an_image_says_cannot_move_the_readers_cursor() {
    let config = ImageConfig {
        config: ContainerConfig {
            env: vec!["A=\u{1b}[2J\nplatform    none".to_owned()],
            labels: [("\u{1b}]0;x\u{7}".to_owned(), "\r".to_owned())].into(),
            ..ContainerConfig::default()
        },
        ..ImageConfig::default()
    };
    let layers = [layer(&[file("/\u{1b}[31m\n", b"")], Form::Plain)];
    let image = Image::with_config(&layers, config).await;
    let (before, after) = (view(&[&[dir("/a")]]).await, image.view().await.unwrap());
    let difference = ImageDifference::between(&before, &after, DifferenceOptions::default())
        .await
        .unwrap();
    let summary = ImageSummary::of(&*image.source(), &image.descriptor, &SummaryOptions::default())
        .await
        .unwrap();
    let mut text = String::new();
    difference.write_text(&mut text).unwrap();
    summary.write_text(&mut text).unwrap();
    for part in [
        r"+ /\u{1b}[31m\n",
        r"A=\u{1b}[2J\nplatform",
        r"\u{1b}]0;x\u{7}=\r",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(
        text.chars()
            .all(|character| !character.is_control() || character == '\n'),
        "{text:?}"
    );
}
