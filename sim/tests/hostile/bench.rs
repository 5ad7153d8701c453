//! An engine in the middle of its work, and what one datagram costs it.

use crate::generators::Datagram;
use nix::time::ClockId;
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_model::Kind;
use tandem_sim::World;
use tandem_sip_msg::{Flow, ListenerId, Transport};

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    /// A trunk: its calls are taken up.
    Trunk,
    /// Nobody that we know.
    Stranger,
}

/// An engine with a trunk, a phone and a number that leads to it.
pub struct Bench {
    w: World,
    trunk: SocketAddr,
}

/// How long a processor has worked for this thread: what else the machine does is not ours.
fn busy() -> Duration {
    ClockId::CLOCK_THREAD_CPUTIME_ID.now().expect("every Linux has this clock").into()
}

/// What one datagram cost.
pub struct Cost {
    /// Of a processor.
    pub time: Duration,
    /// What came back to where it seemed to come from.
    pub bytes: usize,
}

impl Bench {
    pub fn new() -> Bench {
        let mut w =
            World::with_settings(1, tandem_sim::Faults::default(), |settings| settings.max_calls = 100_000);
        let (carrier, _) = w.plain_carrier("carrier", json!({}));
        w.phone("1001");
        w.number("15550001", "1001");
        let other = json!({"name": "unused", "mode": "ip_auth", "host": "10.0.3.1", "ping_interval": 0});
        w.create(Kind::Trunk, other);
        let trunk = w.address(carrier);
        Bench { w, trunk }
    }

    /// Hands a datagram to the engine and takes everything that it puts out.
    pub fn cost(&mut self, datagram: &Datagram, from: From) -> Cost {
        let remote = match from {
            From::Trunk => self.trunk,
            From::Stranger => SocketAddr::from(([203, 0, 113, 7], 5060)),
        };
        let flow = Flow {
            transport: Transport::Udp,
            listener: ListenerId(0),
            remote,
            connection: None,
            domain: None,
        };
        let (engine, now) = (&mut self.w.engine, self.w.now);
        let bytes = datagram.bytes.clone();
        let start = busy();
        engine.receive(flow, bytes, now);
        let mut back = 0;
        while let Some(output) = engine.poll_output() {
            if let tandem_engine::Output::Transmit { flow, bytes, .. } = output
                && flow.remote.ip() == remote.ip()
            {
                back += bytes.len();
            }
        }
        Cost { time: busy() - start, bytes: back }
    }

    /// Answers that were not sent because they would have been much longer than what they answer.
    pub fn left_out(&self) -> u64 {
        self.w.engine.transaction_counters().amplifying
    }

    /// Calls that were taken up end.
    pub fn clear(&mut self) {
        self.w.engine.shut_down(self.w.now);
        *self = Bench::new();
    }
}
