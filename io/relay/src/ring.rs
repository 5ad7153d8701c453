//! Datagrams sent with one system call out of many sockets, by io_uring.

use crate::batch::BATCH;
use crate::outlet::Message;
use io_uring::{IoUring, opcode, types};
use nix::libc;
use std::io;

/// A queue of what the system is to do, shared with it.
pub struct Ring(IoUring);

impl Ring {
    /// A ring for the thread that will [`Ring::enable`] it.
    pub fn new() -> io::Result<Ring> {
        let mut ring = IoUring::builder();
        ring.setup_r_disabled().setup_single_issuer().setup_defer_taskrun().setup_submit_all();
        ring.build(BATCH as u32).map(Ring)
    }

    /// Makes it the calling thread's own.
    pub fn enable(&self) -> io::Result<()> {
        self.0.submitter().register_enable_rings()
    }

    /// Sends up to [`BATCH`] messages and tells the errors of those that could not be. After an error of its own it is of no
    /// use any more, and is to be dropped.
    pub fn send<'a>(
        &mut self,
        messages: impl Iterator<Item = Message<'a>>,
        mut failed: impl FnMut(usize, io::Error),
    ) -> io::Result<()> {
        let mut queue = self.0.submission();
        for message in messages {
            let socket = types::Fd(message.socket);
            let entry = opcode::Send::new(socket, message.bytes.as_ptr(), message.bytes.len() as u32)
                .flags(libc::MSG_DONTWAIT)
                .dest_addr(std::ptr::from_ref(message.to).cast())
                .dest_addr_len(message.to_len)
                .build()
                .user_data(message.id as u64);
            // SAFETY: the bytes and the address are borrowed for `'a`, which outlives this call. It returns
            // when all of this is completed; or with an error, after which nothing is submitted any more, and
            // what was is completed already, since it may not wait.
            unsafe { queue.push(&entry) }.map_err(io::Error::other)?;
        }
        let mut left = queue.len();
        drop(queue);
        while left > 0 {
            match self.0.submit_and_wait(left) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for completion in self.0.completion() {
                left -= 1;
                if completion.result() < 0 {
                    let error = io::Error::from_raw_os_error(-completion.result());
                    failed(completion.user_data() as usize, error);
                }
            }
        }
        Ok(())
    }
}
