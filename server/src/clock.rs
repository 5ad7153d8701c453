//! The only clock of the server: wall time at the start, then monotonic time, so that it never jumps.

use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tandem_time::Time;

/// A clock that was set once.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: Time,
    started: Instant,
}

impl Clock {
    /// Sets a clock by the wall.
    pub fn start() -> Clock {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { wall: Time::default() + wall, started: Instant::now() }
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.wall + self.started.elapsed()
    }

    /// The instant of a moment, for a sleep until then.
    pub fn instant(&self, at: Time) -> Instant {
        self.started + at.since(self.wall)
    }

    /// Seconds since the start.
    pub fn uptime_secs(&self) -> u64 {
        self.started.elapsed().as_secs()
    }
}
