//! The API of a running server, as the command line asks it.

use clap::Args;
use serde_json::Value;
use std::fmt;
use std::time::Duration;
use ureq::http::{Method, Request};
use ureq::{Agent, Body};

/// Which server, and who asks.
#[derive(Args, Clone, Debug)]
pub struct ClientArgs {
    /// Address of the server's API
    #[arg(long, env = "TANDEM_URL", value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// Token of an administrator; better in the environment, since everybody on a machine sees its command lines
    #[arg(long, env = "TANDEM_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<String>,
}

/// Why the server did not do it: all that is wrong, and what to do.
#[derive(Debug)]
pub struct ClientError(String);

impl ClientError {
    /// One that has nothing to do with the server.
    pub fn new(message: impl Into<String>) -> ClientError {
        ClientError(message.into())
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ClientError {}

/// Longer than a server lets anything take: whole configurations take a while.
const PATIENCE: Duration = Duration::from_secs(660);
/// A server that is there takes a connection at once.
const CONNECT: Duration = Duration::from_secs(10);
/// An answer is no longer than this: a whole configuration.
const LONGEST: u64 = 512 * 1024 * 1024;

impl ClientArgs {
    /// Asks for something.
    pub fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.ask(Method::GET, path, None)
    }

    /// Has something done.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.ask(Method::POST, path, Some(body))
    }

    /// All of a collection, page by page.
    pub fn list(&self, path: &str) -> Result<Vec<Value>, ClientError> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let mut page = self.get(&format!("{path}?limit=500{after}"))?;
            if let Value::Array(items) = page["items"].take() {
                all.extend(items);
            }
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(all),
            }
        }
    }

    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, ClientError> {
        let token = self.token.as_deref().ok_or_else(|| {
            ClientError::new("no token. Give the administrator's with --token, or in TANDEM_TOKEN")
        })?;
        if token.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(ClientError::new("the token holds a line end. Give it as the server printed it"));
        }
        if !self.url.starts_with("http://") {
            let message = format!("{} is no address of an API. Write it as http://127.0.0.1:8080", self.url);
            return Err(ClientError(message));
        }
        let unreachable = |error: &dyn fmt::Display| {
            ClientError(format!("{}: {error}. Is the server running? Name its API with --url", self.url))
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url.trim_end_matches('/')))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(body.map(Value::to_string).unwrap_or_default())
            .map_err(|error| unreachable(&error))?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(PATIENCE))
            .build();
        let mut answer = Agent::from(config).run(request).map_err(|error| unreachable(&error))?;
        let body = text_of(answer.body_mut()).map_err(|error| unreachable(&error))?;
        read(answer.status().as_u16(), &body)
            .ok_or_else(|| ClientError(format!("{} answered what no Tandem server does", self.url)))?
    }
}

fn text_of(body: &mut Body) -> Result<String, ureq::Error> {
    body.with_config().limit(LONGEST).read_to_string()
}

/// The body of an answer, or the refusal in it; `None` for what is no answer of ours.
fn read(status: u16, body: &str) -> Option<Result<Value, ClientError>> {
    let body: Value = serde_json::from_str(body).ok()?;
    Some(match status {
        200..=299 => Ok(body),
        _ => Err(ClientError(refusal(&body)?)),
    })
}

/// Every problem in a line of its own, with what to do.
fn refusal(envelope: &Value) -> Option<String> {
    match envelope["problems"].as_array().filter(|problems| !problems.is_empty()) {
        Some(problems) => Some(problems.iter().map(told).collect::<Vec<_>>().join("\n")),
        None => envelope["message"].is_string().then(|| told(envelope)),
    }
}

/// A problem in words.
pub fn told(problem: &Value) -> String {
    let text = |name: &str| problem[name].as_str().unwrap_or_default();
    let field = text("field");
    let colon = if field.is_empty() { "" } else { ": " };
    format!("{field}{colon}{}. To mend it: {}", text("message"), text("fix"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refusal_is_told_with_its_fix() {
        let body = json!({ "problems": [{ "field": "trunk[a].port", "message": "line 4: no", "fix": "give another" }] });
        let error = read(400, &body.to_string()).unwrap().unwrap_err();
        assert_eq!(error.to_string(), "trunk[a].port: line 4: no. To mend it: give another");
        let one =
            json!({ "problems": [], "field": "", "message": "the token is wrong", "fix": "give another" });
        assert!(read(401, &one.to_string()).unwrap().unwrap_err().to_string().contains("the token is wrong"));
        assert!(read(200, "{}").unwrap().is_ok());
        assert!(read(200, "<html>").is_none());
    }
}
