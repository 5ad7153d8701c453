//! The least of SIP that it takes to set calls up and end them: one caller, one callee, both ours.
//! On loopback nothing is lost, so nothing is sent twice but what the server repeats.

use crate::lab;
use std::collections::BTreeMap;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

/// Calls begun in a second.
const RATE: u32 = 100;
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const BYE_WITHIN: Duration = Duration::from_secs(1);
/// The caller's number in the first call; that in the others follows.
const FIRST_CALLER: usize = 15_560_000;

/// A call that stands.
#[derive(Debug)]
pub struct Established {
    /// Its place among all calls.
    pub index: usize,
    /// Media socket of the caller.
    pub caller_media: UdpSocket,
    /// Media socket of the callee.
    pub callee_media: UdpSocket,
    /// Where the server wants the caller's media.
    pub caller_sends_to: SocketAddrV4,
    /// Where the server wants the callee's media.
    pub callee_sends_to: SocketAddrV4,
    /// From the INVITE to its answer; the callee answers at once.
    pub setup: Duration,
}

/// A call on its way.
#[derive(Debug)]
struct Call {
    caller_media: UdpSocket,
    callee_media: UdpSocket,
    caller_sends_to: Option<SocketAddrV4>,
    callee_sends_to: Option<SocketAddrV4>,
    begun: Instant,
    setup: Duration,
}

/// The caller and the callee.
#[derive(Debug)]
pub struct Phones {
    caller: UdpSocket,
    callee: UdpSocket,
    calls: BTreeMap<usize, Call>,
    /// How the caller reaches the other end of calls that were answered: its requests up to the CSeq.
    dialogs: BTreeMap<usize, Dialog>,
}

#[derive(Debug)]
struct Dialog {
    target: String,
    /// `Route` to `To`.
    headers: String,
}

impl Phones {
    /// Both, ready to call and be called.
    pub fn new() -> Phones {
        let socket = |at: SocketAddrV4| {
            let socket = UdpSocket::bind(at).expect("an address of ours is free");
            socket.set_nonblocking(true).expect("a socket need not block");
            socket
        };
        Phones {
            caller: socket(lab::CALLER),
            callee: socket(lab::CALLEE),
            calls: BTreeMap::new(),
            dialogs: BTreeMap::new(),
        }
    }

    /// Places calls; gives out those that stand in the end.
    pub fn establish(&mut self, count: usize) -> Vec<Established> {
        for index in 0..count {
            self.invite(index);
            self.work_until(Instant::now() + Duration::from_secs(1) / RATE, |_| false);
        }
        self.work_until(Instant::now() + ANSWER_WITHIN, |phones| phones.dialogs.len() == count);
        let calls = std::mem::take(&mut self.calls);
        calls.into_iter().filter_map(established).collect()
    }

    /// Ends the calls that stand.
    pub fn hang_up(&mut self) {
        for index in self.dialogs.keys().copied().collect::<Vec<_>>() {
            self.within_dialog(index, "BYE", 2);
        }
        self.work_until(Instant::now() + BYE_WITHIN, |phones| phones.dialogs.is_empty());
    }

    fn invite(&mut self, index: usize) {
        let media = |phone: SocketAddrV4| {
            let socket = UdpSocket::bind((*phone.ip(), 0)).expect("a media port can be had");
            socket.set_nonblocking(true).expect("a socket need not block");
            socket
        };
        let (caller_media, callee_media) = (media(lab::CALLER), media(lab::CALLEE));
        let body = sdp(&caller_media);
        let request = format!(
            "INVITE sip:{number}@{server} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {caller};branch=z9hG4bKinvite{index}\r\n\
             {from}\
             To: <sip:{number}@{server}>\r\n\
             {call_id}\
             CSeq: 1 INVITE\r\n\
             Contact: <sip:{caller}>\r\n\
             Max-Forwards: 70\r\n\
             Content-Type: application/sdp\r\n\
             Content-Length: {len}\r\n\r\n{body}",
            number = lab::NUMBER,
            server = lab::SERVER,
            caller = lab::CALLER,
            from = from(index),
            call_id = call_id(index),
            len = body.len(),
        );
        let call = Call {
            caller_media,
            callee_media,
            caller_sends_to: None,
            callee_sends_to: None,
            begun: Instant::now(),
            setup: Duration::ZERO,
        };
        self.calls.insert(index, call);
        self.caller.send_to(request.as_bytes(), lab::SERVER).expect("a request can be sent");
    }

    /// ACK and BYE.
    fn within_dialog(&self, index: usize, method: &str, cseq: u32) {
        let Some(Dialog { target, headers }) = self.dialogs.get(&index) else { return };
        let request = format!(
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {caller};branch=z9hG4bK{method}{index}\r\n\
             {headers}\
             {from}\
             {call_id}\
             CSeq: {cseq} {method}\r\n\
             Max-Forwards: 70\r\n\
             Content-Length: 0\r\n\r\n",
            caller = lab::CALLER,
            from = from(index),
            call_id = call_id(index),
        );
        self.caller.send_to(request.as_bytes(), lab::SERVER).expect("a request can be sent");
    }

    fn work_until(&mut self, deadline: Instant, done: impl Fn(&Phones) -> bool) {
        while Instant::now() < deadline && !done(self) {
            let mut buffer = [0; 65535];
            while let Ok((len, from)) = self.callee.recv_from(&mut buffer) {
                self.on_callee(&String::from_utf8_lossy(&buffer[..len]), from);
            }
            while let Ok((len, _)) = self.caller.recv_from(&mut buffer) {
                self.on_caller(&String::from_utf8_lossy(&buffer[..len]));
            }
            std::thread::sleep(Duration::from_micros(20));
        }
    }

    /// Answers requests at once.
    fn on_callee(&mut self, message: &str, from: SocketAddr) {
        let body = match message.split(' ').next() {
            Some("INVITE") => {
                let Some(call) = index_of_caller(message).and_then(|index| self.calls.get_mut(&index)) else {
                    return;
                };
                call.callee_sends_to = media_address(message);
                sdp(&call.callee_media)
            }
            Some("BYE") => String::new(),
            _ => return,
        };
        let tag = if all(message, "To").any(|to| to.contains(";tag=")) { "" } else { ";tag=callee" };
        let headers: String = ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"]
            .into_iter()
            .flat_map(|name| all(message, name).map(move |value| (name, value)))
            .map(|(name, value)| format!("{name}: {value}{}\r\n", if name == "To" { tag } else { "" }))
            .collect();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let answer = format!(
            "SIP/2.0 200 OK\r\n{headers}Contact: <sip:{}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            lab::CALLEE,
            body.len()
        );
        self.callee.send_to(answer.as_bytes(), from).expect("an answer can be sent");
    }

    /// Acknowledges answers, and notes the end of calls.
    fn on_caller(&mut self, message: &str) {
        let Some(index) = index_of_caller(message).filter(|_| message.starts_with("SIP/2.0 2")) else {
            return;
        };
        if all(message, "CSeq").any(|cseq| cseq.ends_with("BYE")) {
            self.dialogs.remove(&index);
            return;
        }
        let Some(call) = self.calls.get_mut(&index) else { return };
        let to = all(message, "To").map(|to| format!("To: {to}\r\n"));
        let mut route: Vec<&str> = all(message, "Record-Route").collect();
        route.reverse();
        let headers = route.iter().map(|hop| format!("Route: {hop}\r\n")).chain(to).collect();
        let Some(target) = all(message, "Contact").find_map(|contact| between(contact, '<', '>')) else {
            return;
        };
        if call.caller_sends_to.is_none() {
            call.setup = call.begun.elapsed();
        }
        call.caller_sends_to = media_address(message);
        self.dialogs.insert(index, Dialog { target: target.to_owned(), headers });
        self.within_dialog(index, "ACK", 1);
    }
}

fn established((index, call): (usize, Call)) -> Option<Established> {
    let (caller_sends_to, callee_sends_to) = (call.caller_sends_to?, call.callee_sends_to?);
    let Call { caller_media, callee_media, setup, .. } = call;
    Some(Established { index, caller_media, callee_media, caller_sends_to, callee_sends_to, setup })
}

fn from(index: usize) -> String {
    format!("From: <sip:{}@{}>;tag=caller{index}\r\n", FIRST_CALLER + index, lab::CALLER)
}

fn call_id(index: usize) -> String {
    format!("Call-ID: media-{index}\r\n")
}

/// Which call it is: the caller's number tells, on either side of the server.
fn index_of_caller(message: &str) -> Option<usize> {
    let number = between(all(message, "From").next()?, ':', '@')?;
    number.parse::<usize>().ok()?.checked_sub(FIRST_CALLER)
}

fn sdp(media: &UdpSocket) -> String {
    let at = media.local_addr().expect("a socket has an address");
    let (ip, port) = (at.ip(), at.port());
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n"
    )
}

/// Where an SDP body wants media.
fn media_address(message: &str) -> Option<SocketAddrV4> {
    let line = |start| message.lines().find_map(|line| line.strip_prefix(start));
    let ip = line("c=IN IP4 ")?.parse().ok()?;
    let port = line("m=audio ")?.split(' ').next()?.parse().ok()?;
    Some(SocketAddrV4::new(ip, port))
}

/// The values of a header.
fn all<'a>(message: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let head = message.split("\r\n\r\n").next().unwrap_or_default();
    head.lines().skip(1).filter_map(move |line| {
        let (this, value) = line.split_once(':')?;
        this.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn between(text: &str, open: char, close: char) -> Option<&str> {
    text.split_once(open)?.1.split_once(close).map(|(inside, _)| inside)
}
