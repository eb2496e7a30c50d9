//! Where requests come from, as far as it tells one client from another.

use std::net::IpAddr;

/// An address; of IPv6 the network of a customer, since each has more addresses than could be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Origin(IpAddr);

impl Origin {
    pub(crate) fn of(address: IpAddr) -> Origin {
        const NETWORK: u128 = !0 << 64;
        Origin(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6((u128::from(address) & NETWORK).into()),
            address => address,
        })
    }
}
