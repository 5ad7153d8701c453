//! What is kept, come what may: a server that is killed, a store that is away.

mod away;
mod crash;
mod traffic;
