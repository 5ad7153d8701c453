//! `tandem route explain`: what would become of a call, in words.

use crate::client::{ClientArgs, ClientError};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::error::Error;
use std::fmt::Write;

/// What is asked about routes.
#[derive(Debug, Subcommand)]
pub enum RouteCommand {
    /// Tells what would become of a call: each rule and trunk kept or skipped and why, and what would go out.
    Explain(ExplainArgs),
}

/// A call that might be made.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The number that is dialled, or called from outside.
    number: String,
    /// The number or username of the extension that dials it.
    #[arg(long, value_name = "NUMBER", required_unless_present = "trunk", conflicts_with = "trunk")]
    extension: Option<String>,
    /// The name or slug of the trunk that the call comes over.
    #[arg(long, value_name = "NAME")]
    trunk: Option<String>,
    /// The name or slug of the tenant that the extension is of.
    #[arg(long, value_name = "NAME", requires = "extension")]
    tenant: Option<String>,
    /// The calling number of a call over a trunk.
    #[arg(long, value_name = "NUMBER", requires = "trunk")]
    caller: Option<String>,
    /// When, in UTC, as 2026-12-24T18:00; now unless given.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<u64>,
    /// Writes the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// Runs a command.
pub fn run(command: RouteCommand) -> Result<(), Box<dyn Error>> {
    let RouteCommand::Explain(args) = command;
    let client = &args.client;
    let mut question = json!({ "number": args.number, "caller": args.caller, "at": args.at });
    let who = match (&args.extension, &args.trunk) {
        (Some(extension), _) => {
            question["extension_id"] = json!(extension_id(client, extension, args.tenant.as_deref())?);
            format!("extension {extension}")
        }
        (None, trunk) => {
            let trunk = trunk.as_deref().unwrap_or_default();
            question["trunk_id"] =
                json!(only(client, "trunk", "/v1.0/trunks", trunk, &["name", "slug"], |_| true)?);
            format!("trunk {trunk}")
        }
    };
    let answer = client.post("/v1.0/routes/explain", &question)?;
    if args.json {
        println!("{answer:#}");
    } else {
        print!("{}", told(&args.number, &who, &answer));
    }
    Ok(())
}

fn extension_id(client: &ClientArgs, extension: &str, tenant: Option<&str>) -> Result<String, ClientError> {
    let tenant = match tenant {
        Some(tenant) => Some(only(client, "tenant", "/v1.0/tenants", tenant, &["name", "slug"], |_| true)?),
        None => None,
    };
    let is_its = |found: &Value| tenant.as_deref().is_none_or(|tenant| found["tenant_id"] == tenant);
    only(client, "extension", "/v1.0/extensions", extension, &["number", "username"], is_its)
}

/// The id of the one that is called so.
fn only(
    client: &ClientArgs,
    what: &str,
    path: &str,
    name: &str,
    fields: &[&str],
    fits: impl Fn(&Value) -> bool,
) -> Result<String, ClientError> {
    let all = client.list(path)?;
    let mut found = all.iter().filter(|one| fields.iter().any(|field| one[*field] == name) && fits(one));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one["id"].as_str().unwrap_or_default().to_owned()),
        (None, _) => {
            Err(ClientError::new(format!("there is no {what} {name}; see {path} for those that there are")))
        }
        (Some(_), Some(_)) => {
            Err(ClientError::new(format!("there are several called {name}; say whose it is with --tenant")))
        }
    }
}

/// `2026-12-24T18:00` as milliseconds since the Unix epoch.
fn moment(text: &str) -> Result<u64, String> {
    let refused = || "write it as 2026-12-24T18:00, in UTC".to_owned();
    let whole = if text.len() == 16 { format!("{text}:00Z") } else { text.to_owned() };
    let parsed = humantime::parse_rfc3339_weak(whole.trim_end_matches('Z')).map_err(|_| refused())?;
    let since = parsed.duration_since(std::time::UNIX_EPOCH).map_err(|_| refused())?;
    Ok(since.as_millis() as u64)
}

/// The answer in words.
fn told(number: &str, who: &str, answer: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut out = String::new();
    let at =
        std::time::UNIX_EPOCH + std::time::Duration::from_millis(answer["at"].as_u64().unwrap_or_default());
    let _ = writeln!(out, "{number} from {who} at {} UTC\n", humantime::format_rfc3339_seconds(at));
    for step in answer["steps"].as_array().into_iter().flatten() {
        let mark = if step["kept"] == true { "+" } else { "-" };
        let _ = match step["step"].as_u64() {
            Some(n) => writeln!(out, "    {mark} step {n}: {}", text(&step["why"])),
            None => {
                let kind = text(&step["kind"]).replace('_', " ");
                writeln!(out, "{mark} {kind} {}: {}", text(&step["name"]), text(&step["why"]))
            }
        };
    }
    if let Some(code) = answer["code"].as_u64() {
        let why = [text(&answer["reason"]), text(&answer["message"])].join(" ");
        let _ = writeln!(out, "\nrefused with {code} {}", why.trim());
    }
    for (n, tried) in (1..).zip(answer["tries"].as_array().into_iter().flatten()) {
        let kind = if tried["trunk_id"].is_null() { "extension" } else { "trunk" };
        let _ = match tried["code"].as_u64() {
            Some(code) => writeln!(out, "\n{n}. the caller is refused with {code}"),
            None => writeln!(out, "\n{n}. {kind} {}, for {} s", text(&tried["name"]), tried["timeout"]),
        };
        for (name, value) in [("INVITE", &tried["request_uri"]), ("From:", &tried["from"])] {
            if let Some(value) = value.as_str() {
                let _ = writeln!(out, "   {name} {value}");
            }
        }
        for header in tried["identity"].as_array().into_iter().flatten() {
            let _ = writeln!(out, "   {}", text(header));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc() {
        assert_eq!(moment("1970-01-02T00:01"), Ok(86_460_000));
        assert_eq!(moment("2026-12-24T18:00:30Z"), Ok(1_798_135_230_000));
        assert!(moment("tomorrow").unwrap_err().contains("2026-12-24T18:00"));
    }

    #[test]
    fn an_answer_reads_as_a_list_of_what_was_looked_at_and_what_would_go_out() {
        let answer = json!({
            "at": 1_795_694_400_000u64, "code": null, "reason": null, "message": null,
            "steps": [
                { "kind": "route", "name": "Far", "step": null, "kept": false, "why": "does not take the number" },
                { "kind": "route", "name": "Near", "step": null, "kept": true, "why": "takes 555" },
                { "kind": "route", "name": "Near", "step": 1, "kept": true, "why": "will be tried" },
            ],
            "tries": [{
                "trunk_id": "x", "name": "Carrier", "timeout": 60, "code": null, "request_uri": "sip:555@carrier.example",
                "from": "<sip:acme@carrier.example>", "identity": ["P-Asserted-Identity: <sip:1@h>"],
            }],
        });
        let expected = "555 from extension 100 at 2026-11-26T12:00:00Z UTC\n\n\
            - route Far: does not take the number\n+ route Near: takes 555\n    + step 1: will be tried\n\n\
            1. trunk Carrier, for 60 s\n   INVITE sip:555@carrier.example\n   From: <sip:acme@carrier.example>\n   \
            P-Asserted-Identity: <sip:1@h>\n";
        assert_eq!(told("555", "extension 100", &answer), expected);
    }
}
