//! Hours of everything together: calls of every kind, media, registrations, guessers, and an administrator who changes things all
//! the while. Afterwards nothing is left of it but what is on disk.

mod changes;
mod load;
mod readings;
mod strangers;

use std::time::{Duration, Instant};

use tandem_interop::process::wait_until;
use tandem_interop::tandem::{Server, Tandem};

use crate::changes::Administrator;
use crate::load::Load;
use crate::readings::{CACHE_TAKES_KIB, Reading, Readings};
use crate::strangers::Strangers;

/// Two ends of each call, a pair of ports each, for the seconds that a call and the rest after it last.
const RTP_PORTS: u16 = 4_000;
/// Until the last transaction has gone: 64*T1 of the last, and of what the last one began.
const DRAINED: Duration = Duration::from_secs(80);
/// Until the last pair of ports is closed: its rest, the minute that it is kept for, a round of the sweeper.
const CLOSED: Duration = Duration::from_secs(30 + 60 + 20);
/// The phone on the desk registers once, for the longest time that it is given.
const LONGEST: u32 = 110;
/// What memory may differ by after the warm-up: the allocator gives back when it likes, and lays things out anew.
const ALLOWANCE_KIB: u64 = 8 << 10;

/// Everything at once for so long; tells what was measured, the first of it before any call, the last after all.
fn everything_for(length: Duration, every: Duration, pace: Duration) -> (Server, Readings) {
    let tandem = Tandem::new().rtp_ports(RTP_PORTS).start();
    let carrier = changes::carrier();
    let mut load = Load::prepare(&tandem);
    let mut readings = Readings::default();
    readings.take(&tandem);

    let began = Instant::now();
    load.begin(&tandem, length);
    let administrator =
        Administrator::start(tandem.rest().clone(), carrier.addr(), load.trunks().to_vec(), pace);
    let strangers = Strangers::start(tandem.sip());
    let mut due = every;
    wait_until("the last call to be over", length + DRAINED, || {
        if began.elapsed() >= due {
            readings.take(&tandem);
            assert_eq!(load.failed(), 0, "no call fails");
            assert!(
                administrator.goes_on() && strangers.go_on(),
                "one of them met with something unexpected"
            );
            due += every;
        }
        load.is_over()
    });
    println!("{}", strangers.stop());
    println!("{}", administrator.stop());
    load.check();

    let gauges = ["tandem_calls", "tandem_calls_kept", "tandem_media_ports"];
    wait_until("nothing to be under way", DRAINED, || gauges.iter().all(|gauge| tandem.metric(gauge) == 0));
    load.check_totals(&tandem);
    (tandem, readings)
}

/// Nothing that a user could count is missing or left.
fn check_records(tandem: &Server) {
    let recorded = tandem.recorded();
    let mut once = recorded.clone();
    once.sort();
    once.dedup();
    assert_eq!(recorded.len() as u64, tandem.metric("tandem_calls_started_total"), "one record a call");
    assert_eq!(recorded.len(), once.len(), "one record a call");
}

#[test]
fn seconds_of_everything_leave_nothing() {
    let (tandem, readings) =
        everything_for(Duration::from_secs(5), Duration::from_secs(2), Duration::from_millis(50));
    // Its media ports are kept open for the next calls, for longer than a short test may take.
    let (before, now) = (readings.first(), Reading::of(&tandem));
    let held = now.vitals.udp - before.vitals.udp;
    assert!(held <= load::ENDS_IN_SECONDS, "{held} sockets: {now}");
    wait_until("the rest to be as before", DRAINED, || {
        let now = Reading::of(&tandem).vitals;
        now.descriptors - (now.udp - before.vitals.udp) <= before.vitals.descriptors
    });
    check_records(&tandem);
}

#[test]
#[ignore = "MINUTES=60 of calls: make soak"]
fn soak() {
    let minutes =
        std::env::var("MINUTES").map_or(60, |minutes| minutes.parse().expect("MINUTES is a number"));
    assert!((1..=LONGEST).contains(&minutes), "MINUTES is from 1 to {LONGEST}");
    let length = Duration::from_secs(60) * minutes;
    let (tandem, mut readings) = everything_for(length, Duration::from_secs(60), Duration::from_millis(250));
    let before = readings.first().vitals;
    readings.take(&tandem);
    wait_until("the last transaction", DRAINED, || tandem.metric("tandem_sip_transactions") == 0);
    wait_until("descriptors and threads to be as before", CLOSED, || {
        let now = Reading::of(&tandem).vitals;
        now.udp <= before.udp && now.descriptors <= before.descriptors && now.threads <= before.threads
    });
    // Before all records are read at once, which nobody did in that hour, and which fills the cache.
    let end = readings.take(&tandem);
    check_records(&tandem);
    println!("with the records read: {}", Reading::of(&tandem));
    let tenth = readings.at(1.max(minutes / 10) as usize).vitals.memory;
    let (warm, most_by_then) = (readings.first_warm(minutes), tenth + CACHE_TAKES_KIB + ALLOWANCE_KIB);
    let (base, highest) = (readings.at(warm).vitals.memory, readings.highest(warm));
    println!(
        "memory: {tenth} KiB after a tenth, {base} when warm, {highest} at most, {} in the end; {:+.0} KiB/h since it was warm",
        end.vitals.memory,
        readings.slope(warm)
    );
    assert!(
        readings.highest(0) <= most_by_then,
        "{} KiB were in use, {most_by_then} may be",
        readings.highest(0)
    );
    let most = base + ALLOWANCE_KIB.max(base / 10);
    assert!(highest <= most, "{highest} KiB were in use, {most} may be");
}
