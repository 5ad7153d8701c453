//! Which trunks an address may be: looked up, never searched through.

use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// Slots of trunks by what they are known by. Each slot's entries are put and taken as a whole.
#[derive(Debug, Default)]
pub(crate) struct Index {
    exact: BTreeMap<SocketAddr, Vec<u32>>,
    /// Networks by their first address and length; a single address is a network of one.
    nets: BTreeMap<IpNet, Vec<u32>>,
    /// The lengths in use, with how many entries have them: (IPv6, length).
    lengths: BTreeSet<(bool, u8)>,
    /// By the names of their certificates.
    names: BTreeMap<String, Vec<u32>>,
    by_slot: BTreeMap<u32, Entries>,
}

/// What one trunk is known by.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Entries {
    pub(crate) targets: Vec<SocketAddr>,
    /// It comes from the ports of its targets only.
    pub(crate) exact: bool,
    pub(crate) nets: Vec<IpNet>,
    /// In lower case.
    pub(crate) names: Vec<String>,
}

impl Index {
    /// Replaces what this slot is known by.
    pub(crate) fn put(&mut self, slot: u32, mut entries: Entries) {
        for target in &mut entries.targets {
            target.set_ip(target.ip().to_canonical());
        }
        entries.nets = entries.nets.iter().map(IpNet::trunc).collect();
        if !entries.exact {
            entries.nets.extend(entries.targets.iter().map(|target| IpNet::from(target.ip())));
        }
        if self.by_slot.get(&slot) == Some(&entries) {
            return;
        }
        self.take(slot);
        for target in &entries.targets {
            add(self.exact.entry(*target).or_default(), slot);
        }
        for net in &entries.nets {
            add(self.nets.entry(*net).or_default(), slot);
            self.lengths.insert((matches!(net, IpNet::V6(_)), net.prefix_len()));
        }
        for name in &entries.names {
            add(self.names.entry(name.clone()).or_default(), slot);
        }
        self.by_slot.insert(slot, entries);
    }

    /// This slot is known by nothing any more.
    pub(crate) fn take(&mut self, slot: u32) {
        let Some(entries) = self.by_slot.remove(&slot) else { return };
        for target in &entries.targets {
            if let Some(slots) = self.exact.get_mut(target) {
                slots.retain(|s| *s != slot);
                if slots.is_empty() {
                    self.exact.remove(target);
                }
            }
        }
        for name in &entries.names {
            if let Some(slots) = self.names.get_mut(name) {
                slots.retain(|s| *s != slot);
                if slots.is_empty() {
                    self.names.remove(name);
                }
            }
        }
        // A length that has no more entries costs a fruitless look-up and nothing else.
        for net in &entries.nets {
            if let Some(slots) = self.nets.get_mut(net) {
                slots.retain(|s| *s != slot);
                if slots.is_empty() {
                    self.nets.remove(net);
                }
            }
        }
    }

    /// Slots with one of these names.
    pub(crate) fn named(&self, names: &[String]) -> Vec<u32> {
        let mut found = Vec::new();
        for slot in names.iter().filter_map(|name| self.names.get(&name.to_ascii_lowercase())).flatten() {
            add(&mut found, *slot);
        }
        found
    }

    /// Whether any slot is known by this address.
    pub(crate) fn knows(&self, source: SocketAddr) -> bool {
        self.exact.contains_key(&canonical(source)) || self.around(source.ip()).next().is_some()
    }

    /// Slots with exactly this address and port; if there are none, those with a target or a network of this address, the
    /// longest prefix first.
    pub(crate) fn at(&self, source: SocketAddr) -> Vec<u32> {
        if let Some(slots) = self.exact.get(&canonical(source)) {
            return slots.clone();
        }
        let mut found: Vec<u32> = Vec::new();
        for slot in self.around(source.ip()).flatten() {
            add(&mut found, *slot);
        }
        found
    }

    /// Those of [`Index::at`] that are known by this address and port, or by the longest prefix that any is.
    pub(crate) fn nearest(&self, source: SocketAddr) -> Vec<u32> {
        let exact = self.exact.get(&canonical(source));
        exact.or_else(|| self.around(source.ip()).next()).cloned().unwrap_or_default()
    }

    /// Who has a network around this address, by the length of its prefix, the longest first.
    fn around(&self, ip: IpAddr) -> impl Iterator<Item = &Vec<u32>> {
        let ip = ip.to_canonical();
        let lengths = self.lengths.range((ip.is_ipv6(), 0)..=(ip.is_ipv6(), 128)).rev();
        lengths.filter_map(move |(_, length)| self.nets.get(&net_of(ip, *length)?))
    }
}

fn canonical(source: SocketAddr) -> SocketAddr {
    SocketAddr::new(source.ip().to_canonical(), source.port())
}

fn net_of(ip: IpAddr, length: u8) -> Option<IpNet> {
    IpNet::new(ip, length).ok().map(|net| net.trunc())
}

fn add(slots: &mut Vec<u32>, slot: u32) {
    if !slots.contains(&slot) {
        slots.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(targets: &[&str], nets: &[&str]) -> Entries {
        Entries {
            targets: targets.iter().map(|t| t.parse().unwrap()).collect(),
            exact: false,
            nets: nets.iter().map(|n| n.parse().unwrap()).collect(),
            names: Vec::new(),
        }
    }

    const NOBODY: [u32; 0] = [];

    fn at(index: &Index, source: &str) -> Vec<u32> {
        index.at(source.parse().unwrap())
    }

    #[test]
    fn the_exact_address_and_port_wins_over_everything_else() {
        let mut index = Index::default();
        index.put(1, entries(&["192.0.2.1:5060"], &[]));
        index.put(2, entries(&["192.0.2.1:5080"], &[]));
        index.put(3, entries(&[], &["192.0.2.0/24"]));
        assert_eq!(at(&index, "192.0.2.1:5080"), [2]);
        assert_eq!(at(&index, "[::ffff:192.0.2.1]:5060"), [1]);
    }

    #[test]
    fn else_every_trunk_of_that_address_is_found_the_longest_prefix_first() {
        let mut index = Index::default();
        index.put(1, entries(&[], &["192.0.2.7/24"]));
        index.put(2, entries(&["192.0.2.1:5060"], &[]));
        index.put(3, entries(&[], &["192.0.0.0/16", "2001:db8::/32"]));
        assert_eq!(at(&index, "192.0.2.1:40000"), [2, 1, 3]);
        assert_eq!(at(&index, "192.0.2.2:40000"), [1, 3]);
        assert_eq!(at(&index, "[2001:db8::5]:5060"), [3]);
        assert_eq!(at(&index, "198.51.100.1:5060"), NOBODY);
    }

    #[test]
    fn the_nearest_are_those_of_the_longest_prefix() {
        let mut index = Index::default();
        index.put(1, entries(&["192.0.2.1:5060"], &[]));
        index.put(2, entries(&[], &["192.0.2.0/24"]));
        let nearest = |source: &str| index.nearest(source.parse().unwrap());
        assert_eq!(nearest("192.0.2.1:5060"), [1]);
        assert_eq!(nearest("192.0.2.1:40000"), [1]);
        assert_eq!(nearest("192.0.2.2:5060"), [2]);
        assert_eq!(nearest("198.51.100.1:5060"), NOBODY);
    }

    #[test]
    fn who_comes_from_certain_ports_is_not_known_by_others() {
        let mut index = Index::default();
        index.put(1, Entries { exact: true, ..entries(&["192.0.2.1:5060"], &[]) });
        assert_eq!(at(&index, "192.0.2.1:5060"), [1]);
        assert_eq!(at(&index, "192.0.2.1:5061"), NOBODY);
        assert!(index.knows("192.0.2.1:5060".parse().unwrap()));
        assert!(!index.knows("192.0.2.1:5061".parse().unwrap()));
    }

    #[test]
    fn what_is_replaced_or_taken_is_no_longer_found() {
        let mut index = Index::default();
        index.put(1, entries(&["192.0.2.1:5060"], &["10.0.0.0/8"]));
        index.put(1, entries(&["192.0.2.9:5060"], &[]));
        assert_eq!(at(&index, "192.0.2.1:5060"), NOBODY);
        assert_eq!(at(&index, "10.1.1.1:5060"), NOBODY);
        assert!(!index.knows("10.1.1.1:5060".parse().unwrap()));
        assert_eq!(at(&index, "192.0.2.9:5060"), [1]);
        assert!(index.knows("192.0.2.9:1".parse().unwrap()));
        index.take(1);
        assert_eq!(at(&index, "192.0.2.9:5060"), NOBODY);
        assert!(index.exact.is_empty() && index.nets.is_empty() && index.by_slot.is_empty());
    }
}
