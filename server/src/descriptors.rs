//! Room for sockets: a call takes four, and the usual limit of 1,024 descriptors would end at 250 calls.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit of open descriptors as far as the system lets us. Returns it.
pub fn raise_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}
