//! Bills of materials: what is in an image, as SPDX 2.3 and CycloneDX 1.6.
//!
//! An [`Inventory`] is taken of one platform of an image while its tree is at hand; [`Format::render`]
//! writes it down. Both are functions of the image: no random identifiers, no clock, sorted lists, so
//! the same image has the same documents.

mod copyright;
mod cyclonedx;
mod inventory;
mod licence;
mod purl;
mod spdx;

pub use inventory::{
    FileFacts, ImageFacts, Inventory, InventoryError, InventorySource, Licences, PackageFacts, Sha1Sums,
    take_inventory,
};
pub use licence::OtherLicence;

/// A format of bills of materials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// SPDX 2.3 as JSON.
    Spdx,
    /// CycloneDX 1.6 as JSON.
    CycloneDx,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Spdx, Self::CycloneDx];

    /// The media type of a document, which is also the artifact type of what carries it.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Spdx => "application/spdx+json",
            Self::CycloneDx => "application/vnd.cyclonedx+json",
        }
    }

    /// What a file's name ends in.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Spdx => "spdx.json",
            Self::CycloneDx => "cdx.json",
        }
    }

    /// The document: JSON in one line, with a newline at the end.
    ///
    /// # Errors
    /// When it cannot be serialised, which no inventory causes.
    pub fn render(self, inventory: &Inventory) -> serde_json::Result<Vec<u8>> {
        let mut bytes = match self {
            Self::Spdx => serde_json::to_vec(&spdx::document(inventory))?,
            Self::CycloneDx => serde_json::to_vec(&cyclonedx::document(inventory))?,
        };
        bytes.push(b'\n');
        Ok(bytes)
    }
}
