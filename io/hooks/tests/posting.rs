//! Posting over real sockets on loopback.

use std::net::SocketAddr;
use tandem_hooks::Poster;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server that answers one request so, and gives what it was sent.
async fn server(answer: &'static str) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = String::new();
        let mut buffer = [0; 4096];
        while !heard.ends_with("{\"id\":1}") {
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(count > 0, "closed after {heard}");
            heard.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        heard
    });
    (address, task)
}

async fn post(poster: &Poster, url: &str) -> Result<(), String> {
    poster.post(url, &[("tandem-event-id", "1".to_owned())], "{\"id\":1}".to_owned()).await
}

fn anywhere() -> Poster {
    Poster::new(None, true).unwrap()
}

#[tokio::test]
async fn a_body_is_posted_with_its_headers() {
    let (address, heard) = server("HTTP/1.1 204 No Content\r\n\r\n").await;
    post(&anywhere(), &format!("http://{address}/hook?x=1")).await.unwrap();
    let heard = heard.await.unwrap().to_ascii_lowercase();
    assert!(heard.starts_with("post /hook?x=1 http/1.1\r\n"), "{heard}");
    for line in [
        format!("host: {address}"),
        "content-type: application/json".to_owned(),
        "content-length: 8".to_owned(),
        "tandem-event-id: 1".to_owned(),
    ] {
        assert!(heard.contains(&format!("\r\n{line}\r\n")), "{line}: {heard}");
    }
}

#[tokio::test]
async fn anything_but_a_success_is_a_failure_in_words() {
    for (answer, words) in [
        (
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
            "answered 500 Internal Server Error",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
            "redirects are not followed",
        ),
        ("HELLO\r\n\r\n", "the connection broke"),
        ("", "the connection"),
    ] {
        let (address, _) = server(answer).await;
        let error = post(&anywhere(), &format!("http://{address}/")).await.unwrap_err();
        assert!(error.contains(words), "{answer:?}: {error}");
    }
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = post(&anywhere(), &format!("http://{free}/")).await.unwrap_err();
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn addresses_that_are_not_public_are_never_connected_to_whatever_name_led_there() {
    let poster = Poster::new(None, false).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"] {
        let error = post(&poster, &format!("http://{host}:{port}/")).await.unwrap_err();
        assert!(error.contains("not an address of the public internet"), "{host}: {error}");
    }
    assert!(listener.accept().is_err(), "somebody connected");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    tokio::time::pause();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let error = post(&anywhere(), &format!("http://{address}/")).await.unwrap_err();
    assert!(error.contains("no answer within 10 s") || error.contains("does not answer"), "{error}");
}
