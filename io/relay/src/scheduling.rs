//! How soon the system lets a media thread run.

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl::set_timerslack;
use std::mem::{size_of, zeroed};
use std::time::Duration;

/// Long enough for most turns.
const SLICE: Duration = Duration::from_micros(400);

/// Asks for short slices of time on a processor. Of two threads that want to run, Linux takes the one with the shorter slice
/// first (since 6.12; before, it takes no notice), so that packets do not wait until others have used up theirs, which are
/// milliseconds. It gives the thread no larger a share.
pub fn run_soon() -> Result<(), Errno> {
    // A pause is to be no longer than asked for; by default the system makes it 50 µs longer to save wake-ups.
    set_timerslack(1)?;
    let mut attributes = attributes()?;
    // Who runs at a real-time priority runs sooner still.
    if attributes.sched_policy == libc::SCHED_OTHER as u32 {
        attributes.sched_runtime = SLICE.as_nanos() as u64;
        // SAFETY: the kernel only reads them; 0 is the calling thread.
        let set = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
        Errno::result(set)?;
    }
    Ok(())
}

/// How the calling thread is scheduled.
fn attributes() -> Result<libc::sched_attr, Errno> {
    const SIZE: usize = size_of::<libc::sched_attr>();
    // SAFETY: plain integers, for which zeroes are valid.
    let mut attributes: libc::sched_attr = unsafe { zeroed() };
    // SAFETY: the kernel writes no more than the size told.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, SIZE, 0) };
    Errno::result(got).map(|_| attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_its_priority() {
        let before = attributes().unwrap();
        run_soon().unwrap();
        let after = attributes().unwrap();
        assert_eq!((before.sched_policy, before.sched_nice), (after.sched_policy, after.sched_nice));
        let slice = Duration::from_nanos(after.sched_runtime);
        assert!(slice == SLICE || after.sched_runtime == before.sched_runtime, "{slice:?}");
    }
}
