//! A name server for tests.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};

type Zone = Vec<(String, RData)>;

/// Answers on a loopback port for as long as the process lives.
pub struct NameServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    asked: Arc<Mutex<Vec<String>>>,
}

const TTL: u32 = 30;

impl NameServer {
    /// Knows nothing yet.
    #[track_caller]
    pub fn start() -> NameServer {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = socket.local_addr().expect("it is bound");
        let (zone, asked) = (Arc::<Mutex<Zone>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (theirs, heard) = (zone.clone(), asked.clone());
        thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let Some((question, answer)) = answer(&buffer[..length], &theirs) else { continue };
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(question);
                let _ = socket.send_to(&answer, from);
            }
        });
        NameServer { address, zone, asked }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `NAME TYPE` of what it was asked.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An address of a host.
    pub fn host(&self, name: &str, ip: IpAddr) {
        let data = match ip {
            IpAddr::V4(ip) => RData::A(A(ip)),
            IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
        };
        self.add(name, data);
    }

    /// A service (RFC 2782).
    pub fn service(&self, name: &str, priority: u16, port: u16, target: &str) {
        self.add(name, RData::SRV(SRV::new(priority, 0, port, whole(target))));
    }

    /// What a host offers (RFC 3263 §4.1): `SIP+D2U`, say, and the name of its service.
    pub fn offer(&self, name: &str, order: u16, services: &str, service: &str) {
        let bytes = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
        let data = NAPTR::new(order, 0, bytes("s"), bytes(services), bytes(""), whole(service));
        self.add(name, RData::NAPTR(data));
    }

    fn add(&self, name: &str, data: RData) {
        let owner = whole(name).to_ascii().to_ascii_lowercase();
        self.zone.lock().unwrap_or_else(PoisonError::into_inner).push((owner, data));
    }
}

fn whole(name: &str) -> Name {
    let mut name = Name::from_ascii(name).expect("a name");
    name.set_fqdn(true);
    name
}

fn answer(question: &[u8], zone: &Mutex<Zone>) -> Option<(String, Vec<u8>)> {
    let question = Message::from_vec(question).ok()?;
    let query = question.queries.first()?.clone();
    let name = query.name().to_ascii().to_ascii_lowercase();
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.add_query(query.clone());
    let zone = zone.lock().unwrap_or_else(PoisonError::into_inner);
    let known: Vec<&(String, RData)> = zone.iter().filter(|(owner, _)| *owner == name).collect();
    if known.is_empty() {
        answer.metadata.response_code = ResponseCode::NXDomain;
    }
    for (_, data) in known.into_iter().filter(|(_, data)| data.record_type() == query.query_type()) {
        answer.add_answer(Record::from_rdata(query.name().clone(), TTL, data.clone()));
    }
    Some((format!("{name} {}", query.query_type()), answer.to_vec().ok()?))
}
