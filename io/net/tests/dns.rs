//! Names, with a name server of our own on loopback.

mod common;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::{TCP, TLS, UDP, Watched, limited, net, until};
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tandem_net::{Limits, Listen, NetEvent, Resolved, Target};
use tandem_sip_msg::Transport;
use tokio::net::UdpSocket;

async fn resolved(net: &mut Watched, wanted: u64) -> Result<Resolved, String> {
    until(net, |event| match event {
        NetEvent::Resolved { id, result } if *id == wanted => Some(result.clone().map_err(|why| why.words)),
        _ => None,
    })
    .await
}

fn targets(list: &[&str]) -> Vec<Target> {
    list.iter().map(|text| Target { at: text.parse().unwrap(), transport: None }).collect()
}

/// A zone file: name, TTL, data.
type Zone = &'static [(&'static str, u32, Data)];

#[derive(Clone, Copy)]
enum Data {
    A([u8; 4]),
    Aaaa(u16),
    Srv(u16, u16, u16, &'static str),
    Naptr(u16, &'static str, &'static str),
}

const ZONE: Zone = &[
    ("_sip._udp.carrier.test.", 120, Data::Srv(20, 0, 5080, "b.carrier.test.")),
    ("_sip._udp.carrier.test.", 90, Data::Srv(10, 5, 5070, "a.carrier.test.")),
    ("_sip._udp.carrier.test.", 90, Data::Srv(30, 5, 5090, "missing.carrier.test.")),
    ("_sip._tcp.carrier.test.", 90, Data::Srv(0, 0, 0, ".")),
    ("carrier.test.", 60, Data::A([192, 0, 2, 1])),
    ("a.carrier.test.", 70, Data::A([192, 0, 2, 10])),
    ("b.carrier.test.", 70, Data::A([192, 0, 2, 20])),
    ("b.carrier.test.", 70, Data::A([192, 0, 2, 21])),
    ("_sips._tcp.carrier.test.", 90, Data::Srv(10, 0, 5071, "a.carrier.test.")),
    ("chooses.test.", 300, Data::Naptr(10, "SIPS+D2T", "_sips._tcp.carrier.test.")),
    ("chooses.test.", 300, Data::Naptr(20, "SIP+D2U", "_sip._udp.carrier.test.")),
    ("chooses.test.", 300, Data::Naptr(5, "SIP+D2S", "_sip._sctp.carrier.test.")),
    ("_sip._udp.both.test.", 90, Data::Srv(10, 0, 5062, "six.test.")),
    ("_sip._tcp.both.test.", 90, Data::Srv(10, 0, 5063, "plain.test.")),
    ("_sips._tcp.both.test.", 90, Data::Srv(10, 0, 5064, "plain.test.")),
    ("six.test.", 60, Data::Aaaa(6)),
    ("six.test.", 60, Data::A([192, 0, 2, 66])),
    ("plain.test.", 5, Data::A([192, 0, 2, 30])),
    ("mute.test.", 60, Data::A([192, 0, 2, 50])),
    ("long.test.", 999_999, Data::A([192, 0, 2, 40])),
];

/// Answers from the zone; keeps silent on `silent` names, and on the services of `mute` ones.
async fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let question = Message::from_vec(&buffer[..length]).unwrap();
            let answer = answer(&question);
            if let Some(answer) = answer {
                socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            }
        }
    });
    address
}

fn answer(question: &Message) -> Option<Message> {
    let query = question.queries.first()?.clone();
    let name = query.name().to_ascii().to_ascii_lowercase();
    let mute = name.contains("mute") && query.query_type() == RecordType::SRV;
    if mute || name.contains("silent") {
        return None;
    }
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.add_query(query.clone());
    let known = ZONE.iter().filter(|(owner, ..)| *owner == name);
    if known.clone().next().is_none() {
        answer.metadata.response_code = ResponseCode::NXDomain;
    }
    for (_, ttl, data) in known {
        let data = match (*data, query.query_type()) {
            (Data::A([a, b, c, d]), RecordType::A) => RData::A(A::new(a, b, c, d)),
            (Data::Aaaa(last), RecordType::AAAA) => {
                RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last))
            }
            (Data::Naptr(order, services, to), RecordType::NAPTR) => {
                let bytes = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
                let to = Name::from_ascii(to).unwrap();
                RData::NAPTR(NAPTR::new(order, 1, bytes("s"), bytes(services), bytes(""), to))
            }
            (Data::Srv(priority, weight, port, target), RecordType::SRV) => {
                RData::SRV(SRV::new(priority, weight, port, Name::from_ascii(target).unwrap()))
            }
            _ => continue,
        };
        answer.add_answer(Record::from_rdata(query.name().clone(), *ttl, data));
    }
    Some(answer)
}

async fn asking_ours(limits: Limits) -> Watched {
    let mut net = limited(&[UDP, TCP], limits).await;
    net.use_name_servers(&[name_server().await]);
    net
}

#[tokio::test]
async fn an_address_is_its_own_answer() {
    let mut net = net(&[UDP]).await;
    net.resolve(1, "192.0.2.1", None, Transport::Udp);
    net.resolve(2, "192.0.2.1", Some(5080), Transport::Udp);
    net.resolve(3, "[2001:db8::1]", None, Transport::Tls);
    assert_eq!(resolved(&mut net, 1).await.unwrap().targets, targets(&["192.0.2.1:5060"]));
    assert_eq!(resolved(&mut net, 2).await.unwrap().targets, targets(&["192.0.2.1:5080"]));
    assert_eq!(resolved(&mut net, 3).await.unwrap().targets, targets(&["[2001:db8::1]:5061"]));
}

#[tokio::test]
async fn localhost_needs_no_name_server() {
    let mut net = net(&[UDP]).await;
    let began = Instant::now();
    net.resolve(1, "LocalHost", None, Transport::Udp);
    assert_eq!(resolved(&mut net, 1).await.unwrap().targets, targets(&["127.0.0.1:5060"]));
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn services_come_by_priority_with_their_ports_and_the_shortest_ttl() {
    let mut net = asking_ours(Limits::default()).await;
    net.resolve(1, "carrier.test", None, Transport::Udp);
    let found = resolved(&mut net, 1).await.unwrap();
    assert_eq!(found.targets, targets(&["192.0.2.10:5070", "192.0.2.20:5080", "192.0.2.21:5080"]));
    assert_eq!(found.ttl, Duration::from_secs(70));
}

#[tokio::test]
async fn a_port_or_the_lack_of_services_leads_to_the_addresses() {
    let mut net = asking_ours(Limits::default()).await;
    net.resolve(1, "carrier.test", Some(5555), Transport::Udp);
    assert_eq!(resolved(&mut net, 1).await.unwrap().targets, targets(&["192.0.2.1:5555"]));
    net.resolve(2, "plain.test", None, Transport::Udp);
    let found = resolved(&mut net, 2).await.unwrap();
    assert_eq!(
        found,
        Resolved { targets: targets(&["192.0.2.30:5060"]), ttl: Duration::from_secs(30), by_service: false }
    );
    net.resolve(3, "long.test.", None, Transport::Tcp);
    assert_eq!(resolved(&mut net, 3).await.unwrap().ttl, Duration::from_secs(3600));
}

#[tokio::test]
async fn failures_are_told_in_plain_words() {
    let mut net = asking_ours(Limits { lookup: Duration::from_millis(300), ..Limits::default() }).await;
    for (id, (host, transport, words)) in [
        ("nobody.test", Transport::Udp, "there is no host named nobody.test"),
        ("carrier.test", Transport::Tcp, "offers no SIP over TCP"),
        ("_sip._udp.carrier.test", Transport::Udp, "no address"),
        ("silent.test", Transport::Udp, "did not answer in time"),
        ("", Transport::Udp, "empty"),
        ("not a..name", Transport::Udp, "no host name"),
    ]
    .into_iter()
    .enumerate()
    {
        net.resolve(id as u64, host, None, transport);
        let error = resolved(&mut net, id as u64).await.unwrap_err();
        assert!(error.contains(words), "{host:?}: {error}");
    }
}

#[tokio::test]
async fn a_name_server_silent_on_services_still_leaves_time_for_the_address() {
    let mut net = asking_ours(Limits { lookup: Duration::from_millis(600), ..Limits::default() }).await;
    net.resolve(1, "mute.test", None, Transport::Udp);
    assert_eq!(resolved(&mut net, 1).await.unwrap().targets, targets(&["192.0.2.50:5060"]));
}

#[tokio::test]
async fn one_name_does_not_wait_for_another() {
    let mut net = asking_ours(Limits::default()).await;
    for id in 1..50 {
        net.resolve(id, "silent.test", None, Transport::Udp);
    }
    net.resolve(50, "plain.test", None, Transport::Udp);
    let began = Instant::now();
    assert!(resolved(&mut net, 50).await.is_ok());
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn too_many_waiting_lookups_are_refused_at_once() {
    let limits = Limits { lookups: 1, lookup: Duration::from_secs(2), ..Limits::default() };
    let mut net = asking_ours(limits).await;
    for id in 0..20 {
        net.resolve(id, "silent.test", Some(5060), Transport::Udp);
    }
    let error = resolved(&mut net, 19).await.unwrap_err();
    assert!(error.contains("too many lookups"), "{error}");
}

/// Two nets that ask ours: with listeners on UDP and TCP, and on TLS too.
async fn asking_with(listens: &[Listen]) -> Watched {
    let mut net = limited(listens, Limits::default()).await;
    net.use_name_servers(&[name_server().await]);
    net
}

fn named(list: &[(Transport, &str)]) -> Vec<Target> {
    let target =
        |(transport, at): &(Transport, &str)| Target { at: at.parse().unwrap(), transport: Some(*transport) };
    list.iter().map(target).collect()
}

#[tokio::test]
async fn a_host_names_its_transports_by_naptr_as_far_as_we_have_them() {
    use Transport::{Tls, Udp};
    let udp = [(Udp, "192.0.2.10:5070"), (Udp, "192.0.2.20:5080"), (Udp, "192.0.2.21:5080")];
    let mut net = asking_with(&[UDP, TCP, TLS]).await;
    net.resolve(1, "chooses.test", None, None);
    let found = resolved(&mut net, 1).await.unwrap();
    assert_eq!(found.targets, named(&[&[(Tls, "192.0.2.10:5071")], &udp[..]].concat()));
    let mut net = asking_with(&[UDP, TCP]).await;
    net.resolve(1, "chooses.test", None, None);
    assert_eq!(resolved(&mut net, 1).await.unwrap().targets, named(&udp));
}

#[tokio::test]
async fn without_naptr_there_are_those_transports_that_have_services() {
    use Transport::{Tcp, Udp};
    let six = Listen { bind: "[::1]:0".parse().unwrap(), ..UDP };
    let mut net = asking_with(&[UDP, six, TCP, TLS]).await;
    net.resolve(1, "both.test", None, None);
    let expected = [(Udp, "192.0.2.66:5062"), (Udp, "[2001:db8::6]:5062"), (Tcp, "192.0.2.30:5063")];
    assert_eq!(resolved(&mut net, 1).await.unwrap().targets, named(&expected), "sip alone asks for no TLS");
    net.resolve(2, "plain.test", None, None);
    assert_eq!(resolved(&mut net, 2).await.unwrap().targets, targets(&["192.0.2.30:5060"]));
    net.resolve(3, "both.test", Some(5099), None);
    assert!(
        resolved(&mut net, 3).await.unwrap_err().contains("no host named both.test"),
        "a port leads to the addresses"
    );
}

#[tokio::test]
async fn tls_has_services_and_a_port_of_its_own() {
    let mut net = asking_with(&[UDP, TLS]).await;
    net.resolve(1, "carrier.test", None, Transport::Tls);
    assert_eq!(resolved(&mut net, 1).await.unwrap().targets, targets(&["192.0.2.10:5071"]));
    net.resolve(2, "plain.test", None, Transport::Tls);
    assert_eq!(resolved(&mut net, 2).await.unwrap().targets, targets(&["192.0.2.30:5061"]));
}
