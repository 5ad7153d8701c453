//! The system calls by which a program is given to the kernel: bpf(2), as far as [`crate::offload`] needs it.

use nix::errno::Errno;
use nix::libc;
use std::ffi::CStr;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::from_ref;

/// What bpf(2) is asked for.
const MAP_CREATE: libc::c_int = 0;
const MAP_UPDATE: libc::c_int = 2;
const PROGRAM_LOAD: libc::c_int = 5;
const MAP_LOOKUP_AND_DELETE: libc::c_int = 21;
const LINK_CREATE: libc::c_int = 28;

/// A hash map whose entries take up room when they are there.
const HASH_MAP: u32 = 1;
const NO_PREALLOCATION: u32 = 1;
/// A program that looks at packets, and where: those that come in, before the system does anything with them.
const SCHED_CLS: u32 = 3;
const TCX_INGRESS: u32 = 46;

/// An instruction: operation, registers, offset, value.
const INSTRUCTION: usize = 8;
/// Loads a constant of 64 bits, and takes two instructions; with this in place of the source register, the map of a descriptor.
const LOAD_CONSTANT: u8 = 0x18;
const MAP_DESCRIPTOR: u8 = 0x10;

/// A map of the kernel's from numbers to plain data.
#[derive(Debug)]
pub struct Map<V> {
    fd: OwnedFd,
    value: std::marker::PhantomData<fn() -> V>,
}

/// Plain data that the kernel and we both read and write.
///
/// # Safety
/// Integers and arrays of them, without padding: any bytes are a value of it, and none of its bytes is without value.
pub unsafe trait Plain: Default {}

#[repr(C)]
struct MapCreate {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
}

#[repr(C)]
struct Element {
    map: u32,
    reserved: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
struct ProgramLoad {
    kind: u32,
    instructions_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

#[repr(C)]
struct LinkCreate {
    program: u32,
    interface: u32,
    attach_type: u32,
    flags: u32,
}

/// # Safety
/// `attributes` are those of `command`, and what they point to is valid for what the command does with it.
unsafe fn bpf<A>(command: libc::c_int, attributes: &A) -> io::Result<libc::c_int> {
    // SAFETY: the kernel reads no more of them than the size told.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, from_ref(attributes), size_of::<A>()) };
    Ok(Errno::result(result)? as libc::c_int)
}

/// # Safety
/// As for [`bpf`], and `command` returns a new descriptor.
unsafe fn bpf_fd<A>(command: libc::c_int, attributes: &A) -> io::Result<OwnedFd> {
    // SAFETY: by our caller's word; nobody else has the new descriptor. The kernel makes it close-on-exec.
    unsafe { Ok(OwnedFd::from_raw_fd(bpf(command, attributes)?)) }
}

impl<V: Plain> Map<V> {
    /// An empty map.
    pub fn new(max_entries: u32) -> io::Result<Map<V>> {
        let value_size = size_of::<V>() as u32;
        let attributes =
            MapCreate { kind: HASH_MAP, key_size: 4, value_size, max_entries, flags: NO_PREALLOCATION };
        // SAFETY: no pointers.
        let fd = unsafe { bpf_fd(MAP_CREATE, &attributes)? };
        Ok(Map { fd, value: std::marker::PhantomData })
    }

    /// Puts `value` in, in place of what was there.
    pub fn insert(&self, key: u32, value: &V) -> io::Result<()> {
        let element = self.element(&key, from_ref(value) as u64);
        // SAFETY: the kernel reads a key and a value of the sizes that the map was made with.
        unsafe { bpf(MAP_UPDATE, &element).map(drop) }
    }

    /// Takes the value of `key` out, if there is one.
    pub fn remove(&self, key: u32) -> io::Result<Option<V>> {
        let mut value = V::default();
        let element = self.element(&key, (&raw mut value) as u64);
        // SAFETY: the kernel reads a key and writes a value of the sizes that the map was made with; any bytes are a value.
        match unsafe { bpf(MAP_LOOKUP_AND_DELETE, &element) } {
            Ok(_) => Ok(Some(value)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn element(&self, key: &u32, value: u64) -> Element {
        Element { map: self.fd.as_raw_fd() as u32, reserved: 0, key: from_ref(key) as u64, value, flags: 0 }
    }
}

/// Loads a program: `instructions` with the one map that they name put in.
pub fn load<V>(instructions: &[u8], map: &Map<V>, license: &CStr) -> io::Result<OwnedFd> {
    let mut instructions = instructions.to_vec();
    for at in maps_named(&instructions) {
        instructions[at + 1] |= MAP_DESCRIPTOR;
        instructions[at + 4..at + INSTRUCTION].copy_from_slice(&map.fd.as_raw_fd().to_ne_bytes());
    }
    let attributes = ProgramLoad {
        kind: SCHED_CLS,
        instructions_count: (instructions.len() / INSTRUCTION) as u32,
        instructions: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name: *b"tandem_offload\0\0",
    };
    // SAFETY: the kernel reads the instructions and the license, which outlive the call.
    unsafe { bpf_fd(PROGRAM_LOAD, &attributes) }
}

/// Where the instructions name a map: the constants that the linker would fill in.
fn maps_named(instructions: &[u8]) -> Vec<usize> {
    let mut named = Vec::new();
    let mut at = 0;
    while let Some(instruction) = instructions.get(at..at + INSTRUCTION) {
        let is_constant = instruction[0] == LOAD_CONSTANT;
        let second = instructions.get(at + INSTRUCTION..at + 2 * INSTRUCTION);
        if is_constant && instruction[4..] == [0; 4] && second.is_some_and(|second| second[4..] == [0; 4]) {
            named.push(at);
        }
        at += if is_constant { 2 * INSTRUCTION } else { INSTRUCTION };
    }
    named
}

/// Has a program look at what comes in at an interface, for as long as what is returned lives: also when the process is killed
/// (Linux 6.6; no earlier one would let go then).
pub fn attach(program: &OwnedFd, interface: u32) -> io::Result<OwnedFd> {
    let program = program.as_raw_fd() as u32;
    let attributes = LinkCreate { program, interface, attach_type: TCX_INGRESS, flags: 0 };
    // SAFETY: no pointers.
    unsafe { bpf_fd(LINK_CREATE, &attributes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_constants_only_those_left_open_name_a_map() {
        let constant = |value: u8| {
            let first = [LOAD_CONSTANT, 1, 0, 0, value, 0, 0, 0];
            [first, [0; INSTRUCTION]].concat()
        };
        let nothing = [0; INSTRUCTION].to_vec();
        let program = [nothing, constant(7), constant(0), constant(9)].concat();
        assert_eq!(maps_named(&program), [3 * INSTRUCTION]);
    }
}
