//! tmp
use bytes::Bytes;
use tandem_sip_msg::Message;
fn main() {
    let s = std::fs::read("/tmp/invite.sip").unwrap();
    let d = Bytes::from(s);
    let mut n = 0u64;
    for _ in 0..1_000_000 {
        n += Message::parse(std::hint::black_box(d.clone())).is_ok() as u64;
    }
    println!("{n}");
}
