//! Whose request it is that a proxy passes on.
//!
//! What a proxy says of its client counts only where the operator named the proxy's address: everybody can write such a
//! header. It says from where a request comes, to be slowed down, counted and accounted for, and under which scheme and host
//! its client reaches the registry; never that somebody is on this machine ([`is_local`](crate::access::is_local) takes the
//! mere presence of such a header for the contrary).
//!
//! Spec: RFC 7239; `X-Forwarded-For`, `-Proto` and `-Host` as nginx, HAProxy, Envoy and Traefik write them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName};

/// Most networks that can be trusted.
pub const TRUSTED_PROXIES_MAX: usize = 256;
/// Proxies between a client and the registry, counted from the registry: what is said of more is not looked at.
const HOPS_MAX: usize = 32;
/// Longest `Forwarded` that is looked at, all its lines together.
const FORWARDED_BYTES_MAX: usize = 8 << 10;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Addresses that begin alike: `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// Bits in which they are alike.
    bits: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// It has another form.
    #[error("a network is an address with the number of bits that count, as 10.0.0.0/8, or one address")]
    Form,
    /// It has bits that do not count.
    #[error(
        "the address of a network has no bits beyond those that count, as 10.0.0.0/8 has not and 10.0.0.1/8 has"
    )]
    Beyond,
}

/// The proxies that are believed. None, by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// From where a request comes, and what its client calls the registry if that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forwarded {
    pub(crate) client: IpAddr,
    /// `http` or `https`.
    pub(crate) scheme: Option<&'static str>,
    pub(crate) host: Option<String>,
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        let (own, other, all) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (u128::from(own.to_bits()), u128::from(other.to_bits()), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        // None where no bit counts.
        let differing = (own ^ other).checked_shr(all - u32::from(self.bits));
        differing.unwrap_or(0) == 0
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) if bits.bytes().all(|byte| byte.is_ascii_digit()) => (address, Some(bits)),
            Some(_) => return Err(NetworkError::Form),
            None => (text, None),
        };
        let written: IpAddr = address.parse().map_err(|_| NetworkError::Form)?;
        let all = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse::<u8>().map_err(|_| NetworkError::Form)?,
            None => all(written),
        };
        // Addresses of IPv4 within IPv6 are those of IPv4.
        let address = written.to_canonical();
        let bits = bits
            .checked_sub(all(written) - all(address))
            .filter(|bits| *bits <= all(address))
            .ok_or(NetworkError::Form)?;
        let network = Network { address, bits };
        let own = match address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        match own.trailing_zeros() >= u32::from(all(address) - bits) {
            true => Ok(network),
            false => Err(NetworkError::Beyond),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.bits)
    }
}

impl TrustedProxies {
    /// Those in these networks; beyond [`TRUSTED_PROXIES_MAX`] none.
    #[must_use]
    pub fn new(networks: impl IntoIterator<Item = Network>) -> TrustedProxies {
        TrustedProxies(networks.into_iter().take(TRUSTED_PROXIES_MAX).collect())
    }

    fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// From where a request comes that `peer` sent.
    pub(crate) fn forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> Forwarded {
        let peer = peer.to_canonical();
        let by_peer = Forwarded {
            client: peer,
            scheme: None,
            host: None,
        };
        if !self.contain(peer) {
            return by_peer;
        }
        let standard = headers
            .contains_key(FORWARDED)
            .then(|| self.by_standard(peer, headers));
        let listed = headers
            .contains_key(FORWARDED_FOR)
            .then(|| self.client(peer, listed(headers).map(address)));
        let (scheme, host) = (
            scheme(last(headers, FORWARDED_PROTO)),
            last(headers, FORWARDED_HOST),
        );
        match (standard, listed) {
            // A proxy writes one of the two and passes the other on as its client wrote it. Nobody can tell which.
            (Some(standard), Some(listed)) if standard.client != listed => by_peer,
            // The same of scheme and host: with its own address a client can make the two agree.
            (Some(standard), Some(_)) => Forwarded {
                scheme: standard.scheme.filter(|named| scheme.as_ref() == Some(named)),
                host: standard
                    .host
                    .filter(|named| self::host(host).as_ref() == Some(named)),
                ..standard
            },
            (Some(standard), None) => Forwarded {
                scheme: standard.scheme.or(scheme),
                host: standard.host.or_else(|| self::host(host)),
                ..standard
            },
            (None, listed) => Forwarded {
                client: listed.unwrap_or(peer),
                scheme,
                host: self::host(host),
            },
        }
    }

    /// The first address from the right that is no proxy's: a proxy that is believed says who is left of it, and nobody is
    /// believed beyond.
    fn client(&self, peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut client = peer;
        for hop in hops.take(HOPS_MAX) {
            match hop {
                Some(hop) if self.contain(client) => client = hop,
                _ => break,
            }
        }
        client
    }

    fn by_standard(&self, peer: IpAddr, headers: &HeaderMap) -> Forwarded {
        let mut forwarded = Forwarded {
            client: peer,
            scheme: None,
            host: None,
        };
        for hop in hops(headers).unwrap_or_default().iter().rev().take(HOPS_MAX) {
            if !self.contain(forwarded.client) {
                break;
            }
            // What the proxy that is nearest to the client says of it.
            forwarded.scheme = scheme(hop.proto.as_deref());
            forwarded.host = host(hop.host.as_deref());
            match hop.client.as_deref().and_then(address) {
                Some(client) => forwarded.client = client,
                None => break,
            }
        }
        forwarded
    }
}

/// The entries of `X-Forwarded-For` from the right.
fn listed(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(',').map(str::trim))
}

/// The last entry of a header: that of the proxy whose connection it is.
fn last(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let line = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    line.rsplit(',').next().map(str::trim)
}

fn scheme(text: Option<&str>) -> Option<&'static str> {
    let text = text?;
    ["https", "http"]
        .into_iter()
        .find(|scheme| text.eq_ignore_ascii_case(scheme))
}

fn host(text: Option<&str>) -> Option<String> {
    text.filter(|text| crate::registry::is_host(text))
        .map(str::to_owned)
}

/// An address, perhaps with a port, as `192.0.2.1:80` and `[2001:db8::1]`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}

/// What one proxy says of its client.
#[derive(Debug, Default)]
struct Hop {
    client: Option<String>,
    proto: Option<String>,
    host: Option<String>,
}

/// The elements of `Forwarded` from the left; none where anything of it is malformed, since what a client left open could hide
/// what a proxy wrote behind it.
fn hops(headers: &HeaderMap) -> Option<Vec<Hop>> {
    let lines: Vec<&[u8]> = headers
        .get_all(FORWARDED)
        .iter()
        .map(|line| line.as_bytes())
        .collect();
    if lines.iter().map(|line| line.len()).sum::<usize>() > FORWARDED_BYTES_MAX {
        return None;
    }
    let mut hops = Vec::new();
    for line in lines {
        let line = std::str::from_utf8(line).ok()?;
        for element in parts(line, ',')? {
            let mut hop = Hop::default();
            for pair in parts(element, ';')? {
                hop.take(pair)?;
            }
            hops.push(hop);
        }
    }
    Some(hops)
}

impl Hop {
    fn take(&mut self, pair: &str) -> Option<()> {
        let pair = pair.trim();
        if pair.is_empty() {
            return Some(());
        }
        let (name, value) = pair.split_once('=')?;
        let place = match name.trim().to_ascii_lowercase().as_str() {
            "for" => &mut self.client,
            "proto" => &mut self.proto,
            "host" => &mut self.host,
            _ => return Some(()),
        };
        *place = Some(unquoted(value.trim())?);
        Some(())
    }
}

/// `text` at each `separator` that is in no quotes; none where quotes stay open.
fn parts(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if character == separator && !is_quoted => {
                parts.push(text.get(begin..at)?);
                begin = at + character.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(begin..)?);
    (!is_quoted).then_some(parts)
}

fn unquoted(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix('"') else {
        return (!text.contains('"')).then(|| text.to_owned());
    };
    let inner = inner.strip_suffix('"')?;
    let mut plain = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => characters.next()?,
            '"' => return None,
            other => other,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests;
