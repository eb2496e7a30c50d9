//! SPDX 2.3 as JSON. Spec: <https://spdx.github.io/spdx-spec/v2.3/>.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha1::{Digest, Sha1};

use super::{
    inventory::{FileFacts, Inventory, PackageFacts},
    purl,
};

/// The document of an inventory.
pub(super) fn document(inventory: &Inventory) -> Document {
    let image = &inventory.image;
    let mut builder = Builder::default();
    builder.image(inventory);
    for (index, package) in inventory.packages.iter().enumerate() {
        builder.package(index, package, inventory);
    }
    builder.sources(inventory);
    Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: "SPDXRef-DOCUMENT",
        name: format!("{}-{}-{}", image.name, image.variant, image.architecture),
        // Unique for what the document is about, since that has a digest.
        document_namespace: format!(
            "https://spdx.org/spdxdocs/{}-{}",
            image.name,
            image.manifest_digest.replace(':', "-")
        ),
        creation_info: CreationInfo {
            created: image.created.clone(),
            creators: vec!["Tool: lightship"],
        },
        packages: builder.packages,
        files: builder.files,
        relationships: builder.relationships,
        extracted: builder.extracted.into_values().collect(),
    }
}

const IMAGE: &str = "SPDXRef-Image";
const NO_ASSERTION: &str = "NOASSERTION";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    document_namespace: String,
    creation_info: CreationInfo,
    packages: Vec<Package>,
    files: Vec<File>,
    relationships: Vec<Relationship>,
    #[serde(rename = "hasExtractedLicensingInfos", skip_serializing_if = "Vec::is_empty")]
    extracted: Vec<Extracted>,
}

#[derive(Serialize)]
struct CreationInfo {
    created: String,
    creators: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    version_info: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    supplier: Option<String>,
    download_location: &'static str,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    package_verification_code: Option<VerificationCode>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<Checksum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    homepage: Option<String>,
    license_concluded: &'static str,
    license_declared: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    license_info_from_files: Option<Vec<&'static str>>,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    external_refs: Vec<ExternalRef>,
    primary_package_purpose: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VerificationCode {
    package_verification_code_value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: &'static str,
    checksum_value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(rename = "SPDXID")]
    id: String,
    file_name: String,
    checksums: Vec<Checksum>,
    license_concluded: &'static str,
    license_info_in_files: Vec<&'static str>,
    copyright_text: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Extracted {
    license_id: String,
    name: String,
    extracted_text: String,
}

#[derive(Default)]
struct Builder {
    packages: Vec<Package>,
    files: Vec<File>,
    relationships: Vec<Relationship>,
    extracted: BTreeMap<String, Extracted>,
}

impl Builder {
    fn image(&mut self, inventory: &Inventory) {
        let image = &inventory.image;
        let digest = image
            .manifest_digest
            .split_once(':')
            .map(|(_, hex)| hex.to_owned());
        let purl = purl::image(&image.name, &image.manifest_digest, &image.architecture);
        let analyzed = !inventory.files.is_empty();
        self.packages.push(Package {
            id: IMAGE.to_owned(),
            name: image.name.clone(),
            version_info: image.manifest_digest.clone(),
            supplier: None,
            download_location: NO_ASSERTION,
            // A package whose files are listed counts as analysed, and one without files must not.
            files_analyzed: analyzed,
            package_verification_code: analyzed.then(|| verification_code(&inventory.files)),
            checksums: digest
                .into_iter()
                .map(|value| checksum("SHA256", value))
                .collect(),
            homepage: None,
            license_concluded: NO_ASSERTION,
            license_declared: NO_ASSERTION.to_owned(),
            license_info_from_files: analyzed.then(|| vec![NO_ASSERTION]),
            copyright_text: NO_ASSERTION,
            summary: None,
            external_refs: vec![external_purl(purl)],
            primary_package_purpose: "CONTAINER",
        });
        self.relate("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE);
        for file in &inventory.files {
            self.file(IMAGE, file);
        }
    }

    fn package(&mut self, index: usize, package: &PackageFacts, inventory: &Inventory) {
        let id = package_id(index, package);
        if let Some(licences) = &package.licences {
            for (other, text) in &licences.others {
                self.extracted
                    .entry(other.id.clone())
                    .or_insert_with(|| Extracted {
                        license_id: other.id.clone(),
                        name: other.name.clone(),
                        extracted_text: text.clone(),
                    });
            }
        }
        let purl = purl::binary(
            &package.name,
            &package.version,
            &package.architecture,
            &inventory.image.distribution,
        );
        let declared = package
            .licences
            .as_ref()
            .map_or(NO_ASSERTION, |licences| &licences.expression);
        let analyzed = !package.files.is_empty();
        self.packages.push(Package {
            id: id.clone(),
            name: package.name.clone(),
            version_info: package.version.clone(),
            supplier: package.maintainer.as_deref().map(supplier),
            download_location: NO_ASSERTION,
            files_analyzed: analyzed,
            package_verification_code: analyzed.then(|| verification_code(&package.files)),
            checksums: vec![checksum("SHA256", package.sha256.clone())],
            homepage: package.homepage.clone(),
            license_concluded: NO_ASSERTION,
            license_declared: declared.to_owned(),
            license_info_from_files: analyzed.then(|| vec![NO_ASSERTION]),
            copyright_text: NO_ASSERTION,
            summary: package.summary.clone(),
            external_refs: vec![external_purl(purl)],
            primary_package_purpose: "INSTALL",
        });
        self.relate(IMAGE, "CONTAINS", &id);
        for &position in &package.depends_on {
            if let Some(other) = inventory.packages.get(position) {
                self.relate(&id, "DEPENDS_ON", &package_id(position, other));
            }
        }
        self.relate(
            &id,
            "GENERATED_FROM",
            &source_id(&package.source_name, &package.source_version),
        );
        for file in &package.files {
            self.file(&id, file);
        }
    }

    fn sources(&mut self, inventory: &Inventory) {
        let sources: BTreeSet<(&str, &str)> = inventory
            .packages
            .iter()
            .map(|package| (package.source_name.as_str(), package.source_version.as_str()))
            .collect();
        for (name, version) in sources {
            self.packages.push(Package {
                id: source_id(name, version),
                name: name.to_owned(),
                version_info: version.to_owned(),
                supplier: None,
                download_location: NO_ASSERTION,
                files_analyzed: false,
                package_verification_code: None,
                checksums: Vec::new(),
                homepage: None,
                license_concluded: NO_ASSERTION,
                license_declared: NO_ASSERTION.to_owned(),
                license_info_from_files: None,
                copyright_text: NO_ASSERTION,
                summary: None,
                external_refs: vec![external_purl(purl::source(
                    name,
                    version,
                    &inventory.image.distribution,
                ))],
                primary_package_purpose: "SOURCE",
            });
        }
    }

    fn file(&mut self, owner: &str, file: &FileFacts) {
        let id = format!("SPDXRef-File-{}", self.files.len());
        self.relate(owner, "CONTAINS", &id);
        self.files.push(File {
            id,
            file_name: format!(".{}", file.path),
            checksums: vec![
                checksum("SHA1", file.sha1.clone()),
                checksum("SHA256", file.sha256.clone()),
            ],
            license_concluded: NO_ASSERTION,
            license_info_in_files: vec![NO_ASSERTION],
            copyright_text: NO_ASSERTION,
        });
    }

    fn relate(&mut self, from: &str, relationship_type: &'static str, to: &str) {
        self.relationships.push(Relationship {
            spdx_element_id: from.to_owned(),
            relationship_type,
            related_spdx_element: to.to_owned(),
        });
    }
}

fn package_id(index: usize, package: &PackageFacts) -> String {
    // Two names may differ only in characters that an identifier cannot have, so the number decides.
    format!("SPDXRef-Package-{index}-{}", sanitised(&package.name))
}

fn source_id(name: &str, version: &str) -> String {
    let digest = Sha1::digest(format!("{name} {version}"));
    let short: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("SPDXRef-Source-{}-{short}", sanitised(name))
}

fn sanitised(name: &str) -> String {
    name.replace(
        |character: char| !character.is_ascii_alphanumeric() && character != '.',
        "-",
    )
}

/// `Name <address>` becomes `Organization: Name (address)`.
fn supplier(maintainer: &str) -> String {
    match maintainer.split_once('<') {
        Some((name, address)) => {
            let name = name.trim().trim_matches('"').replace(['(', ')'], "");
            format!(
                "Organization: {} ({})",
                name,
                address.trim_end().trim_end_matches('>')
            )
        }
        None => format!("Organization: {}", maintainer.trim()),
    }
}

/// SHA-1 of the sorted SHA-1s of the files (section 7.9).
fn verification_code(files: &[FileFacts]) -> VerificationCode {
    let mut sums: Vec<&str> = files.iter().map(|file| file.sha1.as_str()).collect();
    sums.sort_unstable();
    let digest = Sha1::digest(sums.concat());
    VerificationCode {
        package_verification_code_value: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

fn checksum(algorithm: &'static str, checksum_value: String) -> Checksum {
    Checksum {
        algorithm,
        checksum_value,
    }
}

fn external_purl(purl: String) -> ExternalRef {
    ExternalRef {
        reference_category: "PACKAGE-MANAGER",
        reference_type: "purl",
        reference_locator: purl,
    }
}
