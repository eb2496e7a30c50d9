//! Which reads this side answers while it answers a share of them.
//!
//! The choice is a hash of who asks and for which package, and of nothing else: one client does not go to and fro between
//! the sides, every server of the store chooses the same, and who was chosen at one percentage is chosen at every higher one.

use std::net::IpAddr;

use oci::Digest;
use store::PackagePath;

/// Whether this side answers, when it answers `percent` of a hundred reads.
pub(super) fn is_chosen(client: &str, package: &PackagePath, percent: u8) -> bool {
    const SHARES: u64 = 10_000;
    let digest = Digest::sha256_of(format!("{client}\n{package}").as_bytes());
    let number = digest
        .as_bytes()
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    number % SHARES < u64::from(percent) * (SHARES / 100)
}

/// Who an anonymous client counts as: those of one network count together, since one client changes its address within it.
pub(super) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{:x}::/56", d & 0xff00)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str) -> PackagePath {
        PackagePath {
            repository: "projects/p/locations/l/repositories/r".parse().unwrap(),
            name: name.parse().unwrap(),
        }
    }

    #[test]
    fn a_share_of_clients_is_chosen_and_stays_chosen_as_the_share_grows() {
        let clients: Vec<String> = (0..1000).map(|number| format!("user:u{number}")).collect();
        let chosen = |percent| {
            let is_chosen = |client: &&String| is_chosen(client, &package("a"), percent);
            clients.iter().filter(is_chosen).collect::<Vec<_>>()
        };
        assert!(chosen(0).is_empty());
        assert_eq!(chosen(100).len(), 1000);
        let (few, many) = (chosen(10), chosen(50));
        assert!((60..=140).contains(&few.len()), "{}", few.len());
        assert!((430..=570).contains(&many.len()), "{}", many.len());
        assert!(few.iter().all(|client| many.contains(client)));
    }

    #[test]
    fn packages_are_chosen_apart() {
        let names: Vec<String> = (0..200).map(|number| format!("a{number}")).collect();
        let chosen = names
            .iter()
            .filter(|name| is_chosen("user:ann", &package(name), 50))
            .count();
        assert!((60..=140).contains(&chosen), "{chosen}");
    }

    #[test]
    fn the_choice_is_the_same_in_every_release() {
        let of = |client: &str| (0..=100).find(|percent| is_chosen(client, &package("a"), *percent));
        assert_eq!((of("allUsers"), of("user:ann")), (Some(59), Some(24)));
    }

    #[test]
    fn anonymous_clients_count_by_their_network() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("192.0.2.7"), "192.0.2.0/24");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.0/24");
        assert_eq!(of("2001:db8:1:2345::1"), "2001:db8:1:2300::/56");
        assert_eq!(of("2001:db8:1:23ff::1"), of("2001:db8:1:2300::9"));
    }
}
