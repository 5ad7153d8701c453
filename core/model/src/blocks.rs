//! The blocklist as it is asked. A question costs as many looks into a map as a number has digits, or as there are lengths of networks;
//! only patterns and ranges are looked at one by one, and of those there are few.

use crate::index::Clash;
use crate::network::network;
use crate::{Block, BlockKind, CallerMatch, Config, Did, DidForm, Digits, Kind, TenantId};
use ipnet::IpNet;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// How the value of an entry is read: as what it is looked up by.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Value {
    Network(IpNet),
    /// In small letters.
    Agent(String),
    Number(String),
    /// The digits in front.
    Beginning(String),
    Anonymous,
    /// A pattern or a range, as written.
    Pattern(String),
}

impl Value {
    /// Reads a value; an error says what is wrong, `; `, and what to do.
    pub fn read(kind: BlockKind, text: &str) -> Result<Value, String> {
        match kind {
            BlockKind::Ip => network(text).map(Value::Network).map_err(str::to_owned),
            BlockKind::UserAgent => Ok(Value::Agent(text.to_ascii_lowercase())),
            BlockKind::Caller | BlockKind::Destination => of_number(kind, text),
        }
    }

    fn parse(block: &Block) -> Option<Value> {
        Value::read(block.kind, &block.value).ok()
    }
}

fn of_number(kind: BlockKind, text: &str) -> Result<Value, String> {
    let read = CallerMatch::parse(text)?;
    Ok(match &read {
        CallerMatch::Anonymous if kind == BlockKind::Destination => {
            return Err("nobody is called `anonymous`; write a number, a beginning or a pattern".to_owned());
        }
        CallerMatch::Anonymous => Value::Anonymous,
        CallerMatch::Pattern(pattern) => Value::Pattern(pattern.as_str().to_owned()),
        CallerMatch::Numbers(did) => of_did(did),
    })
}

fn of_did(did: &Did) -> Value {
    match did.form() {
        DidForm::Any => Value::Beginning(String::new()),
        DidForm::Prefix(front) => Value::Beginning(front.clone()),
        DidForm::Numbers(numbers) => match numbers.at(0).filter(|_| numbers.count() == 1) {
            Some(number) => Value::Number(number),
            None => Value::Pattern(did.as_str().to_owned()),
        },
    }
}

/// Every entry.
#[derive(Default)]
pub(crate) struct Blocks {
    networks: HashMap<IpNet, Arc<Block>>,
    /// The lengths of those networks, the longest first.
    lengths_v4: Vec<u8>,
    lengths_v6: Vec<u8>,
    agents: Beginnings,
    numbers: HashMap<(Option<TenantId>, BlockKind), Numbers>,
    counts: HashMap<Option<TenantId>, usize>,
}

#[derive(Default)]
struct Beginnings {
    by_front: HashMap<String, Arc<Block>>,
    longest: usize,
}

/// Entries about callers, or about destinations, of one tenant or of the system.
#[derive(Default)]
struct Numbers {
    exact: HashMap<String, Arc<Block>>,
    beginnings: Beginnings,
    anonymous: Option<Arc<Block>>,
    patterns: Vec<(CallerMatch, Arc<Block>)>,
}

impl Blocks {
    pub fn of(config: &Config, clashes: &mut Vec<Clash>) -> Blocks {
        let mut blocks = Blocks::default();
        let mut first: HashMap<(Option<TenantId>, BlockKind, Value), Arc<Block>> = HashMap::new();
        for block in config.blocks.values() {
            *blocks.counts.entry(block.tenant_id).or_default() += 1;
            let Some(value) = Value::parse(block) else { continue };
            match first.entry((block.tenant_id, block.kind, value)) {
                Entry::Vacant(place) => drop(place.insert(block.clone())),
                Entry::Occupied(place) => {
                    let (kind, field) = (Kind::Block, "value");
                    clashes.push(Clash { kind, field, first: place.get().id.0, second: block.id.0 });
                }
            }
        }
        let mut lengths = [BTreeSet::new(), BTreeSet::new()];
        for ((tenant, kind, value), block) in first {
            let numbers = || (tenant, kind);
            match value {
                Value::Network(network) => {
                    lengths[usize::from(network.addr().is_ipv6())].insert(network.prefix_len());
                    blocks.networks.insert(network, block);
                }
                Value::Agent(front) => blocks.agents.add(front, block),
                Value::Number(digits) => {
                    blocks.numbers.entry(numbers()).or_default().exact.insert(digits, block);
                }
                Value::Beginning(front) => {
                    blocks.numbers.entry(numbers()).or_default().beginnings.add(front, block);
                }
                Value::Anonymous => blocks.numbers.entry(numbers()).or_default().anonymous = Some(block),
                Value::Pattern(text) => {
                    if let Ok(pattern) = CallerMatch::parse(&text) {
                        blocks.numbers.entry(numbers()).or_default().patterns.push((pattern, block));
                    }
                }
            }
        }
        // Which of several patterns is named must not be left to chance.
        for numbers in blocks.numbers.values_mut() {
            numbers.patterns.sort_by_key(|(_, block)| block.id);
        }
        let [v4, v6] = lengths;
        blocks.lengths_v4 = v4.into_iter().rev().collect();
        blocks.lengths_v6 = v6.into_iter().rev().collect();
        blocks
    }

    /// Entries of a tenant, or of the system.
    pub fn count(&self, tenant: Option<TenantId>) -> usize {
        self.counts.get(&tenant).copied().unwrap_or_default()
    }

    /// Those of them that are patterns or ranges of this kind.
    pub fn patterns(&self, tenant: Option<TenantId>, kind: BlockKind) -> usize {
        self.numbers.get(&(tenant, kind)).map_or(0, |numbers| numbers.patterns.len())
    }

    /// The smallest network with this address that is in force.
    pub fn address(&self, address: IpAddr, now: u64) -> Option<&Arc<Block>> {
        let address = address.to_canonical();
        let lengths = if address.is_ipv4() { &self.lengths_v4 } else { &self.lengths_v6 };
        let networks = lengths.iter().filter_map(|length| IpNet::new(address, *length).ok());
        networks
            .filter_map(|network| self.networks.get(&network.trunc()))
            .find(|block| block.is_in_force(now))
    }

    pub fn agent(&self, agent: &str, now: u64) -> Option<&Arc<Block>> {
        if self.agents.by_front.is_empty() {
            return None;
        }
        self.agents.find(&agent.to_ascii_lowercase(), now)
    }

    /// The entry of this kind, of the tenant or of the system, about a number that is written in these ways.
    pub fn number<'f>(
        &self,
        kind: BlockKind,
        tenant: Option<TenantId>,
        forms: impl Iterator<Item = &'f str> + Clone,
        now: u64,
    ) -> Option<&Arc<Block>> {
        let of_system = tenant.and_then(|_| self.numbers.get(&(None, kind)));
        let lists = self.numbers.get(&(tenant, kind)).into_iter().chain(of_system);
        lists.filter_map(|numbers| forms.clone().find_map(|form| numbers.find(form, now))).next()
    }
}

impl Numbers {
    fn find(&self, form: &str, now: u64) -> Option<&Arc<Block>> {
        let in_force = |block: &&Arc<Block>| block.is_in_force(now);
        let digits = Digits::parse(form);
        let by_digits = || {
            let digits = digits.as_ref()?.as_str();
            self.exact.get(digits).filter(in_force).or_else(|| self.beginnings.find(digits, now))
        };
        let anonymous = || {
            let anonymous = self.anonymous.as_ref().filter(in_force)?;
            CallerMatch::Anonymous.matches(form).then_some(anonymous)
        };
        let patterns = || {
            let mut patterns = self.patterns.iter().filter(|(_, block)| in_force(&block));
            patterns.find(|(pattern, _)| pattern.matches(form)).map(|(_, block)| block)
        };
        by_digits().or_else(anonymous).or_else(patterns)
    }
}

impl Beginnings {
    fn add(&mut self, front: String, block: Arc<Block>) {
        self.longest = self.longest.max(front.len());
        self.by_front.insert(front, block);
    }

    /// The longest that a text begins with and that is in force.
    fn find(&self, text: &str, now: u64) -> Option<&Arc<Block>> {
        let fronts = (0..=self.longest.min(text.len())).rev().filter_map(|length| text.get(..length));
        fronts.filter_map(|front| self.by_front.get(front)).find(|block| block.is_in_force(now))
    }
}
