//! Datagrams over loopback.

mod common;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{UDP, beside, failures, flow, gather, limited, message, net, soon, until};
use tandem_net::{Limits, Listen, Net, NetError, NetEvent};
use tandem_sip_msg::{ListenerId, Transport};

#[tokio::test]
async fn datagrams_go_both_ways_in_order() {
    let (mut one, mut other) = (net(&[UDP]).await, net(&[UDP]).await);
    let to_other = flow(Transport::Udp, other.addresses()[0]);
    for n in 0..500u32 {
        one.send(to_other, Bytes::from(n.to_string()), None);
    }
    one.flush();
    gather(&mut other, |seen| seen.len() == 500).await;
    for event in std::mem::take(&mut other.seen) {
        let NetEvent::Message { flow, bytes } = event else { panic!("{event:?}") };
        assert_eq!(flow.remote, one.addresses()[0]);
        other.send(flow, bytes, None);
    }
    other.flush();
    gather(&mut one, |seen| seen.len() == 500).await;
    for (n, event) in one.seen.iter().enumerate() {
        let NetEvent::Message { bytes, .. } = event else { panic!("{event:?}") };
        assert_eq!(bytes, n.to_string().as_bytes());
    }
}

#[tokio::test]
async fn ipv4_and_ipv6_are_served_side_by_side() {
    let v6 = Listen { transport: Transport::Udp, bind: "[::1]:0".parse().unwrap() };
    let mut server = net(&[UDP, v6]).await;
    let addresses = server.addresses();
    for _ in 0..3 {
        for (listener, client) in [(0, "127.0.0.1:0"), (1, "[::1]:0")] {
            let phone = UdpSocket::bind(client).unwrap();
            phone.send_to(b"hello", addresses[listener]).unwrap();
            let (flow, bytes) = message(&mut server).await;
            assert_eq!(
                (flow.listener, flow.remote),
                (ListenerId(listener as u16), phone.local_addr().unwrap())
            );
            server.send(flow, bytes, None);
            server.flush();
            phone.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            assert_eq!(phone.recv_from(&mut [0; 64]).unwrap(), (5, addresses[listener]));
        }
    }
}

#[tokio::test]
async fn the_largest_datagram_passes_and_a_larger_one_fails() {
    let mut server = net(&[UDP]).await;
    let to_itself = flow(Transport::Udp, server.addresses()[0]);
    server.send(to_itself, Bytes::from(vec![b'x'; 65_508]), Some(7));
    server.send(to_itself, Bytes::from(vec![b'x'; 65_507]), Some(8));
    server.flush();
    assert_eq!(failures(&mut server, 1).await, [7]);
    assert_eq!(message(&mut server).await.1.len(), 65_507);
}

#[tokio::test]
async fn keep_alives_and_empty_datagrams_are_no_messages() {
    let mut server = net(&[UDP]).await;
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    for bytes in [b"".as_slice(), b"\r\n\r\n", b"\0\0\0\0", b"\0", b"real"] {
        phone.send_to(bytes, server.addresses()[0]).unwrap();
    }
    assert_eq!(message(&mut server).await.1, b"real".as_slice());
}

#[tokio::test]
async fn a_peer_without_a_socket_is_unreachable_at_once() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let bind = address.parse().unwrap();
        let mut server = net(&[Listen { transport: Transport::Udp, bind }]).await;
        let gone = UdpSocket::bind(address).unwrap().local_addr().unwrap();
        let alive = UdpSocket::bind(address).unwrap();
        for round in 0..3 {
            server.send(flow(Transport::Udp, gone), Bytes::from_static(b"anyone there?"), Some(1));
            server.flush();
            // The report of the first must not be taken for a failure of the second.
            server.send(
                flow(Transport::Udp, alive.local_addr().unwrap()),
                Bytes::from_static(b"you?"),
                Some(2),
            );
            server.flush();
            let began = Instant::now();
            let event = until(&mut server, |event| Some(event.clone())).await;
            assert_eq!(event, NetEvent::Unreachable { remote: gone }, "round {round}");
            assert!(began.elapsed() < Duration::from_secs(1));
            assert_eq!(alive.recv(&mut [0; 64]).unwrap(), 4);
        }
    }
}

#[tokio::test]
async fn datagrams_beyond_the_backlog_or_to_nowhere_fail() {
    let mut server = limited(&[UDP], Limits { datagram_backlog: 4, ..Limits::default() }).await;
    let to_itself = flow(Transport::Udp, server.addresses()[0]);
    for tag in 0..6 {
        server.send(to_itself, Bytes::from_static(b"x"), Some(tag));
    }
    let unknown = tandem_sip_msg::Flow { listener: ListenerId(9), ..to_itself };
    server.send(unknown, Bytes::from_static(b"x"), Some(6));
    server.send(flow(Transport::Udp, "127.0.0.1:0".parse().unwrap()), Bytes::from_static(b"x"), Some(7));
    server.send(flow(Transport::Ws, to_itself.remote), Bytes::from_static(b"x"), Some(8));
    assert_eq!(failures(&mut server, 5).await, [4, 5, 6, 7, 8]);
}

#[tokio::test]
async fn a_datagram_that_the_system_refuses_fails_alone() {
    let mut server = net(&[UDP]).await;
    let to_itself = flow(Transport::Udp, server.addresses()[0]);
    // Another family than that of the socket.
    server.send(
        flow(Transport::Udp, "[2001:db8::1]:5060".parse().unwrap()),
        Bytes::from_static(b"x"),
        Some(1),
    );
    server.send(to_itself, Bytes::from_static(b"good"), Some(2));
    server.flush();
    assert_eq!(failures(&mut server, 1).await, [1]);
    assert_eq!(message(&mut server).await.1, b"good".as_slice());
}

#[tokio::test]
async fn a_flooded_socket_does_not_silence_another() {
    let mut server = net(&[UDP, UDP]).await;
    let addresses = server.addresses();
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..1000 {
        phone.send_to(b"flood", addresses[0]).unwrap();
    }
    phone.send_to(b"call", addresses[1]).unwrap();
    let mut events = Vec::new();
    soon(server.next(&mut events)).await;
    soon(server.next(&mut events)).await;
    assert!(events.len() <= 128);
    let heard = |event: &NetEvent| matches!(event, NetEvent::Message { bytes, .. } if bytes == "call");
    assert!(events.iter().any(heard));
}

#[tokio::test]
async fn a_flooded_socket_does_not_starve_other_tasks() {
    let mut server = net(&[UDP]).await;
    let to_itself = flow(Transport::Udp, server.addresses()[0]);
    let other = tokio::spawn(async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    });
    let mut events = Vec::new();
    let began = Instant::now();
    while !other.is_finished() {
        server.send(to_itself, Bytes::from_static(b"round and round"), None);
        server.flush();
        soon(server.next(&mut events)).await;
        assert!(began.elapsed() < Duration::from_secs(5), "the other task never ran");
    }
}

#[tokio::test]
async fn waiting_can_be_cancelled_without_loss() {
    let mut server = net(&[UDP]).await;
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut events = Vec::new();
    let nothing = tokio::time::timeout(Duration::from_millis(5), server.next(&mut events)).await;
    assert!(nothing.is_err() && events.is_empty());
    let address = server.addresses()[0];
    beside(&mut server, async {
        for n in 0..50u8 {
            phone.send_to(&[b'a' + n % 20], address).unwrap();
            tokio::task::yield_now().await;
        }
    })
    .await;
    gather(&mut server, |seen| seen.len() == 50).await;
}

#[tokio::test]
async fn an_address_in_use_is_named_with_the_remedy() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let bind = taken.local_addr().unwrap();
    let listen = Listen { transport: Transport::Udp, bind };
    let error = Net::bind(&[listen], Limits::default()).await.err().unwrap();
    let text = error.to_string();
    assert!(text.contains(&bind.to_string()) && text.contains("ss -lnp"), "{text}");
}

#[tokio::test]
async fn an_address_of_no_interface_and_an_unsupported_transport_are_refused_in_words() {
    let listen = Listen { transport: Transport::Tcp, bind: "192.0.2.77:5060".parse().unwrap() };
    let error = Net::bind(&[listen], Limits::default()).await.err().unwrap();
    assert!(error.to_string().contains("no interface has this address"), "{error}");
    let listen = Listen { transport: Transport::Ws, bind: "127.0.0.1:0".parse().unwrap() };
    let error = Net::bind(&[listen], Limits::default()).await.err().unwrap();
    assert!(matches!(error, NetError::Transport { .. }), "{error}");
}

#[tokio::test]
async fn a_net_can_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&net(&[]).await);
}

#[tokio::test]
async fn datagrams_that_wait_are_noticed_and_so_is_that_they_no_longer_do() {
    let mut server = net(&[UDP]).await;
    let to = server.addresses()[0];
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut events = Vec::new();
    let mut lags = Vec::new();
    for _ in 0..400 {
        peer.send_to(b"hello", to).unwrap();
    }
    assert_eq!(server.lag(), Duration::ZERO);
    // So slow are we that the socket is not emptied for long.
    while events.len() < 400 {
        server.next(&mut events).await;
        assert_eq!(server.has_more(), events.len() < 400);
        lags.push(server.lag());
        std::thread::sleep(Duration::from_millis(30));
    }
    assert!(lags.iter().max().unwrap() >= &Duration::from_millis(30), "{lags:?}");
    peer.send_to(b"hello", to).unwrap();
    server.next(&mut events).await;
    assert_eq!(server.lag(), Duration::ZERO);
    assert!(!server.has_more());
    assert_eq!(events.len(), 401, "none was lost to the measuring");
}
