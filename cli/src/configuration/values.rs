//! Values of the configuration: parsed while the file is read, so that every error has its place in it.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use registry::{Network, TRUSTED_PROXIES_MAX, TrustedProxies};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};
use store::ImmutableTags;

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Whole<const MIN: u64, const MAX: u64>(pub(crate) u64);

impl<const MIN: u64, const MAX: u64> Whole<MIN, MAX> {
    /// As a number of things in memory.
    pub(crate) fn count(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    pub(crate) fn seconds(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Within<const MIN: u64, const MAX: u64>;

        impl<const MIN: u64, const MAX: u64> Visitor<'_> for Within<MIN, MAX> {
            type Value = Whole<MIN, MAX>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "a whole number from {MIN} to {MAX}")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
                match u64::try_from(value) {
                    Ok(number) if (MIN..=MAX).contains(&number) => Ok(Whole(number)),
                    _ => Err(E::invalid_value(Unexpected::Signed(value), &self)),
                }
            }
        }
        deserializer.deserialize_i64(Within::<MIN, MAX>)
    }
}

/// Seconds, at least one, at most ten years.
pub(crate) type Seconds = Whole<1, 315_360_000>;

/// What is written as text, and checked as such.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text<T>(pub(crate) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parsed<T>(PhantomData<T>);

        impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Parsed<T> {
            type Value = Text<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("text")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
                value.parse().map(Text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Parsed(PhantomData))
    }
}

/// Networks of proxies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Proxies(pub(crate) TrustedProxies);

impl<'de> Deserialize<'de> for Proxies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Networks;

        impl<'de> Visitor<'de> for Networks {
            type Value = Proxies;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    formatter,
                    "a list of at most {TRUSTED_PROXIES_MAX} networks, as \"10.0.0.0/8\""
                )
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Proxies, A::Error> {
                let mut networks: Vec<Network> = Vec::new();
                while let Some(Text(network)) = items.next_element()? {
                    networks.push(network);
                }
                match networks.len() > TRUSTED_PROXIES_MAX {
                    true => Err(A::Error::invalid_length(networks.len(), &self)),
                    false => Ok(Proxies(TrustedProxies::new(networks))),
                }
            }
        }
        deserializer.deserialize_seq(Networks)
    }
}

/// `https://HOST[:PORT]`, nothing more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origin(pub(crate) String);

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Origin, Self::Err> {
        let host = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .ok_or("it has to begin with https:// or http://")?;
        let may = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        match !host.is_empty() && host.bytes().all(may) {
            true => Ok(Origin(text.to_owned())),
            false => Err("after the scheme comes a host with its port, and nothing else"),
        }
    }
}

/// A host name without port, or `*` and what hosts end in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HostPattern(pub(crate) String);

impl FromStr for HostPattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<HostPattern, Self::Err> {
        let may = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        let rest = text.strip_prefix('*').unwrap_or(text);
        if rest.is_empty() || !rest.bytes().all(may) {
            return Err("a host is a name, or `*` followed by what names end in");
        }
        if !rest.starts_with('[') && rest.contains(':') {
            return Err("a host is written without its port");
        }
        Ok(HostPattern(text.to_ascii_lowercase()))
    }
}

/// Which tags never move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Immutable(pub(crate) ImmutableTags);

impl<'de> Deserialize<'de> for Immutable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tags;

        impl<'de> Visitor<'de> for Tags {
            type Value = Immutable;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("\"none\", \"all\" or a list of patterns")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Immutable, E> {
                match value {
                    "none" => Ok(Immutable(ImmutableTags::None)),
                    "all" => Ok(Immutable(ImmutableTags::All)),
                    other => Err(E::invalid_value(Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Immutable, A::Error> {
                let mut patterns = Vec::new();
                while let Some(pattern) = items.next_element()? {
                    patterns.push(pattern);
                }
                Ok(Immutable(ImmutableTags::Matching(patterns)))
            }
        }
        deserializer.deserialize_any(Tags)
    }
}
