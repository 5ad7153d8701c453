//! How many registrations a second a disk acknowledges: `cargo run --release -p tandem-store --example rates -- [folder]
//! [devices] [clients]`. Devices refresh in random order, as they do; each client waits for its acknowledgement.

use std::path::PathBuf;
use std::time::{Duration, Instant};
use tandem_model::{Binding, BindingChange, BindingOwner, ExtensionId};
use tandem_store::{BindingsWriter, Store};

fn binding(n: u64, round: u64) -> Binding {
    // A multiplicative hash: ids of neighbours in time lie far apart in the table.
    let scattered = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let mut id = [0; 16];
    id[..8].copy_from_slice(&scattered);
    Binding {
        owner: BindingOwner::Extension(ExtensionId(uuid::Uuid::from_bytes(id))),
        contact: format!("sip:phone{n}@192.0.2.1:5060;transport=udp;line=0a1b2c3d"),
        call_id: format!("{n}-0a1b2c3d4e5f@192.0.2.1"),
        cseq: round as u32,
        expires_at: 1_700_003_600 + round,
        transport: "udp".to_owned(),
        source: "192.0.2.1:5060".parse().unwrap_or_else(|_| unreachable!()),
        listener: 0,
        connection: None,
        path: Vec::new(),
        user_agent: Some("Some phone/1.2.3".to_owned()),
    }
}

async fn client(writer: BindingsWriter, numbers: impl Iterator<Item = u64>, round: u64) -> Vec<Duration> {
    let mut waits = Vec::new();
    for n in numbers {
        let begun = Instant::now();
        if let Err(error) = writer.write(vec![BindingChange::Put(binding(n, round))]).await {
            eprintln!("{error}");
        }
        waits.push(begun.elapsed());
    }
    waits
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(|| std::env::temp_dir().join("tandem-rates"), PathBuf::from);
    let devices: u64 = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let clients: u64 = arguments.next().map_or(Ok(500), |text| text.parse())?;
    let store = Store::open(&folder).await?;
    let writer = store.bindings_writer();
    for round in 0..3 {
        let begun = Instant::now();
        let tasks = (0..clients).map(|lane| {
            tokio::spawn(client(writer.clone(), (lane..devices).step_by(clients as usize), round))
        });
        let mut waits = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            waits.extend(task.await?);
        }
        waits.sort_unstable();
        let rate = devices as f64 / begun.elapsed().as_secs_f64();
        let (median, worst) = (waits[waits.len() / 2], waits[waits.len() * 99 / 100]);
        println!(
            "{devices} registrations by {clients} clients: {rate:.0} a second, median {median:.1?}, p99 {worst:.1?}"
        );
    }
    Ok(())
}
