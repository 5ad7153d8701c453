//! The virtual network: packets in flight, and what becomes of them.

use crate::{Packet, SERVER};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_time::Time;

/// What the network does to signalling packets. Probabilities are parts of 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faults {
    /// Lost.
    pub loss: f64,
    /// Delivered twice.
    pub duplication: f64,
    /// Delayed by up to `jitter` beyond the usual, and so overtaken by others.
    pub reordering: f64,
    /// The usual way.
    pub delay: Duration,
    /// The longest additional delay of one that is reordered.
    pub jitter: Duration,
    /// Datagrams that come with bits turned over, or without their end.
    pub corruption: f64,
    /// Datagrams of the server that are answered by ICMP: nobody there.
    pub unreachable: f64,
    /// Messages on a stream after some byte of which the connection is reset.
    pub cut: f64,
    /// Messages on a stream with which its other end falls silent for ever.
    pub half_open: f64,
}

impl Default for Faults {
    /// A good network: 5 ms and nothing else.
    fn default() -> Faults {
        Faults {
            loss: 0.0,
            duplication: 0.0,
            reordering: 0.0,
            delay: Duration::from_millis(5),
            jitter: Duration::ZERO,
            corruption: 0.0,
            unreachable: 0.0,
            cut: 0.0,
            half_open: 0.0,
        }
    }
}

/// What is done to one particular packet, whatever the probabilities say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is lost.
    Dropped,
    /// It comes twice.
    Doubled,
    /// It comes so much later.
    Delayed(Duration),
}

/// What comes out of the network.
#[derive(Clone, Debug)]
pub(crate) enum Arrival {
    /// A packet.
    Packet(Packet),
    /// The news that nobody listens there.
    Unreachable(SocketAddr),
}

/// Packets in flight.
#[derive(Debug)]
pub struct Network {
    faults: Faults,
    rng: StdRng,
    flying: BTreeMap<(Time, u64), Arrival>,
    sent: u64,
    delivered: u64,
    fates: BTreeMap<u64, Fate>,
    /// What is lost on the way to an address: packets that begin so.
    lost: Option<(SocketAddr, &'static str)>,
}

impl Network {
    /// A network whose faults are decided by `seed`.
    pub fn new(seed: u64, faults: Faults) -> Network {
        Network {
            faults,
            rng: StdRng::seed_from_u64(seed),
            flying: BTreeMap::new(),
            sent: 0,
            delivered: 0,
            fates: BTreeMap::new(),
            lost: None,
        }
    }

    /// Decides what becomes of the n-th signalling packet from now, counted from 0.
    pub fn set_fate(&mut self, n: u64, fate: Fate) {
        self.fates.insert(self.sent + n, fate);
    }

    /// From now on packets to this address that begin so are lost; `None`: no more.
    pub fn lose(&mut self, what: Option<(SocketAddr, &'static str)>) {
        self.lost = what;
    }

    /// Changes what the network does.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Signalling packets sent so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Sends a packet. Media goes the usual way always: what becomes of it is the media tests' matter.
    pub fn send(&mut self, packet: Packet, now: Time) {
        let usual = now + self.faults.delay;
        if packet.is_media {
            return self.deliver(usual, packet);
        }
        let n = self.sent;
        self.sent += 1;
        if self.lost.is_some_and(|(to, start)| packet.to == to && packet.bytes.starts_with(start.as_bytes()))
        {
            return;
        }
        match self.fates.remove(&n) {
            Some(Fate::Dropped) => return,
            Some(Fate::Doubled) => self.deliver(usual + Duration::from_millis(1), packet.clone()),
            Some(Fate::Delayed(by)) => return self.deliver(usual + by, packet),
            None => {}
        }
        if self.rng.random_bool(self.faults.loss) {
            return;
        }
        if self.rng.random_bool(self.faults.duplication) {
            let late = self.late();
            self.deliver(usual + late, packet.clone());
        }
        let late = if self.rng.random_bool(self.faults.reordering) { self.late() } else { Duration::ZERO };
        if self.faults.corruption > 0.0 && self.rng.random_bool(self.faults.corruption) {
            let bytes = self.corrupted(&packet.bytes);
            return self.deliver(usual + late, Packet { bytes, ..packet });
        }
        if self.faults.unreachable > 0.0
            && packet.from == SERVER
            && self.rng.random_bool(self.faults.unreachable)
        {
            return self.fly(usual + self.faults.delay, Arrival::Unreachable(packet.to));
        }
        self.deliver(usual + late, packet);
    }

    fn corrupted(&mut self, bytes: &Bytes) -> Bytes {
        if self.rng.random_bool(0.3) {
            return bytes.slice(..self.rng.random_range(0..=bytes.len()));
        }
        let mut bytes = bytes.to_vec();
        for _ in 0..self.rng.random_range(1..4) {
            if !bytes.is_empty() {
                let at = self.rng.random_range(0..bytes.len());
                bytes[at] ^= 1 << self.rng.random_range(0..8);
            }
        }
        bytes.into()
    }

    /// When the next packet arrives.
    pub fn next(&self) -> Option<Time> {
        self.flying.first_key_value().map(|((at, _), _)| *at)
    }

    /// What has arrived by now.
    pub(crate) fn arrived(&mut self, now: Time) -> Option<Arrival> {
        let entry = self.flying.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    fn late(&mut self) -> Duration {
        self.faults.jitter.mul_f64(self.rng.random_range(0.0..=1.0))
    }

    fn deliver(&mut self, at: Time, packet: Packet) {
        self.fly(at, Arrival::Packet(packet));
    }

    fn fly(&mut self, at: Time, arrival: Arrival) {
        self.delivered += 1;
        self.flying.insert((at, self.delivered), arrival);
    }
}
