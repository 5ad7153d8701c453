//! What a process takes of the machine, as the kernel tells.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What one process has at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// Memory that is in use, KiB.
    pub memory: u64,
    /// Open descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// UDP sockets.
    pub udp: usize,
    /// TCP sockets, those that listen included.
    pub tcp: usize,
}

impl Vitals {
    /// Looks at a process of this machine.
    #[track_caller]
    pub fn of(process: u32) -> Vitals {
        let folder = PathBuf::from(format!("/proc/{process}"));
        let status = fs::read_to_string(folder.join("status")).expect("the process runs");
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
            value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {status}"))
        };
        let open = fs::read_dir(folder.join("fd")).expect("its descriptors may be looked at");
        // One that is closed between the listing and the look is no longer open.
        let open: Vec<PathBuf> =
            open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
        let sockets = |tables: [&str; 2]| {
            let listed: BTreeSet<PathBuf> =
                tables.iter().flat_map(|table| inodes(&folder.join("net").join(table))).collect();
            open.iter().filter(|target| listed.contains(*target)).count()
        };
        Vitals {
            memory: field("VmRSS:"),
            descriptors: open.len(),
            threads: field("Threads:") as usize,
            udp: sockets(["udp", "udp6"]),
            tcp: sockets(["tcp", "tcp6"]),
        }
    }
}

/// What a descriptor of each socket of the table points to.
fn inodes(table: &Path) -> Vec<PathBuf> {
    const INODE: usize = 9;
    // A machine without IPv6 has no table for it.
    let text = fs::read_to_string(table).unwrap_or_default();
    let inodes = text.lines().skip(1).filter_map(|line| line.split_whitespace().nth(INODE));
    inodes.map(|inode| PathBuf::from(format!("socket:[{inode}]"))).collect()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;
    use crate::process::{PATIENCE, Process, wait_until, work_dir};

    const OPEN: &str = "
import socket, sys, threading
kept = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(5)]
for s in kept: s.bind(('127.0.0.1', 0))
kept.append(socket.create_server(('127.0.0.1', 0)))
threading.Thread(target=threading.Event().wait, daemon=True).start()
memory = bytes([1]) * (32 << 20)
print('open', flush=True)
threading.Event().wait()
";

    #[test]
    fn what_a_process_opens_is_counted() {
        let dir = work_dir("vitals");
        let process = Process::start("holder", dir.path(), "python3", ["-c", OPEN], &[]);
        wait_until("its sockets", PATIENCE, || process.log().contains("open"));
        // Those of others do not count.
        let _ours = (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let vitals = Vitals::of(process.id());
        assert_eq!((vitals.udp, vitals.tcp, vitals.threads), (5, 1, 2));
        assert!(vitals.descriptors >= 6 + 3 && vitals.memory > 32 << 10, "{vitals:?}");
    }
}
