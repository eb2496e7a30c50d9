//! CycloneDX 1.6 as JSON. Spec: <https://cyclonedx.org/docs/1.6/json/>.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    inventory::{FileFacts, Inventory, PackageFacts},
    purl,
};

/// The document of an inventory.
pub(super) fn document(inventory: &Inventory) -> Document {
    let image = &inventory.image;
    let image_purl = purl::image(&image.name, &image.manifest_digest, &image.architecture);
    let mut components = vec![operating_system(inventory)];
    components.extend(
        inventory
            .packages
            .iter()
            .map(|package| component(package, inventory)),
    );
    components.extend(inventory.files.iter().map(|file| file_component("image", file)));
    let reference = |package: &PackageFacts| package_purl(package, inventory);
    let mut dependencies = vec![Dependency {
        reference: image_purl.clone(),
        depends_on: inventory.packages.iter().map(reference).collect(),
    }];
    dependencies.extend(inventory.packages.iter().map(|package| {
        Dependency {
            reference: reference(package),
            depends_on: package
                .depends_on
                .iter()
                .filter_map(|&position| inventory.packages.get(position).map(reference))
                .collect(),
        }
    }));
    Document {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: serial_number(&image_purl),
        version: 1,
        metadata: Metadata {
            timestamp: image.created.clone(),
            tools: Tools {
                components: vec![Tool {
                    kind: "application",
                    name: "lightship",
                }],
            },
            component: Component {
                reference: image_purl.clone(),
                name: image.name.clone(),
                version: Some(image.manifest_digest.clone()),
                purl: Some(image_purl),
                ..Component::new("container")
            },
        },
        components,
        dependencies,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct Metadata {
    timestamp: String,
    tools: Tools,
    component: Component,
}

#[derive(Serialize)]
struct Tools {
    components: Vec<Tool>,
}

#[derive(Serialize)]
struct Tool {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Component {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref")]
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    supplier: Option<Supplier>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<License>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pedigree: Option<Pedigree>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    components: Vec<Component>,
}

impl Component {
    fn new(kind: &'static str) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }
}

#[derive(Serialize)]
struct Supplier {
    name: String,
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

#[derive(Serialize)]
struct License {
    expression: String,
}

/// What a component was made from: its source package.
#[derive(Serialize)]
struct Pedigree {
    ancestors: Vec<Component>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[serde(rename = "ref")]
    reference: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<String>,
}

fn operating_system(inventory: &Inventory) -> Component {
    let (name, version) = inventory
        .image
        .distribution
        .split_once('-')
        .unwrap_or(("debian", ""));
    Component {
        reference: format!("os:{}", inventory.image.distribution),
        name: name.to_owned(),
        version: Some(version.to_owned()),
        ..Component::new("operating-system")
    }
}

fn component(package: &PackageFacts, inventory: &Inventory) -> Component {
    let purl = package_purl(package, inventory);
    let source = purl::source(
        &package.source_name,
        &package.source_version,
        &inventory.image.distribution,
    );
    let ancestor = Component {
        // A source may have several packages here; references must be unique.
        reference: format!("{source}#{}", package.name),
        name: package.source_name.clone(),
        version: Some(package.source_version.clone()),
        purl: Some(source),
        ..Component::new("library")
    };
    Component {
        reference: purl.clone(),
        supplier: package.maintainer.clone().map(|name| Supplier { name }),
        name: package.name.clone(),
        version: Some(package.version.clone()),
        description: package.summary.clone(),
        hashes: vec![Hash {
            alg: "SHA-256",
            content: package.sha256.clone(),
        }],
        licenses: package
            .licences
            .iter()
            .map(|licences| License {
                expression: licences.expression.clone(),
            })
            .collect(),
        components: package
            .files
            .iter()
            .map(|file| file_component(&purl, file))
            .collect(),
        pedigree: Some(Pedigree {
            ancestors: vec![ancestor],
        }),
        purl: Some(purl),
        ..Component::new("library")
    }
}

fn file_component(owner: &str, file: &FileFacts) -> Component {
    let hash = |alg, content: &str| Hash {
        alg,
        content: content.to_owned(),
    };
    Component {
        reference: format!("file:{owner}:{}", file.path),
        name: file.path.clone(),
        hashes: vec![hash("SHA-1", &file.sha1), hash("SHA-256", &file.sha256)],
        ..Component::new("file")
    }
}

fn package_purl(package: &PackageFacts, inventory: &Inventory) -> String {
    purl::binary(
        &package.name,
        &package.version,
        &package.architecture,
        &inventory.image.distribution,
    )
}

/// A UUID of version 8 (RFC 9562): the digest of what the document is about.
fn serial_number(subject: &str) -> String {
    let digest = Sha256::digest(subject);
    let mut bytes: [u8; 16] = digest.first_chunk().copied().unwrap_or_default();
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut text = String::from("urn:uuid:");
    for (index, character) in hex.char_indices() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(character);
    }
    text
}
