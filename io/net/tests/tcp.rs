//! Streams over loopback.

mod common;

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{
    MESSAGE, TCP, Watched, beside, connected, disconnected, failures, flow, gather, limited, message, net,
    soon, until,
};
use tandem_net::{Limits, NetEvent};
use tandem_sip_msg::{Flow, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn phone(net: &Watched) -> TcpStream {
    TcpStream::connect(net.addresses()[0]).await.unwrap()
}

async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read).await;
    read
}

#[tokio::test]
async fn a_message_in_pieces_is_put_together_and_answered_on_its_connection() {
    let mut server = net(&[TCP]).await;
    let mut phone = phone(&server).await;
    let opened = connected(&mut server).await;
    assert_eq!(opened.remote, phone.local_addr().unwrap());
    beside(&mut server, async {
        for piece in MESSAGE.chunks(9) {
            phone.write_all(piece).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        phone.write_all(MESSAGE).await.unwrap();
    })
    .await;
    gather(&mut server, |seen| seen.len() == 2).await;
    let expected = NetEvent::Message { flow: opened, bytes: Bytes::from_static(MESSAGE) };
    assert_eq!(server.seen, [expected.clone(), expected]);
    server.send(opened, Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n"), Some(1));
    let mut answer = [0; 18];
    beside(&mut server, phone.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"SIP/2.0 200 OK\r\n\r\n");
}

#[tokio::test]
async fn a_ping_is_answered_and_a_pong_is_not() {
    let mut server = net(&[TCP]).await;
    let mut phone = phone(&server).await;
    phone.write_all(b"\r\n\r\n").await.unwrap();
    let mut answer = [0; 2];
    let read = beside(&mut server, phone.read_exact(&mut answer)).await;
    assert_eq!((read.unwrap(), &answer), (2, b"\r\n"));
    phone.write_all(&[b"\r\n", MESSAGE].concat()).await.unwrap();
    message(&mut server).await;
    assert!(matches!(server.seen[..], [NetEvent::Connected { .. }]));
}

#[tokio::test]
async fn one_connection_to_a_remote_address_is_made_and_reused() {
    let carrier = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut server = net(&[TCP]).await;
    let to_carrier = flow(Transport::Tcp, carrier.local_addr().unwrap());
    for n in 0..3 {
        server.send(to_carrier, Bytes::from(format!("message {n};")), Some(n));
    }
    let (mut stream, _) = beside(&mut server, carrier.accept()).await.unwrap();
    server.send(to_carrier, Bytes::from_static(b"message 3;"), Some(3));
    let mut read = [0; 40];
    beside(&mut server, stream.read_exact(&mut read)).await.unwrap();
    assert_eq!(&read, b"message 0;message 1;message 2;message 3;");
    stream.write_all(MESSAGE).await.unwrap();
    let (from, _) = message(&mut server).await;
    assert!(from.connection.is_some());
    assert_eq!(from.remote, carrier.local_addr().unwrap());
}

#[tokio::test]
async fn a_connection_that_came_in_serves_what_goes_out_to_its_address() {
    let mut server = net(&[TCP]).await;
    let mut phone = phone(&server).await;
    let opened = connected(&mut server).await;
    server.send(flow(Transport::Tcp, opened.remote), Bytes::from_static(b"hello"), Some(1));
    let mut read = [0; 5];
    beside(&mut server, phone.read_exact(&mut read)).await.unwrap();
    assert_eq!(&read, b"hello");
}

#[tokio::test]
async fn a_flow_whose_connection_is_gone_is_connected_anew() {
    let carrier = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut server = net(&[TCP]).await;
    let to_carrier = flow(Transport::Tcp, carrier.local_addr().unwrap());
    server.send(to_carrier, Bytes::from_static(b"one"), None);
    let accepted = beside(&mut server, carrier.accept()).await;
    let first = connected(&mut server).await;
    drop(accepted);
    disconnected(&mut server, first).await;
    server.send(first, Bytes::from_static(b"two"), None);
    let (mut stream, _) = beside(&mut server, carrier.accept()).await.unwrap();
    let mut read = [0; 3];
    beside(&mut server, stream.read_exact(&mut read)).await.unwrap();
    assert_eq!(&read, b"two");
}

#[tokio::test]
async fn once_a_phones_connection_is_gone_its_flow_leads_to_the_address_that_it_names() {
    let mut server = net(&[TCP]).await;
    let phone = phone(&server).await;
    let opened = connected(&mut server).await;
    let listening = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let anew = Flow { remote: listening.local_addr().unwrap(), ..opened };
    drop(phone);
    disconnected(&mut server, opened).await;
    server.send(anew, Bytes::from_static(b"BYE"), Some(1));
    let (mut stream, _) = beside(&mut server, listening.accept()).await.unwrap();
    let mut read = [0; 3];
    beside(&mut server, stream.read_exact(&mut read)).await.unwrap();
    assert_eq!(&read, b"BYE");
    // The far port of what it had connected from is nobody's.
    server.send(opened, Bytes::from_static(b"BYE"), Some(2));
    assert_eq!(failures(&mut server, 1).await, [2]);
}

#[tokio::test]
async fn a_refused_connection_fails_all_that_waits_for_it_at_once() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut server = net(&[TCP]).await;
    let began = Instant::now();
    for tag in 1..=3 {
        server.send(flow(Transport::Tcp, gone), Bytes::from_static(b"x"), Some(tag));
    }
    assert_eq!(failures(&mut server, 3).await, [1, 2, 3]);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn what_waits_for_a_connection_is_bounded() {
    let limits = Limits { stream_backlog: 1000, ..Limits::default() };
    let mut server = limited(&[TCP], limits).await;
    // Sent before the task of the connection had a turn.
    let carrier = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to_carrier = flow(Transport::Tcp, carrier.local_addr().unwrap());
    for tag in 1..=3 {
        server.send(to_carrier, Bytes::from(vec![b'x'; 400]), Some(tag));
    }
    assert_eq!(failures(&mut server, 3).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_peer_that_never_reads_is_cut_off_and_others_are_not() {
    let mut server = net(&[TCP]).await;
    let (stuck, mut well) = (phone(&server).await, phone(&server).await);
    let to_stuck = connected(&mut server).await;
    let to_well = connected(&mut server).await;
    let (to_stuck, to_well) = match to_stuck.remote == stuck.local_addr().unwrap() {
        true => (to_stuck, to_well),
        false => (to_well, to_stuck),
    };
    let piece = Bytes::from(vec![b'x'; 60_000]);
    let mut sent = 0;
    while !server.seen.iter().any(|event| matches!(event, NetEvent::SendFailed { .. })) {
        assert!(sent < 10_000, "it was never cut off");
        server.send(to_stuck, piece.clone(), Some(sent));
        server.send(to_well, Bytes::from_static(b"probe"), None);
        sent += 1;
        let mut probe = [0; 5];
        beside(&mut server, well.read_exact(&mut probe)).await.unwrap();
    }
    let end = NetEvent::Disconnected(to_stuck.connection.unwrap());
    gather(&mut server, |seen| seen.contains(&end)).await;
    let failures = server.seen.iter().filter(|e| matches!(e, NetEvent::SendFailed { .. })).count();
    assert!(failures >= 17, "a megabyte that waited has failed: {failures}");
    drop(stuck);
}

#[tokio::test]
async fn a_peer_that_reads_late_gets_everything() {
    let mut server = net(&[TCP]).await;
    let mut phone = phone(&server).await;
    let opened = connected(&mut server).await;
    for n in 0..10u8 {
        server.send(opened, Bytes::from(vec![n; 100_000]), Some(n.into()));
    }
    let mut read = vec![0; 1_000_000];
    let reading = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        phone.read_exact(&mut read).await
    };
    beside(&mut server, reading).await.unwrap();
    assert!(read.chunks(100_000).enumerate().all(|(n, chunk)| chunk.iter().all(|b| *b == n as u8)));
    assert!(server.seen.is_empty(), "{:?}", server.seen);
}

#[tokio::test]
async fn a_stuck_peer_is_closed_after_the_stall_even_below_the_bound() {
    let limits = Limits { stall: Duration::from_millis(100), stream_backlog: 1 << 30, ..Limits::default() };
    let mut server = limited(&[TCP], limits).await;
    let mut phone = phone(&server).await;
    phone.write_all(MESSAGE).await.unwrap();
    let (opened, _) = message(&mut server).await;
    server.send(opened, Bytes::from(vec![0; 32 << 20]), Some(1));
    let expected = [NetEvent::SendFailed { tag: 1 }, NetEvent::Disconnected(opened.connection.unwrap())];
    gather(&mut server, |seen| seen.len() >= 3).await;
    assert_eq!(server.seen[1..], expected);
}

async fn is_closed_for_silence(limits: Limits, said: &[u8]) {
    let mut server = limited(&[TCP], limits).await;
    let mut phone = phone(&server).await;
    phone.write_all(said).await.unwrap();
    let opened = connected(&mut server).await;
    disconnected(&mut server, opened).await;
    assert!(soon(read_to_end(&mut phone)).await.is_empty());
}

#[tokio::test]
async fn a_message_that_is_not_finished_in_time_closes_the_connection() {
    let limits = Limits { stall: Duration::from_millis(80), ..Limits::default() };
    is_closed_for_silence(limits.clone(), b"OPTIONS sip:a@example.com SIP/2.0\r\nVia: ").await;
    is_closed_for_silence(limits.clone(), b"").await;
    is_closed_for_silence(limits, &[MESSAGE, b"OPTIONS "].concat()).await;
}

/// What the peer is told of when a message ends too early, and that an answer reaches it.
async fn is_told_and_answered(server: &mut Watched, mut phone: TcpStream, expected: &str) {
    let (broken, head, why) = until(server, |event| match event {
        NetEvent::Broken { flow, head, why } => Some((*flow, head.clone(), *why)),
        _ => None,
    })
    .await;
    assert_eq!(why, expected);
    assert!(head.unwrap().starts_with(b"OPTIONS"));
    server.send(broken, Bytes::from_static(b"SIP/2.0 400 Bad\r\n\r\n"), None);
    assert_eq!(beside(server, read_to_end(&mut phone)).await, b"SIP/2.0 400 Bad\r\n\r\n");
    disconnected(server, broken).await;
}

const HEAD: &[u8] = b"OPTIONS sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\n\
    From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n";

#[tokio::test]
async fn a_message_that_lacks_only_its_empty_line_is_answered_soon() {
    let mut server = net(&[TCP]).await;
    let mut phone = phone(&server).await;
    phone.write_all(HEAD).await.unwrap();
    let began = Instant::now();
    is_told_and_answered(&mut server, phone, "Head Does Not End").await;
    assert!(began.elapsed() > Duration::from_millis(700), "not before the peer has been silent for a while");
}

#[tokio::test]
async fn a_message_that_pauses_elsewhere_is_waited_for() {
    let mut server = net(&[TCP]).await;
    let mut phone = phone(&server).await;
    beside(&mut server, async {
        phone.write_all(&HEAD[..HEAD.len() - 3]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1000)).await;
        phone.write_all(b"0\r\n\r\n").await.unwrap();
    })
    .await;
    let (_, bytes) = message(&mut server).await;
    assert_eq!(bytes, [HEAD, b"\r\n"].concat());
}

#[tokio::test]
async fn a_peer_that_closes_its_direction_within_a_message_is_answered() {
    for (said, why) in [
        (&HEAD[..60], "Head Does Not End"),
        (&MESSAGE[..MESSAGE.len() - 1], "Body Shorter than Content-Length"),
    ] {
        let mut server = net(&[TCP]).await;
        let mut phone = phone(&server).await;
        phone.write_all(said).await.unwrap();
        phone.shutdown().await.unwrap();
        is_told_and_answered(&mut server, phone, why).await;
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let limits = Limits { idle: Duration::from_millis(80), ..Limits::default() };
    is_closed_for_silence(limits, MESSAGE).await;
}

#[tokio::test]
async fn after_a_framing_error_the_answer_goes_out_and_nothing_more_is_read() {
    let mut server = net(&[TCP]).await;
    let mut phone = phone(&server).await;
    let twice = b"OPTIONS sip:a@example.com SIP/2.0\r\nContent-Length: 0\r\nContent-Length: 9\r\n\r\n";
    phone.write_all(&[twice, MESSAGE].concat()).await.unwrap();
    let (broken, head) = until(&mut server, |event| match event {
        NetEvent::Broken { flow, head, .. } => Some((*flow, head.clone())),
        _ => None,
    })
    .await;
    assert!(head.unwrap().starts_with(b"OPTIONS"));
    phone.write_all(MESSAGE).await.unwrap();
    server.send(broken, Bytes::from_static(b"SIP/2.0 400 Bad\r\n\r\n"), Some(1));
    server.seen.clear();
    let reading = async {
        let read = read_to_end(&mut phone).await;
        drop(phone);
        read
    };
    assert_eq!(beside(&mut server, reading).await, b"SIP/2.0 400 Bad\r\n\r\n");
    let end = NetEvent::Disconnected(broken.connection.unwrap());
    gather(&mut server, |seen| seen.contains(&end)).await;
    assert_eq!(server.seen, [end], "neither a hidden message nor a failure");
}

#[tokio::test]
async fn a_framing_error_that_nobody_answers_closes_within_a_second() {
    let mut server = net(&[TCP]).await;
    let mut phone = phone(&server).await;
    let began = Instant::now();
    phone.write_all(b"\x16\x03\x01 this is TLS\r\n\r\n").await.unwrap();
    assert!(beside(&mut server, read_to_end(&mut phone)).await.is_empty());
    assert!(server.seen.iter().any(|event| matches!(event, NetEvent::Broken { .. })));
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_message_over_the_limit_breaks_the_connection() {
    let mut server = net(&[TCP]).await;
    let mut phone = phone(&server).await;
    let head = b"OPTIONS sip:a@example.com SIP/2.0\r\nContent-Length: 200000\r\n\r\n";
    phone.write_all(head).await.unwrap();
    let (why, _) = tokio::join!(
        until(&mut server, |event| match event {
            NetEvent::Broken { why, .. } => Some(*why),
            _ => None,
        }),
        phone.write_all(&[b'x'; 200_000])
    );
    assert_eq!(why, "Message Too Large");
}

#[tokio::test]
async fn connections_beyond_the_limits_are_refused_and_places_come_free() {
    let limits = Limits { connections_per_source: 2, ..Limits::default() };
    let mut server = limited(&[TCP], limits).await;
    let (one, _two) = (phone(&server).await, phone(&server).await);
    let first = connected(&mut server).await;
    connected(&mut server).await;
    let mut third = phone(&server).await;
    assert!(beside(&mut server, read_to_end(&mut third)).await.is_empty());
    assert!(server.seen.is_empty(), "{:?}", server.seen);
    assert_eq!(first.remote, one.local_addr().unwrap());
    drop(one);
    disconnected(&mut server, first).await;
    let mut fourth = phone(&server).await;
    fourth.write_all(MESSAGE).await.unwrap();
    message(&mut server).await;
}

#[tokio::test]
async fn connections_that_we_make_count_too() {
    let carrier = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut server = limited(&[TCP], Limits { connections: 0, ..Limits::default() }).await;
    let to_carrier = flow(Transport::Tcp, carrier.local_addr().unwrap());
    server.send(to_carrier, Bytes::from_static(b"x"), Some(5));
    assert_eq!(failures(&mut server, 1).await, [5]);
}

#[tokio::test]
async fn many_connections_come_and_go_without_a_trace() {
    let mut server = net(&[TCP]).await;
    for _ in 0..50 {
        let mut phone = phone(&server).await;
        phone.write_all(MESSAGE).await.unwrap();
        let (flow, bytes): (Flow, Bytes) = message(&mut server).await;
        assert_eq!(bytes, MESSAGE);
        drop(phone);
        disconnected(&mut server, flow).await;
    }
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
    assert!(descriptors < 200, "{descriptors} descriptors");
}

#[tokio::test]
async fn a_dropped_net_closes_what_it_had_open() {
    let mut server = net(&[TCP]).await;
    let mut phone = phone(&server).await;
    connected(&mut server).await;
    let address = server.addresses()[0];
    drop(server);
    assert!(soon(read_to_end(&mut phone)).await.is_empty());
    assert!(TcpStream::connect(address).await.is_err());
}
