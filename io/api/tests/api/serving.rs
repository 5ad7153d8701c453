//! The server itself, over TCP.

use crate::fake::{Fake, TOKEN};
use std::net::SocketAddr;
use std::time::Duration;
use tandem_api::{Options, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Server {
    address: SocketAddr,
    fake: Fake,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

async fn start() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let fake = Fake::default();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = serve(listener, fake.clone(), Options::default(), async {
        let _ = stopped.await;
    });
    Server { address, fake, stop, task: tokio::spawn(serving) }
}

/// Sends bytes and reads until the server closes.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /v1.0/trunks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn requests_are_served_over_tcp() {
    let server = start().await;
    let answer = exchange(server.address, &post(r#"{"name": "a", "host": "a.example.com"}"#)).await;
    assert!(
        answer.starts_with("HTTP/1.1 201 Created\r\n") && answer.contains("location: /v1.0/trunks/"),
        "{answer}"
    );
    let answer =
        exchange(server.address, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("x-request-id: "), "{answer}");
}

#[tokio::test]
async fn shutdown_lets_a_request_under_way_finish_and_takes_no_more() {
    let server = start().await;
    *server.fake.delay.lock().unwrap() = Duration::from_millis(300);
    let under_way =
        tokio::spawn(exchange_owned(server.address, post(r#"{"name": "a", "host": "a.example.com"}"#)));
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.send(()).unwrap();
    assert!(under_way.await.unwrap().starts_with("HTTP/1.1 201 Created\r\n"));
    server.task.await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

async fn exchange_owned(address: SocketAddr, request: String) -> String {
    exchange(address, &request).await
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_shutdown() {
    let server = start().await;
    let _idle = TcpStream::connect(server.address).await.unwrap();
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(b"GET /health HTTP/1.1\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(5), server.task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn what_is_not_http_is_closed_and_others_are_served_on() {
    let server = start().await;
    for garbage in
        ["\0\u{1}\u{2}\r\n\r\n".to_owned(), format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000))]
    {
        let answer = exchange_or_reset(server.address, &garbage).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let answer =
        exchange(server.address, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
}

async fn exchange_or_reset(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}
