//! A store that cannot be written to: calls go on, nothing is promised that is not kept, and records follow.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tandem_interop::process::{PATIENCE, Process, wait_until, work_dir};
use tandem_interop::tandem::{Server, Tandem};

use crate::traffic::{Traffic, records};

/// Holds the write lock of a database for so many seconds, as a backup that went wrong would.
const HOLD: &str = "
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute('BEGIN IMMEDIATE')
print('locked', flush=True)
time.sleep(float(sys.argv[2]))
db.execute('ROLLBACK')
print('unlocked', flush=True)
";

/// While the store is away: calls are answered at once, a registration is refused, and so is a change.
fn live_without(store: &str, tandem: &Server, traffic: &mut Traffic, time: Duration) {
    let before = traffic.crowd.told(traffic.caller).len();
    traffic.add_phone(tandem);
    traffic.flow_for(tandem, time);
    let told = traffic.crowd.told(traffic.caller);
    let answered = told.values().filter(|told| told.answered).count() - before;
    let pace = time.as_millis() as usize / 20;
    assert!(answered > pace / 3, "{store}: {answered} calls answered of some {pace}");
    let (phone, name) = traffic.phones.last().expect("there is a phone");
    let refused = |code: Option<u16>| code == Some(503);
    wait_until(&format!("{name} to be refused"), PATIENCE, || {
        refused(traffic.crowd.with(*phone, |ua, _| ua.registration_code()))
    });
}

/// Once it is back: everything that was told is there, once each.
fn find_everything(tandem: &Server, traffic: &Traffic) {
    traffic.run_dry();
    wait_until("every call to be over", PATIENCE, || tandem.calls().is_empty());
    let ended = traffic.crowd.told(traffic.caller);
    wait_until("the records to follow", PATIENCE * 2, || {
        let records = records(tandem);
        ended.iter().filter(|(_, told)| told.ended).all(|(call_id, _)| records.contains_key(call_id))
    });
    for (call_id, records) in records(tandem) {
        assert_eq!(records.len(), 1, "{call_id} has {} records", records.len());
        assert_eq!((&records[0]["cause"]["code"], &records[0]["outcome"]), (&json!(200), &json!("answered")));
    }
    assert!(tandem.rest().get("/health").ok()["status"] == "ok");
}

fn with_the_database_locked(seconds: u64) {
    let tandem = Tandem::new().rtp_ports(4_000).start();
    let mut traffic = Traffic::new(&tandem);
    traffic.flow_for(&tandem, Duration::from_millis(500));
    // The phone's extension is made before nothing can be made any more.
    traffic.prepare_phone(&tandem);
    let dir = work_dir("lock");
    let database = tandem.data_dir().join("tandem.db");
    let mut lock = Process::start(
        "lock",
        dir.path(),
        "python3",
        ["-c", HOLD, database.to_str().expect("the path is text"), &seconds.to_string()],
        &[],
    );
    wait_until("the lock", PATIENCE, || lock.log().contains("locked"));
    live_without("locked", &tandem, &mut traffic, Duration::from_secs(seconds.min(20) - 1));
    lock.wait_ended(Duration::from_secs(seconds) + PATIENCE);
    find_everything(&tandem, &traffic);
}

#[test]
fn calls_go_on_while_another_process_holds_the_database() {
    with_the_database_locked(8);
}

#[test]
#[ignore = "takes a minute: make survival"]
fn calls_go_on_while_another_process_holds_the_database_for_long() {
    with_the_database_locked(30);
}

/// A file system of its own in a folder. Only root may make one.
struct SmallDisk<'a>(&'a Path);

impl SmallDisk<'_> {
    fn make(folder: &Path) -> Option<SmallDisk<'_>> {
        let mount = ["-t", "tmpfs", "-o", "size=4m", "tmpfs"];
        let made = Command::new("mount").args(mount).arg(folder).output().is_ok_and(|o| o.status.success());
        made.then_some(SmallDisk(folder))
    }

    fn fill(&self) {
        let mut size = 1 << 20;
        for n in 0.. {
            match fs::write(self.0.join(format!("filler{n}")), vec![0; size]) {
                Ok(()) => {}
                Err(_) if size > 1 => size /= 4,
                Err(_) => return,
            }
        }
    }

    fn empty(&self) {
        let files = fs::read_dir(self.0).expect("the folder is there").flatten();
        for file in files.filter(|file| file.file_name().to_string_lossy().starts_with("filler")) {
            fs::remove_file(file.path()).expect("a file can be removed");
        }
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).output();
    }
}

fn with_a_full_disk(what: &str, tandem: &Server, fill: impl FnOnce(), empty: impl FnOnce()) {
    let mut traffic = Traffic::new(tandem);
    traffic.prepare_phone(tandem);
    traffic.flow_for(tandem, Duration::from_millis(500));
    fill();
    live_without(what, tandem, &mut traffic, Duration::from_secs(3));
    empty();
    find_everything(tandem, &traffic);
}

#[test]
fn calls_go_on_while_the_disk_is_full() {
    let folder = work_dir("disk");
    let Some(disk) = SmallDisk::make(folder.path()) else {
        return eprintln!(
            "SKIPPED: only root may mount a small disk; calls_go_on_while_no_file_may_grow is the same for everybody"
        );
    };
    let tandem = Tandem::new().rtp_ports(2_000).data(folder.path()).start();
    with_a_full_disk("full", &tandem, || disk.fill(), || disk.empty());
    drop(tandem);
}

/// Sets how large a file of the server may become; whoever writes more gets EFBIG. That takes no privileges.
fn limit_files(tandem: &Server, most: &str) {
    let process = tandem.process_id().to_string();
    let limited =
        Command::new("prlimit").args(["--pid", &process, &format!("--fsize={most}:unlimited")]).status();
    assert!(limited.expect("prlimit starts").success());
}

#[test]
fn calls_go_on_while_no_file_may_grow() {
    let tandem = Tandem::new().rtp_ports(2_000).start();
    with_a_full_disk("limited", &tandem, || limit_files(&tandem, "0"), || limit_files(&tandem, "unlimited"));
}
