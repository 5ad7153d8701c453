//! Digits by INFO, as it tells them and as it is told them.

use super::{CallRef, Ua};
use std::net::SocketAddr;
use tandem_sip_msg::Message;
use tandem_time::Time;

impl Ua {
    /// Tells the other side something by INFO; what is answered is the call's `info_code`.
    pub fn inform(&mut self, call: CallRef, kind: &str, body: &str, now: Time) {
        let n = call.0;
        self.calls[n].info_code = None;
        let (w, branch) = self.in_dialog(n, "INFO", true);
        let peer = self.calls[n].peer;
        self.request(branch, "INFO", peer, w.finish_with(kind, body.as_bytes()), now);
    }

    pub(super) fn on_info(&mut self, message: &Message, from: SocketAddr) {
        let Some(n) = self.find_call(message) else {
            return drop(self.reply(message, from, 481, "Call/Transaction Does Not Exist", None, None));
        };
        if self.challenges_infos && self.credentials_of(message).is_none() {
            let challenge = self.challenge(message);
            let headers = [(tandem_sip_msg::Header::ProxyAuthenticate, challenge)];
            let reply = super::server::Reply { headers: &headers, ..super::server::Reply::of(407) };
            return drop(self.reply_with(message, from, Some(n), reply));
        }
        let kind = message.content_type().unwrap_or_default().to_owned();
        self.calls[n].informed.push((kind, String::from_utf8_lossy(message.body()).into_owned()));
        let code = self.answers_info;
        self.reply(message, from, code, tandem_sip_msg::standard_reason(code), Some(n), None);
    }

    pub(super) fn on_info_response(&mut self, message: &Message, code: u16) {
        if let Some(n) = self.find_call(message) {
            self.calls[n].info_code = Some(code);
        }
    }
}
