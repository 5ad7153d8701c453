//! How soon the system lets a media thread run.

use nix::errno::Errno;
use nix::libc;
use std::mem::{size_of, zeroed};
use std::time::Duration;

/// Long enough for most turns.
const SLICE: Duration = Duration::from_micros(400);

/// Asks for short slices of time on a processor. Of two threads that want to run, Linux takes the one with the shorter slice first (since
/// 6.12; before, it takes no notice), so that packets do not wait until others have used up theirs, which are milliseconds. It
/// gives the thread no larger a share.
pub fn run_soon() -> Result<(), Errno> {
    // SAFETY: plain integers, for which zeroes are valid.
    let mut wanted: libc::sched_attr = unsafe { zeroed() };
    wanted.size = size_of::<libc::sched_attr>() as u32;
    // SAFETY: the kernel writes no more than the size told; 0 is the calling thread.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut wanted, wanted.size, 0) };
    Errno::result(got)?;
    // Who runs at a real-time priority runs sooner still.
    if wanted.sched_policy == libc::SCHED_OTHER as u32 {
        wanted.sched_runtime = SLICE.as_nanos() as u64;
        // SAFETY: the kernel only reads it.
        Errno::result(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const wanted, 0) })?;
    }
    Ok(())
}
