//! `tandem trunk doctor`: an examination of a trunk, in words.

use crate::client::{ClientArgs, ClientError};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::error::Error;
use std::fmt::Write;

/// What is asked about trunks.
#[derive(Debug, Subcommand)]
pub enum TrunkCommand {
    /// Examines a trunk from DNS to sound, and says what is wrong and what to change.
    Doctor(DoctorArgs),
}

/// Which trunk, and how far.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The name or slug of the trunk.
    name: String,
    /// A number to call over it; whoever answers hears a tone for five seconds.
    #[arg(long, value_name = "NUMBER")]
    number: Option<String>,
    /// Shows the messages of every stage, not only of those that failed.
    #[arg(long)]
    messages: bool,
    /// Writes the report as JSON.
    #[arg(long, conflicts_with = "messages")]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// Runs a command; whether all is well.
pub fn run(command: TrunkCommand) -> Result<bool, Box<dyn Error>> {
    let TrunkCommand::Doctor(args) = command;
    let id = trunk_id(&args.client, &args.name)?;
    let asked = json!({ "test_number": args.number });
    let report = args.client.post(&format!("/v1.0/trunks/{id}/doctor"), &asked)?;
    if args.json {
        println!("{report:#}");
    } else {
        print!("{}", told(&report, args.messages));
    }
    Ok(report["outcome"] != "failed")
}

fn trunk_id(client: &ClientArgs, name: &str) -> Result<String, ClientError> {
    let all = client.list("/v1.0/trunks")?;
    let mut found = all.iter().filter(|trunk| trunk["name"] == name || trunk["slug"] == name);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one["id"].as_str().unwrap_or_default().to_owned()),
        (None, _) => Err(ClientError::new(format!(
            "there is no trunk {name}; see /v1.0/trunks for those that there are"
        ))),
        (Some(_), Some(_)) => {
            Err(ClientError::new(format!("there are several called {name}; give the slug of one")))
        }
    }
}

const WIDTH: usize = 80;
/// Where what is said of a stage begins.
const INDENT: usize = 24;

/// The report in words.
fn told(report: &Value, messages: bool) -> String {
    let mut out = String::new();
    let seconds = report["duration_ms"].as_u64().unwrap_or(0) as f64 / 1000.0;
    let _ = writeln!(out, "trunk {}, examined in {seconds:.1} s\n", text(&report["name"]));
    for stage in list(&report["stages"]) {
        let mark = match text(&stage["outcome"]) {
            "passed" => "ok",
            "warned" => "WARN",
            "failed" => "FAIL",
            _ => "-",
        };
        let time = match stage["duration_ms"].as_u64() {
            Some(0) | None => String::new(),
            Some(ms) if ms < 1000 => format!("{ms} ms"),
            Some(ms) => format!("{:.1} s", ms as f64 / 1000.0),
        };
        let head = format!("{mark:<5}{:<14}", text(&stage["stage"]));
        paragraph(
            &mut out,
            &head,
            INDENT,
            &match time.is_empty() {
                true => text(&stage["detail"]).to_owned(),
                false => format!("{} ({time})", text(&stage["detail"])),
            },
        );
        for finding in list(&stage["findings"]) {
            let _ = writeln!(out, "     {}", text(&finding["code"]));
            if finding["detail"] != stage["detail"] {
                paragraph(&mut out, "", 7, text(&finding["detail"]));
            }
            paragraph(&mut out, "", 7, text(&finding["meaning"]));
            paragraph(&mut out, "       To do: ", 14, text(&finding["fix"]));
        }
        if messages || mark == "FAIL" {
            for (name, what) in [("sent", &stage["sent"]), ("came", &stage["received"])] {
                for message in list(what) {
                    let _ = writeln!(out, "       {name}:");
                    for line in text(message).lines() {
                        let _ = writeln!(out, "       | {line}");
                    }
                }
            }
        }
    }
    let call = &report["call"];
    if call.is_object() {
        let _ = writeln!(out, "\nthe call: {} ms to ringing, codec {}", call["pdd_ms"], text(&call["codec"]));
        let (packets, lost, jitter) = (&call["packets"], &call["lost"], &call["jitter_ms"]);
        let _ = writeln!(
            out,
            "  {packets} packets from {}, {lost} lost, jitter {jitter} ms",
            text(&call["came_from"])
        );
        let _ = writeln!(out, "  {} packets to {}", call["sent"], text(&call["their_address"]));
    }
    let _ = match report["cause"].as_str() {
        Some(cause) => writeln!(out, "\n{}: {cause}", text(&report["outcome"])),
        None => writeln!(out, "\nall is well"),
    };
    out
}

/// Words behind a head, broken into lines that begin where the first does.
fn paragraph(out: &mut String, head: &str, indent: usize, words: &str) {
    let mut line = format!("{head:<indent$}");
    let mut is_empty = true;
    for word in words.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{}", line.trim_end());
            line = " ".repeat(indent);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_fits_the_screen_and_shows_the_messages_of_what_failed() {
        let long = "words that go on and on ".repeat(20);
        let report = json!({
            "name": "Carrier", "duration_ms": 1234, "outcome": "failed", "cause": "WRONG_PASSWORD", "call": null,
            "stages": [
                { "stage": "dns", "outcome": "passed", "detail": "192.0.2.1", "duration_ms": 12, "findings": [],
                  "sent": ["not shown"], "received": [] },
                { "stage": "register", "outcome": "failed", "detail": long, "duration_ms": 1500, "sent": ["REGISTER sip:h"],
                  "received": ["SIP/2.0 401 No"],
                  "findings": [{ "code": "WRONG_PASSWORD", "detail": long, "meaning": "It is wrong.", "fix": long }] },
                { "stage": "invite", "outcome": "skipped", "detail": "an earlier stage failed", "duration_ms": 0,
                  "findings": [], "sent": [], "received": [] },
            ],
        });
        let told = told(&report, false);
        assert!(told.lines().all(|line| line.chars().count() <= WIDTH), "{told}");
        for part in [
            "ok   dns                192.0.2.1 (12 ms)",
            "FAIL register           words that",
            "     WRONG_PASSWORD",
            "       It is wrong.",
            "       To do: words that",
            "       | REGISTER sip:h",
            "       | SIP/2.0 401 No",
            "-    invite             an earlier stage failed",
            "failed: WRONG_PASSWORD",
        ] {
            assert!(told.contains(part), "{part}\n{told}");
        }
        assert!(!told.contains("not shown"));
    }
}
