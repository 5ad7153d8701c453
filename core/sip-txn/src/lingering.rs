//! The server transactions that are answered and stay for copies of their requests (Timer J, RFC 3261 §17.2.2).

use crate::ServerKey;
use std::collections::VecDeque;
use tandem_time::Time;

/// They are most of all transactions, and Timer J is one length for all: a queue tells which ends next, with no timer for each.
#[derive(Default)]
pub(crate) struct Lingering {
    queue: VecDeque<(Time, ServerKey)>,
}

impl Lingering {
    /// From now until `j`.
    pub(crate) fn push(&mut self, j: Time, key: ServerKey) {
        self.queue.push_back((j, key));
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// When Timer J of the oldest falls due.
    pub(crate) fn due(&self) -> Option<Time> {
        self.queue.front().map(|&(j, _)| j)
    }

    /// Takes one whose Timer J is due by `now`.
    pub(crate) fn pop(&mut self, now: Time) -> Option<ServerKey> {
        self.queue.pop_front_if(|&mut (j, _)| j <= now).map(|(_, key)| key)
    }

    /// Takes the oldest if there are more than `room`.
    pub(crate) fn pop_beyond(&mut self, room: usize) -> Option<ServerKey> {
        if self.queue.len() <= room {
            return None;
        }
        self.queue.pop_front().map(|(_, key)| key)
    }
}
