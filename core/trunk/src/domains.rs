//! Names that certificates have to be for, by number: flows carry the number, and who opens connections knows the name.

use std::collections::{BTreeMap, VecDeque};
use tandem_sip_msg::DomainId;

/// Every name that was ever a trunk's, each once.
#[derive(Debug, Default)]
pub(crate) struct Domains {
    by_name: BTreeMap<String, DomainId>,
    /// Not yet told to who opens connections.
    new: VecDeque<(DomainId, String)>,
}

impl Domains {
    /// The number of a host: a name in any case, with or without a dot at its end, or an address.
    pub(crate) fn number_of(&mut self, host: &str) -> DomainId {
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let next = DomainId(self.by_name.len() as u32);
        *self.by_name.entry(name).or_insert_with_key(|name| {
            self.new.push_back((next, name.clone()));
            next
        })
    }

    pub(crate) fn poll(&mut self) -> Option<(DomainId, String)> {
        self.new.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number_however_it_is_written_and_is_told_once() {
        let mut domains = Domains::default();
        let first = domains.number_of("SIP.example.com.");
        assert_eq!(domains.number_of("sip.example.com"), first);
        let second = domains.number_of("192.0.2.1");
        assert_ne!(first, second);
        assert_eq!(domains.poll(), Some((first, "sip.example.com".to_owned())));
        assert_eq!(domains.poll(), Some((second, "192.0.2.1".to_owned())));
        assert_eq!(domains.poll(), None);
    }
}
