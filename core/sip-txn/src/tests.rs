//! Each machine as a dialogue in virtual time, one folder entry a subject.

mod addresses;
mod cancel;
mod client_invite;
mod client_plain;
mod judged;
mod large;
mod matching;
mod merged;
mod property;
mod rig;
mod server_invite;
mod server_plain;
