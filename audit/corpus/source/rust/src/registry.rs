//! Hosts of registries. See <https://gcr.io>.

use std::process::Command;

/// The default, `gcr.io/ibex-core`.
pub const DEFAULT: &str = "gcr.io/ibex-core";
const HOSTS: [&str; 3] = ["eu.gcr.io", "ghcr.io", "europe-docker.pkg.dev"];

pub fn image(project: &str, name: &str) -> String {
    // format!("us.gcr.io/{project}/{name}")
    format!("eu.gcr.io/{project}/{name}:latest")
}

pub fn push(image: &str) -> anyhow::Result<()> {
    anyhow::ensure!(HOSTS.iter().any(|h| image.starts_with(h)), "{image} is not on gcr.io");
    tracing::info!(image, "pushing to gcr.io");
    let status = Command::new("docker").args(["push", image]).status()?;
    if !status.success() {
        anyhow::bail!("docker push to gcr.io failed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_host() {
        assert_eq!(image("p", "n"), "eu.gcr.io/p/n:latest");
    }
}
