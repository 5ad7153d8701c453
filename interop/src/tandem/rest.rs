//! A small client for Tandem's REST interface.

use std::net::SocketAddr;

use serde_json::Value;
use ureq::http::{Method, Request, Response};
use ureq::{Agent, Body};

use crate::process::PATIENCE;

/// Talks JSON to one server, with a bearer token.
#[derive(Clone, Debug)]
pub struct Rest {
    agent: Agent,
    addr: SocketAddr,
    token: String,
}

/// What the server answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The JSON, or a string with whatever else came, or null if nothing did.
    pub body: Value,
    request: String,
}

impl Reply {
    /// The body, if the status is the expected one; panics if not.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{} answered {:#}", self.request, self.body);
        self.body
    }

    /// The body, if the request was successful; panics if not.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "{} answered {}: {:#}",
            self.request,
            self.status,
            self.body
        );
        self.body
    }
}

impl Rest {
    /// A client of the server at this address.
    pub fn new(addr: SocketAddr, token: &str) -> Rest {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            // Straight to the server, whatever the environment says.
            .proxy(None)
            // A kept connection would be a dead one after a restart.
            .max_idle_connections(0)
            .build();
        Rest { agent: config.into(), addr, token: token.to_owned() }
    }

    /// The same client with another token.
    pub fn with_token(&self, token: &str) -> Rest {
        Rest { token: token.to_owned(), ..self.clone() }
    }

    /// The server's address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether the server answers `/health` with success.
    pub fn is_healthy(&self) -> bool {
        self.request(Method::GET, "/health", None).is_ok_and(|reply| reply.status == 200)
    }

    /// GET; the path starts with `/v1.0/`.
    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        self.must_answer(Method::GET, path, None)
    }

    /// POST.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.must_answer(Method::POST, path, Some(body))
    }

    /// PUT.
    #[track_caller]
    pub fn put(&self, path: &str, body: &Value) -> Reply {
        self.must_answer(Method::PUT, path, Some(body))
    }

    /// PATCH.
    #[track_caller]
    pub fn patch(&self, path: &str, body: &Value) -> Reply {
        self.must_answer(Method::PATCH, path, Some(body))
    }

    /// DELETE.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Reply {
        self.must_answer(Method::DELETE, path, None)
    }

    #[track_caller]
    fn must_answer(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        let what = format!("{method} {path}");
        self.request(method, path, body).unwrap_or_else(|e| panic!("{what}: {e}"))
    }

    fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Reply, ureq::Error> {
        let what = format!("{method} {path}");
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.addr))
            .header("authorization", format!("Bearer {}", self.token));
        let response = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json");
                self.agent.run(request.body(body.to_string())?)?
            }
            None => self.agent.run(request.body(())?)?,
        };
        read(response, what)
    }
}

fn read(mut response: Response<Body>, request: String) -> Result<Reply, ureq::Error> {
    let text = response.body_mut().read_to_string()?;
    let body = match text.as_str() {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    };
    Ok(Reply { status: response.status().as_u16(), body, request })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use serde_json::json;

    use super::*;

    /// Answers one request with `answer`, and returns the request.
    fn serve_once(answer: &'static str) -> (Rest, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let rest = Rest::new(listener.local_addr().unwrap(), "secret");
        let server = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut request = String::new();
            while !(request.ends_with('}') || request.starts_with("GET") && request.ends_with("\r\n\r\n")) {
                let mut bytes = [0; 1024];
                let len = stream.read(&mut bytes).unwrap();
                request += str::from_utf8(&bytes[..len]).unwrap();
            }
            write!(stream, "HTTP/1.1 {answer}").unwrap();
            request.to_lowercase()
        });
        (rest, server)
    }

    #[test]
    fn a_body_goes_out_with_the_token() {
        let (rest, server) = serve_once("201 Created\r\ncontent-length: 8\r\n\r\n{\"id\":7}");
        let reply = rest.post("/v1.0/trunks", &json!({ "name": "carrier" }));
        assert_eq!(reply.expect(201), json!({ "id": 7 }));

        let request = server.join().unwrap();
        assert!(request.starts_with("post /v1.0/trunks http/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: bearer secret\r\n"), "{request}");
        assert!(request.contains("content-type: application/json\r\n"), "{request}");
        assert!(request.ends_with("{\"name\":\"carrier\"}"), "{request}");
    }

    #[test]
    fn a_failure_is_an_answer_too() {
        let (rest, server) = serve_once("404 Not Found\r\ncontent-length: 4\r\n\r\ngone");
        let reply = rest.get("/v1.0/trunks/7");
        assert_eq!((reply.status, reply.body), (404, json!("gone")));
        server.join().unwrap();
    }

    #[test]
    fn no_server_is_not_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let rest = Rest::new(listener.local_addr().unwrap(), "secret");
        drop(listener);
        assert!(!rest.is_healthy());
    }
}
