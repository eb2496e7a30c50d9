//! The configuration of an image.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Digest, Platform};

/// Longest configuration that is read, in bytes: what containerd takes.
pub const CONFIG_BYTES_MAX: usize = 8 << 20;

/// How an image is run, and what its layers hold when uncompressed.
///
/// Fields that we do not know are ignored when reading; a configuration that has a digest is
/// never written again from this.
///
/// Spec: image-spec "OCI Image Configuration".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When the image was made, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The processor architecture.
    #[serde(default)]
    pub architecture: String,
    /// Variant of the processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The operating system.
    #[serde(default)]
    pub os: String,
    /// Version of the operating system.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// How a container is started by default.
    #[serde(
        default,
        deserialize_with = "crate::json::null_is_default",
        skip_serializing_if = "ContainerConfig::is_empty"
    )]
    pub config: ContainerConfig,
    /// The layers, uncompressed.
    pub rootfs: RootFs,
    /// How the layers came to be.
    #[serde(
        default,
        deserialize_with = "crate::json::null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub history: Vec<History>,
}

/// How a container is started by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// User, or `USER:GROUP`, by name or number; empty is root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Ports, as `PORT[/PROTOCOL]`.
    #[serde(
        default,
        with = "crate::json::set",
        skip_serializing_if = "BTreeSet::is_empty"
    )]
    pub exposed_ports: BTreeSet<String>,
    /// Environment, as `NAME=VALUE`, in order.
    #[serde(
        default,
        deserialize_with = "crate::json::null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub env: Vec<String>,
    /// What is always run; absent differs from empty for those who test it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Its default arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Directories whose content is kept outside the container.
    #[serde(
        default,
        with = "crate::json::set",
        skip_serializing_if = "BTreeSet::is_empty"
    )]
    pub volumes: BTreeSet<String>,
    /// Where the process starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Labels.
    #[serde(
        default,
        deserialize_with = "crate::json::null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
    /// The signal that asks it to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Docker's: the shell of the build's shell forms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
}

impl ContainerConfig {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The layers of an image, uncompressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Digests of the layers' tar archives, from the bottom up.
    #[serde(default, deserialize_with = "crate::json::null_is_default")]
    pub diff_ids: Vec<Digest>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self {
            kind: "layers".to_owned(),
            diff_ids: Vec::new(),
        }
    }
}

/// How one layer, or a change of the configuration alone, came to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By which command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether there is no layer for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// Why bytes are not an [`ImageConfig`].
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// They are more than [`CONFIG_BYTES_MAX`].
    #[error("image configuration of {actual_bytes} bytes, at most {CONFIG_BYTES_MAX} are read")]
    TooLarge {
        /// Their number.
        actual_bytes: usize,
    },
    /// They are not JSON of this form.
    #[error("image configuration cannot be read")]
    Json(#[source] serde_json::Error),
}

impl ImageConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// When it is longer than [`CONFIG_BYTES_MAX`], or not a configuration.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        if bytes.len() > CONFIG_BYTES_MAX {
            return Err(ConfigError::TooLarge {
                actual_bytes: bytes.len(),
            });
        }
        serde_json::from_slice(bytes).map_err(ConfigError::Json)
    }

    /// The configuration as JSON: always the same bytes for the same value.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        crate::manifest::to_json(self)
    }

    /// What the image runs on.
    #[must_use]
    pub fn platform(&self) -> Platform {
        Platform {
            architecture: self.architecture.clone(),
            os: self.os.clone(),
            os_version: self.os_version.clone(),
            os_features: Vec::new(),
            variant: self.variant.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_docker_writes() {
        let json = br#"{"architecture":"amd64","config":{"Hostname":"","User":"","ExposedPorts":{"80/tcp":{}},
            "Env":["PATH=/bin"],"Cmd":null,"Image":"","Volumes":null,"WorkingDir":"/","Entrypoint":[],
            "OnBuild":null,"Labels":null},"container":"x","created":"2026-01-01T00:00:00Z","docker_version":"27",
            "history":[{"created":"2026-01-01T00:00:00Z","created_by":"ADD","empty_layer":true}],"os":"linux",
            "rootfs":{"type":"layers","diff_ids":null}}"#;
        let config = ImageConfig::parse(json).unwrap();
        assert_eq!(config.config.cmd, None);
        assert_eq!(config.config.entrypoint, Some(Vec::new()));
        assert_eq!(config.config.exposed_ports, BTreeSet::from(["80/tcp".to_owned()]));
        assert!(config.history[0].empty_layer);
        assert_eq!(config.platform().to_string(), "linux/amd64");
    }

    #[test]
    fn json_is_as_it_always_was() {
        let config = ImageConfig {
            created: Some("2026-11-22T00:00:00Z".to_owned()),
            architecture: "arm".to_owned(),
            variant: Some("v7".to_owned()),
            os: "linux".to_owned(),
            config: ContainerConfig {
                user: Some("65532".to_owned()),
                exposed_ports: BTreeSet::from(["53/udp".to_owned(), "443".to_owned()]),
                env: vec!["PATH=/usr/bin".to_owned()],
                entrypoint: Some(vec!["/app".to_owned()]),
                working_dir: Some("/home/nonroot".to_owned()),
                labels: BTreeMap::from([("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())]),
                ..ContainerConfig::default()
            },
            rootfs: RootFs {
                diff_ids: vec![Digest::sha256_of(b"")],
                ..RootFs::default()
            },
            history: vec![History {
                created_by: Some("package base-files".to_owned()),
                ..History::default()
            }],
            ..ImageConfig::default()
        };
        let json = String::from_utf8(config.to_json()).unwrap();
        insta::assert_snapshot!(json, @r#"{"created":"2026-11-22T00:00:00Z","architecture":"arm","variant":"v7","os":"linux","config":{"User":"65532","ExposedPorts":{"443":{},"53/udp":{}},"Env":["PATH=/usr/bin"],"Entrypoint":["/app"],"WorkingDir":"/home/nonroot","Labels":{"a":"1","b":"2"}},"rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},"history":[{"created_by":"package base-files"}]}"#);
        assert_eq!(ImageConfig::parse(json.as_bytes()).unwrap(), config);
    }

    #[test]
    fn configurations_are_read_up_to_their_limit() {
        let mut json = br#"{"rootfs":{"type":"layers"}}"#.to_vec();
        json.resize(CONFIG_BYTES_MAX, b' ');
        assert!(ImageConfig::parse(&json).is_ok());
        json.push(b' ');
        assert!(matches!(
            ImageConfig::parse(&json),
            Err(ConfigError::TooLarge { .. })
        ));
    }
}
