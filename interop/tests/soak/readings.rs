//! What is measured while it goes on.

use std::fmt;
use std::fs;
use std::time::Instant;

use tandem_interop::tandem::Server;
use tandem_interop::vitals::Vitals;

/// Pages of its database that the server keeps in memory: those of the one who writes, and of the two who read.
const CACHE_KIB: u64 = (8 + 2 * 2) << 10;
/// The memory that they take: each page of 4 KiB, with what SQLite adds to it, becomes a block of 5 KiB.
pub const CACHE_TAKES_KIB: u64 = CACHE_KIB / 4 * 5;

/// What the process takes and what it says of itself.
#[derive(Clone, Copy)]
pub struct Reading {
    pub at: Instant,
    pub vitals: Vitals,
    /// The database, KiB.
    database: u64,
    calls: u64,
    kept: u64,
    started: u64,
    transactions: u64,
    media_ports: u64,
    devices: u64,
    forwarded: u64,
}

impl Reading {
    pub fn of(tandem: &Server) -> Reading {
        Reading {
            at: Instant::now(),
            vitals: tandem.vitals(),
            database: fs::metadata(tandem.data_dir().join("tandem.db")).map_or(0, |file| file.len() >> 10),
            calls: tandem.metric("tandem_calls"),
            kept: tandem.metric("tandem_calls_kept"),
            started: tandem.metric("tandem_calls_started_total"),
            transactions: tandem.metric("tandem_sip_transactions"),
            media_ports: tandem.metric("tandem_media_ports"),
            devices: tandem.metric("tandem_registered_devices"),
            forwarded: tandem.metric("tandem_rtp_forwarded_total"),
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Vitals { memory, descriptors, threads, udp, tcp } = self.vitals;
        write!(
            f,
            "{memory} KiB ({} KiB of database), {descriptors} descriptors ({udp} UDP, {tcp} TCP), {threads} threads; {} calls ({} kept) of {}, \
             {} transactions, {} media ports, {} devices, {} packets",
            self.database,
            self.calls,
            self.kept,
            self.started,
            self.transactions,
            self.media_ports,
            self.devices,
            self.forwarded
        )
    }
}

/// All of a run, oldest first.
#[derive(Default)]
pub struct Readings(Vec<Reading>);

impl Readings {
    /// Takes another, and prints it.
    pub fn take(&mut self, tandem: &Server) -> Reading {
        let reading = Reading::of(tandem);
        self.0.push(reading);
        println!("{:>5} s: {reading}", self.seconds(&reading));
        reading
    }

    pub fn first(&self) -> Reading {
        self.at(0)
    }

    pub fn at(&self, index: usize) -> Reading {
        self.0[index.min(self.0.len() - 1)]
    }

    fn seconds(&self, reading: &Reading) -> u64 {
        reading.at.duration_since(self.first().at).as_secs()
    }

    /// The first reading after which nothing has to grow any more: a tenth of the time is over, a minute at least, and the
    /// database is larger than what is kept of it in memory. Without one, the last.
    pub fn first_warm(&self, minutes: u32) -> usize {
        let tenth = 1.max(minutes / 10) as usize;
        let is_warm = |index: &usize| self.0[*index].database >= CACHE_KIB;
        (tenth..self.0.len()).find(is_warm).unwrap_or(self.0.len() - 1)
    }

    /// The most memory that was in use at any reading since the first `from`, KiB.
    pub fn highest(&self, from: usize) -> u64 {
        self.since(from).map(|reading| reading.vitals.memory).max().unwrap_or_default()
    }

    /// What memory grew by in an hour, as the least squares have it, KiB.
    pub fn slope(&self, from: usize) -> f64 {
        let points: Vec<(f64, f64)> =
            self.since(from).map(|reading| (self.hours(reading), reading.vitals.memory as f64)).collect();
        let n = points.len() as f64;
        let (mean_x, mean_y) =
            (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
        let above: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        let below: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        if below == 0.0 { 0.0 } else { above / below }
    }

    fn since(&self, from: usize) -> impl Iterator<Item = &Reading> {
        self.0.iter().skip(from)
    }

    fn hours(&self, reading: &Reading) -> f64 {
        reading.at.duration_since(self.first().at).as_secs_f64() / 3_600.0
    }
}
