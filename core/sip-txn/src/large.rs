//! Requests that are too large for a datagram (RFC 3261 §18.1.1): they go over a stream to those who may be addressed so, and
//! over UDP after all when that does not work at once.

use crate::client_invite::State as Invite;
use crate::client_plain::State as Plain;
use crate::clients::{Client, Machine};
use crate::timer::{Cx, Timer};
use crate::{Config, build};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_sip_msg::{Flow, Header, Message, Transport};
use tandem_time::Time;

/// The most bytes of a request over UDP where nobody knows the path MTU (RFC 3261 §18.1.1).
const MOST: usize = 1300;
/// How long a target that took no stream is not asked for one again.
const REFUSED: Duration = Duration::from_secs(3600);
/// Targets remembered at most. They come from the configuration, and from what its names resolve to over the years.
const MAX_TARGETS: usize = 65_536;

/// Who may be addressed over a stream, and since when not.
#[derive(Default)]
pub(crate) struct Streams {
    targets: BTreeMap<SocketAddr, Standing>,
}

#[derive(Clone, Copy)]
enum Standing {
    Untried,
    /// It has answered over one.
    Takes,
    RefusesUntil(Time),
}

impl Streams {
    pub(crate) fn allow(&mut self, target: SocketAddr) {
        if self.targets.len() >= MAX_TARGETS {
            self.targets.clear();
        }
        self.targets.entry(target).or_insert(Standing::Untried);
    }

    fn may(&self, target: SocketAddr, now: Time) -> bool {
        match self.targets.get(&target) {
            Some(Standing::Untried | Standing::Takes) => true,
            Some(Standing::RefusesUntil(until)) => now >= *until,
            None => false,
        }
    }

    fn takes(&self, target: SocketAddr) -> bool {
        matches!(self.targets.get(&target), Some(Standing::Takes))
    }

    pub(crate) fn answered(&mut self, target: SocketAddr) {
        self.note(target, Standing::Takes);
    }

    pub(crate) fn refused(&mut self, target: SocketAddr, now: Time) {
        self.note(target, Standing::RefusesUntil(now + REFUSED));
    }

    fn note(&mut self, target: SocketAddr, standing: Standing) {
        if let Some(known) = self.targets.get_mut(&target) {
            *known = standing;
        }
    }

    /// The stream that a request of so many bytes takes instead of this flow.
    pub(crate) fn instead_of(&self, flow: Flow, size: usize, config: &Config, now: Time) -> Option<Flow> {
        beside(flow, size, config).filter(|_| self.may(flow.remote, now))
    }

    /// The same for a request that nothing will tell of if it is lost.
    pub(crate) fn surely_instead_of(&self, flow: Flow, size: usize, config: &Config) -> Option<Flow> {
        beside(flow, size, config).filter(|_| self.takes(flow.remote))
    }
}

fn beside(flow: Flow, size: usize, config: &Config) -> Option<Flow> {
    if flow.transport != Transport::Udp || size <= MOST {
        return None;
    }
    let listener = config.streams.get(usize::from(flow.listener.0)).copied().flatten()?;
    Some(Flow { transport: Transport::Tcp, listener, ..flow })
}

/// A request that went over a stream because of its size.
pub(crate) struct Large {
    /// The same for UDP, until something was heard.
    request: Option<Bytes>,
    /// The way that its owner wanted.
    pub(crate) wanted: Flow,
    /// When it goes there after all.
    until: Time,
}

impl Large {
    pub(crate) fn new(request: Bytes, wanted: Flow, cx: &Cx<'_>) -> Large {
        Large { request: Some(request), wanted, until: cx.after(Timer::Stream) }
    }

    /// When patience with the stream ends.
    pub(crate) fn due(&self) -> Option<(Timer, Time)> {
        self.request.is_some().then_some((Timer::Stream, self.until))
    }
}

impl Client {
    /// Something came back, so the stream carries: there is no way back to UDP any more.
    pub(crate) fn stream_carries(&mut self) {
        if let Some(large) = &mut self.large {
            large.request = None;
        }
    }

    /// Nothing came back over the stream: the request is to go over UDP, as from its beginning. `None`: it never took a
    /// stream, or has been heard of.
    pub(crate) fn fall_back(&mut self, config: &Config, now: Time) -> Option<Bytes> {
        let large = self.large.as_mut()?;
        let request = large.request.take()?;
        self.flow = large.wanted;
        let cx = Cx { now, config, reliable: false };
        match &mut self.machine {
            Machine::Plain(state) => *state = Plain::start(request.clone(), &cx),
            Machine::Invite(state) => {
                let waiting = state.take_cancel();
                *state = Invite::start(request.clone(), &cx);
                if let Some(cancel) = waiting {
                    let cancel = Message::parse(cancel).ok();
                    let reason = cancel.as_ref().and_then(|cancel| cancel.header(Header::Reason));
                    state.put_cancel(build::cancel(&request, reason));
                }
            }
        }
        Some(request)
    }
}
