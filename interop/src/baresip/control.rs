//! baresip's `ctrl_tcp`: JSON in netstrings, commands and their answers mixed with events.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};

use crate::process::{PATIENCE, wait_for};

/// Something that happened at the phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// baresip's name for it, such as `CALL_ESTABLISHED`.
    pub kind: String,
    /// The other side's URI, if it is about a call.
    pub peer: String,
    /// The call's Call-ID, if it is about a call.
    pub call_id: String,
    /// What more there is to say: the reason of a close, the key of a tone.
    pub param: String,
}

#[derive(Debug)]
pub(super) struct Control {
    stream: TcpStream,
    received: Vec<u8>,
    events: Vec<Event>,
    answers: Vec<Value>,
    last_token: u32,
}

impl Control {
    pub(super) fn connect(addr: SocketAddr) -> io::Result<Control> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Control { stream, received: Vec::new(), events: Vec::new(), answers: Vec::new(), last_token: 0 })
    }

    /// Gives a command and waits for what it prints.
    #[track_caller]
    pub(super) fn command(&mut self, command: &str, params: &str) -> String {
        self.last_token += 1;
        let token = self.last_token.to_string();
        let text = json!({ "command": command, "params": params, "token": token }).to_string();
        let netstring = format!("{}:{text},", text.len());
        self.stream.write_all(netstring.as_bytes()).expect("baresip takes commands");

        let answer = wait_for(&format!("baresip's answer to {command}"), PATIENCE, || {
            self.pump();
            let at = self.answers.iter().position(|a| a["token"] == token.as_str())?;
            Some(self.answers.remove(at))
        });
        let printed = text_of(&answer, "data");
        assert!(answer["ok"] == true, "baresip refuses {command} {params}: {printed}");
        printed
    }

    /// Takes the oldest event of this kind.
    pub(super) fn take_event(&mut self, kind: &str) -> Option<Event> {
        self.pump();
        let at = self.events.iter().position(|e| e.kind == kind)?;
        Some(self.events.remove(at))
    }

    pub(super) fn events(&mut self) -> &[Event] {
        self.pump();
        &self.events
    }

    /// Sorts out everything that has arrived.
    fn pump(&mut self) {
        // When baresip is gone there is nothing more to read; whoever waits will notice.
        if let Err(e) = self.stream.read_to_end(&mut self.received)
            && !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionReset)
        {
            panic!("baresip's control connection: {e}");
        }
        while let Some((message, len)) = first_netstring(&self.received) {
            let message: Value = serde_json::from_slice(message).expect("baresip speaks JSON");
            self.received.drain(..len);
            if message["event"] == true {
                self.events.push(event(&message));
            } else {
                self.answers.push(message);
            }
        }
    }
}

/// The first message in the buffer, and how much of the buffer it takes with its frame.
fn first_netstring(buffer: &[u8]) -> Option<(&[u8], usize)> {
    let colon = buffer.iter().position(|&b| b == b':')?;
    let len: usize = str::from_utf8(&buffer[..colon]).ok()?.parse().ok()?;
    let message = buffer.get(colon + 1..colon + 1 + len)?;
    let whole = colon + len + 2;
    (buffer.len() >= whole).then_some((message, whole))
}

fn event(message: &Value) -> Event {
    Event {
        kind: text_of(message, "type"),
        peer: text_of(message, "peeruri"),
        call_id: text_of(message, "id"),
        param: text_of(message, "param"),
    }
}

fn text_of(message: &Value, name: &str) -> String {
    message[name].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn netstrings_come_whole_or_not_at_all() {
        assert_eq!(first_netstring(b"2:{},3:"), Some((&b"{}"[..], 5)));
        for partial in ["", "2", "2:", "2:{", "2:{}"] {
            assert_eq!(first_netstring(partial.as_bytes()), None, "{partial}");
        }
    }
}
