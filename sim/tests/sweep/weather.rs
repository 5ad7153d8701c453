//! What a seed makes of everything around the server: network, streams, disk, DNS, and whether the server dies.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fmt;
use std::time::Duration;
use tandem_sim::{Faults, Services};

/// The conditions that a flow is played in.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// What the network does once the flow has begun.
    pub faults: Faults,
    /// What disk and DNS do from then on.
    pub services: Services,
    /// Which of those who take part use TCP; a bit for each.
    pub on_tcp: u64,
    /// The output, counted from the beginning of the flow, with which the server dies; and whether after it.
    pub death: Option<(u64, bool)>,
}

impl Weather {
    /// The weather of a seed: anything from good to 30 % loss with copies, and packets up to two seconds late; in some, worse things.
    pub fn of(seed: u64) -> Weather {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut faults = Faults {
            loss: rng.random_range(0.0..0.3),
            duplication: rng.random_range(0.0..0.2),
            reordering: rng.random_range(0.0..0.3),
            jitter: Duration::from_millis(rng.random_range(0..2_000)),
            ..Faults::default()
        };
        if rng.random_bool(0.1) {
            faults.corruption = rng.random_range(0.0..0.1);
        }
        if rng.random_bool(0.2) {
            faults.unreachable = rng.random_range(0.0..0.1);
        }
        let on_tcp = if rng.random_bool(0.4) { rng.random() } else { 0 };
        if on_tcp != 0 && rng.random_bool(0.5) {
            faults.cut = rng.random_range(0.0..0.1);
        }
        if on_tcp != 0 && rng.random_bool(0.2) {
            faults.half_open = rng.random_range(0.0..0.05);
        }
        let services = match rng.random_bool(0.3) {
            true => Services {
                every_write: Duration::ZERO,
                write: Duration::from_millis(rng.random_range(0..6_000)),
                write_fails: rng.random_range(0.0..0.5),
                lookup: Duration::from_millis(rng.random_range(0..8_000)),
                lookup_fails: rng.random_range(0.0..0.5),
            },
            false => Services::default(),
        };
        let death = rng.random_bool(0.15).then(|| (rng.random_range(0..200), rng.random()));
        Weather { faults, services, on_tcp, death }
    }

    /// Bytes may come other than they were sent: what the server makes of them cannot be held against it.
    pub fn corrupts(&self) -> bool {
        self.faults.corruption > 0.0
    }

    /// Somebody may be cut off from the server without a word.
    pub fn cuts_off(&self) -> bool {
        self.death.is_some() || self.on_tcp != 0 || self.corrupts() || self.faults.unreachable > 0.0
    }
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Faults { loss, duplication, reordering, jitter, corruption, unreachable, cut, half_open, .. } =
            self.faults;
        write!(f, "loss {loss:.2}, copies {duplication:.2}, late {reordering:.2} by {jitter:?}")?;
        let rare =
            [("corruption", corruption), ("ICMP", unreachable), ("cut", cut), ("half open", half_open)];
        for (name, rate) in rare.into_iter().filter(|(_, rate)| *rate > 0.0) {
            write!(f, ", {name} {rate:.2}")?;
        }
        if self.on_tcp != 0 {
            write!(f, ", some on TCP")?;
        }
        if self.services != Services::default() {
            write!(f, ", slow disk and DNS")?;
        }
        if let Some((output, after)) = self.death {
            write!(f, ", death {} output {output}", if after { "after" } else { "before" })?;
        }
        Ok(())
    }
}
