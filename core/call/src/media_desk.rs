//! Hands out media ports and collects what the media side is to do.

use std::collections::{BTreeMap, VecDeque};
use tandem_media::{MediaCommand, PortId, PortPool};
use tandem_time::Time;

/// The media side as calls see it: ports to take, commands to give.
pub struct MediaDesk {
    pool: PortPool,
    next: u64,
    open: BTreeMap<PortId, Taken>,
    commands: VecDeque<MediaCommand>,
}

struct Taken {
    local: u16,
    call: u64,
}

impl MediaDesk {
    /// A desk that hands out the ports of `pool`.
    pub fn new(pool: PortPool) -> MediaDesk {
        MediaDesk { pool, next: 1, open: BTreeMap::new(), commands: VecDeque::new() }
    }

    /// Opens a port for a call: its name and its UDP port. `None` when none is free.
    pub fn open(&mut self, call: u64, now: Time) -> Option<(PortId, u16)> {
        let local = self.pool.allot(now)?;
        let port = PortId(self.next);
        self.next += 1;
        self.open.insert(port, Taken { local, call });
        self.commands.push_back(MediaCommand::Open { port, group: call, local });
        Some((port, local))
    }

    /// A port belongs to another call from now on.
    pub fn hand_over(&mut self, port: PortId, call: u64) {
        if let Some(taken) = self.open.get_mut(&port) {
            taken.call = call;
        }
    }

    /// Asks for something.
    pub fn order(&mut self, command: MediaCommand) {
        self.commands.push_back(command);
    }

    /// Which call a port belongs to.
    pub fn call_of(&self, port: PortId) -> Option<u64> {
        self.open.get(&port).map(|taken| taken.call)
    }

    /// The media side closed a port: its UDP port rests in quarantine before it is used again.
    pub fn closed(&mut self, port: PortId, now: Time) {
        if let Some(taken) = self.open.remove(&port) {
            self.pool.release(taken.local, now);
        }
    }

    /// The media side could not open a port; something else has it, so it is left alone for longer.
    pub fn failed(&mut self, port: PortId, now: Time) {
        if let Some(taken) = self.open.remove(&port) {
            self.pool.set_aside(taken.local, now);
        }
    }

    /// The next command for the media side.
    pub fn poll(&mut self) -> Option<MediaCommand> {
        self.commands.pop_front()
    }

    /// Ports open now.
    pub fn in_use(&self) -> usize {
        self.open.len()
    }
}
