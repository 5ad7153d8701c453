//! Settled streams handed over to the kernel, which sends their packets on before any socket sees them: no thread wakes up for them,
//! and nothing is copied.
//!
//! The kernel does it by `kernel/offload.c`. That takes Linux 6.6 and the right to load programs (CAP_BPF and CAP_NET_ADMIN); where
//! either lacks, and for all that is not IPv4 over Ethernet or on this machine, the media threads do what they always can.

use crate::bpf::{self, Map, Plain};
use crate::relay::Clock;
use crate::route::Interfaces;
use nix::time::{ClockId, clock_gettime};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use tandem_media::{Passed, Position, Settled};

/// The instructions of `kernel/offload.c`.
const PROGRAM: &[u8] = include_bytes!("../kernel/offload.bpf");
/// That of the program. (The kernel wants to know, since some of what it offers is for GPL programs alone; none of it is used.)
const LICENSE: &std::ffi::CStr = c"MIT";
/// As many as there are ports.
const STREAMS: u32 = 65_536;

/// The kernel's part of a relay. Dropped, or with the process ended however, all streams are back with it.
pub struct Offload {
    flows: Map<Flow>,
    clock: Clock,
    bind: IpAddr,
    interfaces: RwLock<Interfaces>,
    _links: Vec<OwnedFd>,
}

impl fmt::Debug for Offload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offload").field("bind", &self.bind).finish_non_exhaustive()
    }
}

/// `struct flow` of `kernel/offload.c`. Addresses and ports are as they are on the wire.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Flow {
    busy: u32,
    from: u32,
    at: u32,
    from_port: u16,
    out_port: u16,
    out: u32,
    to: u32,
    to_port: u16,
    payload_type: u8,
    reserved: u8,
    ssrc: u32,
    clock_rate: u32,
    per_second: u32,
    interface: u32,
    timestamp: u32,
    sequence: u16,
    reserved2: [u16; 3],
    arrived: u64,
    jitter: i64,
    jitter_highest: i64,
    packets: u64,
    bytes: u64,
    second: u64,
    packets_in_second: u64,
}

// SAFETY: integers, and no padding: the sizes of the fields add up to that of the whole.
unsafe impl Plain for Flow {}
const _: () = assert!(size_of::<Flow>() == 112);

impl Offload {
    /// Loads the program and has it look at what comes in at every interface that it can. `clock` is the relay's.
    pub fn load(bind: IpAddr, clock: Clock) -> io::Result<Offload> {
        if cfg!(target_endian = "big") {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let interfaces = Interfaces::find()?;
        let flows = Map::new(STREAMS)?;
        let program = bpf::load(PROGRAM, &flows, LICENSE)?;
        let links: io::Result<Vec<_>> =
            interfaces.usable.iter().map(|interface| bpf::attach(&program, interface.index)).collect();
        Ok(Offload { flows, clock, bind, interfaces: RwLock::new(interfaces), _links: links? })
    }

    /// Looks anew which addresses this machine has. Interfaces that were added are not looked at.
    pub fn look_around(&self) -> io::Result<()> {
        let found = Interfaces::find()?;
        self.interfaces.write().unwrap_or_else(PoisonError::into_inner).renew(found);
        Ok(())
    }

    /// Has the kernel send on what comes next of a stream. An error means that it stays with us.
    pub fn hand_over(&self, stream: &Settled) -> io::Result<()> {
        let (from, to) = (v4(stream.from)?, v4(stream.forward.to)?);
        let interfaces = self.interfaces.read().unwrap_or_else(PoisonError::into_inner);
        let back = interfaces.route(self.bind, stream.from)?;
        let out = interfaces.route(self.bind, stream.forward.to)?;
        // The system would take what comes from elsewhere, and then from an address of its own, for forged.
        if out.interface.is_none() && back.interface.is_some() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let Position { sequence, timestamp, arrived, jitter, jitter_highest } = stream.position;
        let flow = Flow {
            from: address(*from.ip()),
            at: address(back.source),
            from_port: from.port().to_be(),
            out_port: stream.forward.local.to_be(),
            out: address(out.source),
            to: address(*to.ip()),
            to_port: to.port().to_be(),
            payload_type: stream.payload_type,
            ssrc: stream.ssrc.to_be(),
            clock_rate: stream.clock_rate,
            per_second: stream.per_second,
            interface: out.interface.unwrap_or(0),
            timestamp,
            sequence,
            arrived: nanos(monotonic()?.saturating_sub((self.clock)().since(arrived))),
            jitter,
            jitter_highest,
            ..Flow::default()
        };
        self.flows.insert(stream.local.into(), &flow)
    }

    /// Takes the stream of a local port back: what passed of it meanwhile, if anything did.
    pub fn take_back(&self, local: u16) -> io::Result<Option<Passed>> {
        let Some(flow) = self.flows.remove(local.into())? else { return Ok(None) };
        let Flow { packets, bytes, sequence, timestamp, jitter, jitter_highest, .. } = flow;
        let ago = monotonic()?.saturating_sub(Duration::from_nanos(flow.arrived));
        let arrived = (self.clock)() - ago;
        let position = Position { sequence, timestamp, arrived, jitter, jitter_highest };
        Ok((packets > 0).then_some(Passed { packets, bytes, position }))
    }
}

fn v4(address: SocketAddr) -> io::Result<SocketAddrV4> {
    match address {
        SocketAddr::V4(v4) => Ok(v4),
        SocketAddr::V6(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn address(ip: Ipv4Addr) -> u32 {
    u32::from_ne_bytes(ip.octets())
}

/// The time of the kernel's side.
fn monotonic() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_MONOTONIC)?.into())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
