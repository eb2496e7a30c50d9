//! `fontconfig-config.postinst` with the answers that debconf gives when nobody is asked.

use super::generated::{Generated, ROOT, at};
use super::{Context, EmulationError};
use crate::tree::{Last, Tree};

pub(super) fn apply(tree: &mut Tree, context: &Context<'_>) -> Result<(), EmulationError> {
    if !context.has_package("fontconfig-config") {
        return Ok(());
    }
    let mut fonts = Generated::new(tree, "fontconfig", context);
    fonts.directory("/usr/local/share/fonts", 0o755, ROOT)?;
    fonts.enable("10-hinting-slight.conf")?;
    // Debian 13 keeps emoji, whose fonts are bitmaps; Debian 12 has only the other file.
    if !fonts.enable("70-no-bitmaps-except-emoji.conf")? {
        fonts.enable("70-no-bitmaps.conf")?;
    }
    Ok(())
}

impl Generated<'_> {
    /// Links a file of `conf.avail` into `conf.d`, and says whether there is such a file.
    fn enable(&mut self, name: &str) -> Result<bool, EmulationError> {
        let available = format!("/usr/share/fontconfig/conf.avail/{name}");
        let real = self.tree().resolve(&at(&available)?, Last::Follow)?;
        if self.tree().file(&real).is_none() {
            return Ok(false);
        }
        self.link(&format!("/etc/fonts/conf.d/{name}"), &available)?;
        Ok(true)
    }
}
