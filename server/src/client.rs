//! A client of a running server's API, for the commands that ask it something.

use serde_json::Value;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{Method, Request, Response};

/// Where the server is, and the token.
#[derive(Clone, Debug, clap::Args)]
pub struct ApiArgs {
    /// The API of the server.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub url: String,
    /// The token; better in the environment, since everybody on a machine sees its command lines.
    #[arg(long, env = "TANDEM_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: String,
}

/// A client.
pub struct Client {
    agent: Agent,
    url: String,
    token: String,
}

impl Client {
    /// A client of this server.
    pub fn new(args: &ApiArgs) -> Client {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Client {
            agent: config.into(),
            url: args.url.trim_end_matches('/').to_owned(),
            token: args.token.clone(),
        }
    }

    /// What is at a path.
    pub fn get(&self, path: &str) -> Result<Value, String> {
        self.ask(Method::GET, path, None)
    }

    /// The answer to a body.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.ask(Method::POST, path, Some(body))
    }

    /// All of a collection, page by page.
    pub fn list(&self, path: &str) -> Result<Vec<Value>, String> {
        let mut all = Vec::new();
        let mut after = String::new();
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

    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json");
        let text = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(text).map_err(|error| format!("{}: {error}", self.url))?;
        let answer = self.agent.run(request).map_err(|error| {
            format!("{} does not answer: {error}; is the server running, and is `--url` its API?", self.url)
        })?;
        read(answer)
    }
}

/// The body of a success; of a refusal every problem, with its field and what to do.
fn read(mut answer: Response<ureq::Body>) -> Result<Value, String> {
    let status = answer.status();
    let text =
        answer.body_mut().read_to_string().map_err(|error| format!("the answer cannot be read: {error}"))?;
    let body: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    if status.is_success() {
        return Ok(body);
    }
    let problem = |problem: &Value| {
        let part = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        let field = if part("field").is_empty() { String::new() } else { format!("{}: ", part("field")) };
        format!("{field}{} ({}). {}", part("message"), part("reason"), part("fix"))
    };
    let problems: Vec<String> = match body["problems"].as_array().filter(|problems| !problems.is_empty()) {
        Some(problems) => problems.iter().map(problem).collect(),
        None if body.is_object() => vec![problem(&body)],
        None => vec![format!("the server answered {status}; is `--url` its API?")],
    };
    Err(problems.join("\n        "))
}
