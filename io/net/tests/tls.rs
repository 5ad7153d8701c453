//! TLS over loopback: one net as the server, another as the client, certificates made on the spot.

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::certificates::{Authority, Folder, NOW, tls};
use common::{
    MESSAGE, TLS, Watched, beside, connected, disconnected, failures, flow, gather, limited, message, net,
    until,
};
use tandem_net::{Limits, NetEvent, Tls, TlsFiles};
use tandem_sip_msg::{ConnectionId, DomainId, Flow, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const DOMAIN: DomainId = DomainId(7);

async fn serving(tls: Tls) -> Watched {
    let mut net = net(&[TLS]).await;
    net.use_tls(tls);
    net
}

/// A way to the server, who has to be `domain`.
fn way(client: &mut Watched, server: &Watched, domain: &str) -> Flow {
    client.name_domain(DOMAIN, domain);
    Flow { domain: Some(DOMAIN), ..flow(Transport::Tls, server.addresses()[0]) }
}

/// Waits for something at one net while the other goes on.
async fn both<T>(one: &mut Watched, other: &mut Watched, found: impl FnMut(&NetEvent) -> Option<T>) -> T {
    beside(other, until(one, found)).await
}

fn names(event: &NetEvent) -> Option<Vec<String>> {
    match event {
        NetEvent::Connected { names, .. } => Some(names.clone()),
        _ => None,
    }
}

fn why(event: &NetEvent) -> Option<String> {
    match event {
        NetEvent::ConnectFailed { why, .. } => Some(why.words.clone()),
        _ => None,
    }
}

/// Why a client that wants `domain` does not take `server`.
async fn refused(client: &mut Watched, server: &mut Watched, domain: &str) -> String {
    let way = way(client, server, domain);
    client.send(way, Bytes::from_static(MESSAGE), Some(3));
    let why = both(client, server, why).await;
    assert_eq!(failures(client, 1).await, [3]);
    assert!(!server.seen.iter().any(|event| matches!(event, NetEvent::Message { .. })), "nothing was sent");
    why
}

async fn pair(server_names: &[&str]) -> (Watched, Watched) {
    let authority = Authority::new("Test CA");
    let server = serving(tls(&authority.issue(server_names, NOW), None, None)).await;
    let client = serving(tls(&authority.issue(&["client.example"], NOW), Some(&authority), None)).await;
    (server, client)
}

#[tokio::test]
async fn messages_go_both_ways_over_one_connection() {
    let (mut server, mut client) = pair(&["carrier.example"]).await;
    let to = way(&mut client, &server, "carrier.example");
    for tag in 0..3 {
        client.send(to, Bytes::from_static(MESSAGE), Some(tag));
    }
    beside(&mut client, gather(&mut server, |seen| seen.len() == 4)).await;
    let (from, bytes) = message(&mut server).await;
    assert_eq!((from.transport, &bytes[..]), (Transport::Tls, MESSAGE));
    // Larger than what TLS buffers by itself.
    let large = [b"SIP/2.0 200 OK\r\nContent-Length: 60000\r\n\r\n", &[b'x'; 60_000][..]].concat();
    for _ in 0..10 {
        server.send(from, Bytes::from(large.clone()), None);
    }
    let count =
        |seen: &[NetEvent]| seen.iter().filter(|event| matches!(event, NetEvent::Message { .. })).count();
    beside(&mut server, gather(&mut client, |seen| count(seen) == 10)).await;
    let (back, bytes) = message(&mut client).await;
    assert_eq!(bytes, large);
    assert_eq!((back.remote, back.domain), (to.remote, to.domain));
}

#[tokio::test]
async fn the_certificate_has_to_be_for_the_host_and_nobody_else() {
    for (names, host) in [
        (&["carrier.example"][..], "carrier.example"),
        (&["other.example", "carrier.example"], "carrier.example"),
        (&["*.carrier.example"], "mine.carrier.example"),
        (&["sip:carrier.example"], "carrier.example"),
        (&["127.0.0.1"], "127.0.0.1"),
        (&["2001:db8::1"], "2001:db8::1"),
    ] {
        let (mut server, mut client) = pair(names).await;
        let to = way(&mut client, &server, host);
        client.send(to, Bytes::from_static(MESSAGE), None);
        both(&mut server, &mut client, |event| matches!(event, NetEvent::Message { .. }).then_some(())).await;
    }
    for (names, host, shown) in [
        (&["target.example"][..], "carrier.example", "is for target.example, not for carrier.example"),
        (&["*.carrier.example"], "carrier.example", "is for *.carrier.example, not for carrier.example"),
        (&["*.carrier.example"], "a.b.carrier.example", "not for a.b.carrier.example"),
        // Where a `sip:` URI says whose it is, its DNS names say only on which machine it is (RFC 5922 §7.1).
        (&["sip:other.example", "carrier.example"], "carrier.example", "not for carrier.example"),
        (&["sip:alice@carrier.example", "x.example"], "carrier.example", "is for x.example"),
        (&["carrier.example"], "127.0.0.1", "not for 127.0.0.1"),
        (&[], "carrier.example", "is for no host at all"),
    ] {
        let (mut server, mut client) = pair(names).await;
        let why = refused(&mut client, &mut server, host).await;
        assert!(why.contains(shown) && why.contains("Set host"), "{names:?}: {why}");
    }
}

#[tokio::test]
async fn expired_early_and_unknown_certificates_are_told_apart() {
    let (known, unknown) = (Authority::new("Test CA"), Authority::new("Somebody Else"));
    let mut client = serving(tls(&known.issue(&["client.example"], NOW), Some(&known), None)).await;
    for (authority, years, words) in [
        (&known, (2020, 2021), "for carrier.example expired on 2021-01-01. The provider has to renew it"),
        (&known, (2119, 2120), "is valid from 2119-01-01 on only. Check the clock"),
        (&unknown, NOW, "issued by \"CN=Somebody Else\", who is not trusted here"),
    ] {
        let (certificate, key) = authority.issue(&["carrier.example"], years);
        let server = raw_server(&certificate, &key).await;
        let why = refused_by(&mut client, server.0, "carrier.example").await;
        assert!(why.contains(words), "{why}");
        server.1.abort();
    }
}

/// A server with a certificate that [`Tls::load`] would not take.
async fn raw_server(certificate: &str, key: &str) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = std::sync::Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut session = rustls::ServerConnection::new(config).unwrap();
        while session.complete_io(&mut stream).is_ok() && session.is_handshaking() {}
    });
    (address, task)
}

async fn refused_by(client: &mut Watched, server: std::net::SocketAddr, domain: &str) -> String {
    client.name_domain(DOMAIN, domain);
    let to = Flow { domain: Some(DOMAIN), ..flow(Transport::Tls, server) };
    client.send(to, Bytes::from_static(MESSAGE), Some(3));
    let why = until(client, why).await;
    assert_eq!(failures(client, 1).await, [3]);
    why
}

#[tokio::test]
async fn a_server_that_is_none_is_explained() {
    let (server, mut client) = pair(&["carrier.example"]).await;
    drop(server);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mute = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 1];
        stream.read_exact(&mut hello).await.unwrap();
        stream.write_all(b"SIP/2.0 400 Bad Request\r\n\r\n").await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let why = refused_by(&mut client, address, "carrier.example").await;
    assert!(why.contains("does not speak TLS") && why.contains("5061"), "{why}");
    mute.abort();
    let _ = mute.await;
    let why = refused_by(&mut client, address, "carrier.example").await;
    assert!(why.contains("connection refused"), "{why}");
    let to = Flow { domain: None, ..flow(Transport::Tls, address) };
    client.send(to, Bytes::from_static(MESSAGE), Some(9));
    assert_eq!(failures(&mut client, 1).await, [9], "without a name there is nobody to ask for");
}

#[tokio::test]
async fn one_address_has_a_connection_for_each_name_that_is_asked_for() {
    let (mut server, mut client) = pair(&["one.example", "two.example"]).await;
    let one = way(&mut client, &server, "one.example");
    client.name_domain(DomainId(8), "two.example");
    let two = Flow { domain: Some(DomainId(8)), ..one };
    for way in [one, two, one, two] {
        client.send(way, Bytes::from_static(MESSAGE), None);
    }
    let mut from: Vec<Option<ConnectionId>> = Vec::new();
    for _ in 0..4 {
        from.push(beside(&mut client, message(&mut server)).await.0.connection);
    }
    from.sort_unstable();
    from.dedup();
    assert_eq!(from.len(), 2);
}

#[tokio::test]
async fn client_certificates_are_asked_for_and_tell_who_it_is() {
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let own = servers.issue(&["carrier.example"], NOW);
    let mut server = serving(tls(&own, None, Some(&clients))).await;
    let known = clients.issue(&["PBX.example", "sip:site.example", "192.0.2.7"], NOW);
    let mut client = serving(tls(&known, Some(&servers), None)).await;
    let to = way(&mut client, &server, "carrier.example");
    client.send(to, Bytes::from_static(MESSAGE), None);
    let seen = both(&mut server, &mut client, names).await;
    assert_eq!(seen, ["192.0.2.7", "pbx.example", "site.example"]);
    assert_eq!(until(&mut client, names).await, ["carrier.example"], "servers have names too");
}

#[tokio::test]
async fn a_client_certificate_of_somebody_unknown_is_refused_and_both_sides_know() {
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let own = servers.issue(&["carrier.example"], NOW);
    let mut server = serving(tls(&own, None, Some(&clients))).await;
    let unknown = Authority::new("Clients").issue(&["pbx.example"], NOW);
    let mut client = serving(tls(&unknown, Some(&servers), None)).await;
    let why = refused(&mut client, &mut server, "carrier.example").await;
    assert!(why.contains("does not take our certificate"), "{why}");
    assert!(!server.seen.iter().any(|event| matches!(event, NetEvent::Connected { .. })));
}

#[tokio::test]
async fn a_client_without_a_certificate_is_nobody_in_particular() {
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let folder = Folder::new();
    let own = servers.issue(&["carrier.example"], NOW);
    let mut server = serving(tls(&own, None, Some(&clients))).await;
    let address = server.addresses()[0];
    let root = folder.files(&own, Some(&servers), None).ca.unwrap();
    let phone = std::thread::spawn(move || phone_without_certificate(address, &root));
    let seen = until(&mut server, names).await;
    assert!(seen.is_empty(), "{seen:?}");
    message(&mut server).await;
    phone.join().unwrap();
}

fn phone_without_certificate(address: std::net::SocketAddr, root: &std::path::Path) {
    use rustls::pki_types::pem::PemObject;
    use std::io::Write;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(root).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "carrier.example".try_into().unwrap();
    let session = rustls::ClientConnection::new(config.into(), name).unwrap();
    let stream = std::net::TcpStream::connect(address).unwrap();
    rustls::StreamOwned::new(session, stream).write_all(MESSAGE).unwrap();
}

#[tokio::test]
async fn new_certificates_are_for_new_connections_and_old_connections_go_on() {
    let authority = Authority::new("Test CA");
    let mut server = serving(tls(&authority.issue(&["old.example"], NOW), None, None)).await;
    let mut client = serving(tls(&authority.issue(&["client.example"], NOW), Some(&authority), None)).await;
    let old = way(&mut client, &server, "old.example");
    client.send(old, Bytes::from_static(MESSAGE), None);
    let (from, _) = beside(&mut client, message(&mut server)).await;
    server.use_tls(tls(&authority.issue(&["new.example"], NOW), None, None));
    client.name_domain(DomainId(8), "new.example");
    client.send(Flow { domain: Some(DomainId(8)), ..old }, Bytes::from_static(MESSAGE), None);
    let (other, _) = beside(&mut client, message(&mut server)).await;
    assert_ne!(from.connection, other.connection);
    client.send(old, Bytes::from_static(MESSAGE), None);
    let (again, _) = beside(&mut client, message(&mut server)).await;
    assert_eq!(again.connection, from.connection);
}

#[tokio::test]
async fn a_handshake_that_stalls_is_cut_and_counts_against_its_source_until_then() {
    let limits =
        Limits { handshake: Duration::from_millis(200), connections_per_source: 2, ..Limits::default() };
    let mut server = limited(&[TLS], limits).await;
    server.use_tls(tls(&Authority::new("Test CA").issue(&["carrier.example"], NOW), None, None));
    let address = server.addresses()[0];
    let mut stalled = TcpStream::connect(address).await.unwrap();
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(&[22, 3, 1]).await.unwrap();
    let mut third = TcpStream::connect(address).await.unwrap();
    let cut = async |stream: &mut TcpStream| matches!(stream.read(&mut [0; 64]).await, Ok(0) | Err(_));
    assert!(beside(&mut server, cut(&mut third)).await, "a third at once is one too many");
    assert!(beside(&mut server, cut(&mut stalled)).await);
    assert!(beside(&mut server, cut(&mut half)).await);
    assert!(server.seen.is_empty(), "nobody was ever connected: {:?}", server.seen);
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(MESSAGE).await.unwrap();
    let mut answer = Vec::new();
    let _ = beside(&mut server, plain.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"SIP"), "what is no TLS is not served");
    assert!(server.seen.is_empty());
}

#[tokio::test]
async fn tls_1_1_is_not_spoken() {
    let mut server = serving(tls(&Authority::new("CA").issue(&["carrier.example"], NOW), None, None)).await;
    let mut old = TcpStream::connect(server.addresses()[0]).await.unwrap();
    // ClientHello of TLS 1.1 with TLS_RSA_WITH_AES_128_CBC_SHA.
    let body = [&[3, 2][..], &[7; 32], &[0, 0, 2, 0, 0x2f, 1, 0]].concat();
    let hello = [&[1, 0, 0, body.len() as u8][..], &body].concat();
    old.write_all(&[&[22, 3, 1, 0, hello.len() as u8][..], &hello].concat()).await.unwrap();
    let mut answer = Vec::new();
    let _ = beside(&mut server, old.read_to_end(&mut answer)).await;
    assert!(matches!(answer[..], [21, 3, _, 0, 2, 2, 40 | 70]), "an alert: {answer:?}");
    assert!(server.seen.is_empty());
}

#[tokio::test]
async fn the_end_of_a_connection_is_noticed_and_the_next_message_makes_another() {
    let (mut server, mut client) = pair(&["carrier.example"]).await;
    let to = way(&mut client, &server, "carrier.example");
    client.send(to, Bytes::from_static(b"no sip\r\n\r\n"), None);
    let opened = connected(&mut client);
    let opened = beside(&mut server, opened).await;
    let broken = |event: &NetEvent| match event {
        NetEvent::Broken { flow, .. } => Some(*flow),
        _ => None,
    };
    let from = both(&mut server, &mut client, broken).await;
    server.send(from, Bytes::from_static(b"SIP/2.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), None);
    let (_, answer) = beside(&mut server, message(&mut client)).await;
    assert!(answer.starts_with(b"SIP/2.0 400"), "the answer comes before the end");
    beside(&mut server, disconnected(&mut client, opened)).await;
    client.send(to, Bytes::from_static(MESSAGE), None);
    let (other, _) = beside(&mut client, message(&mut server)).await;
    assert_ne!(other.connection, from.connection);
}

#[test]
fn files_that_cannot_be_used_are_named_with_what_to_do() {
    let authority = Authority::new("Test CA");
    let folder = Folder::new();
    let good = authority.issue(&["a.example"], NOW);
    let files = folder.files(&good, None, None);
    assert!(Tls::load(&files).is_ok());
    let other_key = folder.write("other.key", &authority.issue(&["a.example"], NOW).1);
    let expired = folder.write("expired.pem", &authority.issue(&["a.example"], (2000, 2001)).0);
    let early = folder.write("early.pem", &authority.issue(&["a.example"], (2100, 2101)).0);
    let text = folder.write("text.pem", "no certificate");
    let broken = folder.write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let gone = folder.path().join("gone.pem");
    let with = |change: &dyn Fn(&mut TlsFiles)| {
        let mut files = files.clone();
        change(&mut files);
        Tls::load(&files).unwrap_err().to_string()
    };
    for (error, words) in [
        (
            with(&|files| files.certificate = expired.clone()),
            "expired.pem: the certificate expired on 2001-01-01. Renew it",
        ),
        (with(&|files| files.certificate = early.clone()), "valid from 2100-01-01 on only. Check the clock"),
        (with(&|files| files.certificate = text.clone()), "text.pem: there is no certificate in it"),
        (
            with(&|files| files.certificate = broken.clone()),
            "broken.pem: its first certificate cannot be read",
        ),
        (with(&|files| files.certificate = gone.clone()), "gone.pem: No such file"),
        (with(&|files| files.key = other_key.clone()), "the key is not the one of this certificate"),
        (with(&|files| files.key = text.clone()), "text.pem: there is no private key in it"),
        (with(&|files| files.ca = Some(text.clone())), "text.pem: there is no certificate in it"),
        (
            with(&|files| files.client_ca = Some(broken.clone())),
            "cannot be roots. Put CA certificates into it",
        ),
        (
            with(&|files| {
                files.client_certificate = Some(expired.clone());
                files.client_key = Some(files.key.clone());
            }),
            "expired.pem: the certificate expired",
        ),
    ] {
        assert!(error.contains(words), "{error}");
    }
}
