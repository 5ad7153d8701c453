//! A SIP trunking server.
fn main() {}
