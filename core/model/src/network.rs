//! Networks as people write them: a bare address is the network of that address alone, and host bits are dropped.

use ipnet::IpNet;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::net::IpAddr;

struct Network(IpNet);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Network, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        network(&text).map(Network).map_err(D::Error::custom)
    }
}

/// Reads one; an error says what is wrong, `; `, and what to do.
pub(crate) fn network(text: &str) -> Result<IpNet, &'static str> {
    let address = |text: &str| text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse::<IpNet>().or_else(|_| address(text));
    network.map(|network| network.trunc()).map_err(|_| {
        "this is neither an address nor a network; write it as `192.0.2.1`, `192.0.2.0/24` or `2001:db8::/32`"
    })
}

/// Reads a list of them, for `deserialize_with`.
pub(crate) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    Ok(Vec::<Network>::deserialize(deserializer)?.into_iter().map(|network| network.0).collect())
}
