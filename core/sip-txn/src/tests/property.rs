//! Whatever happens, nothing panics and nothing stays.

use super::rig::{Rig, answer};
use crate::ClientKey;
use proptest::prelude::*;

/// One thing that somebody does.
#[derive(Clone, Debug)]
enum Deed {
    Request(usize),
    Cancel(usize),
    Disown(usize),
    SendFailed(usize),
    Unreachable,
    /// The peer answers one of the things we sent.
    Answer(usize, u16),
    /// The peer sends a request, one of few, so that many are copies.
    Peer(usize, usize, bool),
    Respond(usize, u16),
    Forget(u16),
    Wait(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    let code = || prop::sample::select(vec![100u16, 180, 183, 200, 202, 302, 401, 408, 486, 487, 503, 600]);
    prop_oneof![
        3 => (0usize..3).prop_map(Deed::Request),
        2 => any::<usize>().prop_map(Deed::Cancel),
        1 => any::<usize>().prop_map(Deed::Disown),
        1 => any::<usize>().prop_map(Deed::SendFailed),
        1 => Just(Deed::Unreachable),
        6 => (any::<usize>(), code()).prop_map(|(nth, code)| Deed::Answer(nth, code)),
        6 => (0usize..6, 0usize..4, any::<bool>()).prop_map(|(m, b, old)| Deed::Peer(m, b, old)),
        4 => (any::<usize>(), code()).prop_map(|(nth, code)| Deed::Respond(nth, code)),
        1 => code().prop_map(Deed::Forget),
        3 => prop::sample::select(vec![1u64, 400, 500, 3500, 5000, 31_999, 32_000]).prop_map(Deed::Wait),
    ]
}

/// The world of one run.
struct Play {
    rig: Rig,
    clients: Vec<ClientKey>,
    at: f64,
}

impl Play {
    fn perform(&mut self, deed: Deed) {
        let rig = &mut self.rig;
        match deed {
            Deed::Request(nth) => self.clients.push(rig.request(["INVITE", "OPTIONS", "BYE"][nth])),
            Deed::Cancel(nth) => pick(&self.clients, nth).map(|key| rig.cancel(key)).unwrap_or_default(),
            Deed::Disown(nth) => pick(&self.clients, nth).map(|key| rig.txn.disown(key)).unwrap_or_default(),
            Deed::SendFailed(nth) => {
                pick(&self.clients, nth).map(|key| rig.txn.send_failed(key, rig.now)).unwrap_or_default();
            }
            Deed::Unreachable => rig.txn.unreachable(rig.flow.remote, rig.now),
            Deed::Answer(nth, code) => {
                if let Some(request) = pick(&rig.sent, nth).filter(|bytes| !bytes.starts_with(b"SIP/")) {
                    rig.arrive(answer(&request, code, "b", rig.flow.remote));
                }
            }
            Deed::Peer(method, branch, old) => {
                let method = ["INVITE", "ACK", "CANCEL", "OPTIONS", "BYE", "WIBBLE"][method];
                let branch = ["z9hG4bKone", "z9hG4bKtwo", "z9hG4bKthree", "z9hG4bKfour"][branch];
                rig.peer(method, if old { &branch[7..] } else { branch });
            }
            Deed::Respond(nth, code) => {
                pick(&rig.servers, nth).map(|key| rig.respond_in(key, code)).unwrap_or_default();
            }
            Deed::Forget(code) if code >= 200 && !rig.servers.is_empty() => rig.respond_and_forget(code),
            Deed::Forget(..) => {}
            Deed::Wait(ms) => {
                self.at += ms as f64 / 1000.0;
                rig.run_to(self.at);
            }
        }
        self.rig.drain();
    }
}

fn pick<T: Clone>(from: &[T], nth: usize) -> Option<T> {
    from.get(nth % from.len().max(1)).cloned()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]
    #[test]
    fn after_the_last_input_everything_is_gone_in_time(tcp: bool, deeds in prop::collection::vec(deed(), 0..60)) {
        let rig = if tcp { Rig::tcp() } else { Rig::udp() };
        let mut play = Play { rig, clients: Vec::new(), at: 0.0 };
        for deed in deeds {
            play.perform(deed);
        }
        // What rings is for its owner to end.
        for key in play.clients.clone() {
            play.rig.cancel(key);
        }
        for key in play.rig.servers.clone() {
            play.rig.respond_in(key, 487);
        }
        play.rig.run_to(play.at + 64.0 * 0.5 + 5.0);
        play.rig.expect_empty();
    }
}
