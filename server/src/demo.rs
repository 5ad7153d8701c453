//! `tandem demo`: a server on loopback among a simulated carrier and two phones, with a call placed each way.

mod agent;
mod story;
mod verdict;

use crate::options::{Options, PortRange, ServeArgs};
use crate::serve;
use clap::Args;
use std::error::Error;
use std::net::{SocketAddr, TcpListener, UdpSocket};

/// `tandem demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// End after the two calls instead of staying up; the exit code tells whether both went well
    #[arg(long)]
    once: bool,
}

/// Runs the demo.
pub fn run(args: DemoArgs) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::Builder::new().prefix("tandem-demo-").tempdir()?;
    let sip = free_udp(5060)?;
    let http = free_tcp(8080)?;
    let options = Options::settle(ServeArgs {
        // No file of the working directory has a say in the demo.
        config: Some("/dev/null".into()),
        data: Some(folder.path().to_owned()),
        sip: vec![format!("udp:{sip}").parse()?, format!("tcp:{sip}").parse()?],
        http: Some(http),
        rtp_ports: Some(PortRange(20_000, 20_999)),
        advertise: Some(sip.ip()),
        // So that the softphone whose line is printed need not try twice.
        auth_algorithms: vec!["md5".parse()?],
        drain: Some(1),
        ..ServeArgs::default()
    })?;
    serve::runtime()?.block_on(story::tell(options, sip, args.once))
}

/// The usual port if nobody has it, else any.
fn free_udp(usual: u16) -> std::io::Result<SocketAddr> {
    let free = |port| UdpSocket::bind(("127.0.0.1", port)).and_then(|socket| socket.local_addr());
    free(usual).or_else(|_| free(0))
}

fn free_tcp(usual: u16) -> std::io::Result<SocketAddr> {
    let free = |port| TcpListener::bind(("127.0.0.1", port)).and_then(|socket| socket.local_addr());
    free(usual).or_else(|_| free(0))
}
