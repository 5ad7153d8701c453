//! The real binary against real clients.
//!
//! Everything here runs headless, on loopback, on ports and in directories of its own, so tests
//! may run side by side. The peers are the ones found on any Debian machine: Kamailio as the
//! carrier, baresip as the phones, SIPp for calls that follow a script. `tools/install-test-tools`
//! brings them.
//!
//! This crate is for tests, so it does not hand errors around: whatever goes wrong panics, and
//! every process still running then prints the end of its log.

pub mod baresip;
pub mod certificates;
pub mod crowd;
pub mod kamailio;
pub mod lossy;
pub mod names;
pub mod ports;
pub mod process;
pub mod provider;
pub mod secure;
pub mod sipp;
pub mod tandem;
pub mod tone;
pub mod vitals;

/// What carries SIP between a peer and the next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Transport {
    /// Datagrams.
    #[default]
    Udp,
    /// A stream.
    Tcp,
}

impl Transport {
    /// The name as it stands in a `transport=` parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        }
    }
}
