//! `tandem import`, `tandem export`, `tandem apply`: configurations as text, for a running server.

mod show;

use crate::client::{ClientArgs, ClientError, told};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::error::Error;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

type Outcome = Result<(), Box<dyn Error>>;

/// A format that is imported.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum From {
    /// Gateways of FreeSWITCH, XML
    Freeswitch,
    /// pjsip.conf of Asterisk
    Asterisk,
    /// Additional parameters of a MikoPBX provider
    Mikopbx,
    /// JSON as VoIPBIN's
    Voipbin,
}

/// `tandem import`.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// File to read; - for standard input
    pub file: PathBuf,
    /// What it is written in [default: as it looks like]
    #[arg(long)]
    pub format: Option<From>,
    /// The trunk that additional parameters of a MikoPBX provider are for
    #[arg(long)]
    pub name: Option<String>,
    /// Do it; without this it is only shown
    #[arg(long)]
    pub apply: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

/// A format that is exported.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum To {
    /// Everything, as `tandem apply` reads it
    Toml,
    /// The trunks as gateways of FreeSWITCH, XML
    Freeswitch,
}

/// `tandem export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// What it is written in
    #[arg(long, default_value = "toml")]
    pub format: To,
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tandem apply`.
#[derive(Args, Debug)]
pub struct ApplyArgs {
    /// File to bring the server to, as `tandem export` writes it; - for standard input
    pub file: PathBuf,
    /// Do it without asking
    #[arg(long, conflicts_with = "plan")]
    pub yes: bool,
    /// Only show what would be done
    #[arg(long)]
    pub plan: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Shows what a text of another system would make, and makes it.
pub fn import(args: &ImportArgs) -> Outcome {
    let mut body = json!({ "text": read(&args.file)?, "name": args.name, "apply": false });
    if let Some(format) = args.format.and_then(|format| format.to_possible_value()) {
        body["format"] = format.get_name().into();
    }
    let plan = args.client.post("/v1.0/import", &body)?;
    print!("{}", show::import(&plan));
    let problems: Vec<String> = plan["problems"].as_array().into_iter().flatten().map(told).collect();
    if !problems.is_empty() {
        return Err(Box::new(ClientError::new(format!(
            "it cannot be imported as it stands\n{}",
            problems.join("\n")
        ))));
    }
    if !args.apply {
        println!("Nothing was changed: --apply does it.");
        return Ok(());
    }
    body["apply"] = true.into();
    args.client.post("/v1.0/import", &body)?;
    println!("Done.");
    Ok(())
}

/// Writes the configuration of a server to standard output.
pub fn export(args: &ExportArgs) -> Outcome {
    let format = match args.format {
        To::Toml => "toml",
        To::Freeswitch => "freeswitch",
    };
    let path = format!("/v1.0/configuration?format={format}");
    let answer = args.client.get(&path)?;
    std::io::stdout().write_all(answer["text"].as_str().unwrap_or_default().as_bytes())?;
    Ok(())
}

/// Shows what would bring a server to a file, and does it.
pub fn apply(args: &ApplyArgs) -> Outcome {
    let text = read(&args.file)?;
    let plan = args.client.post("/v1.0/configuration/plan", &json!({ "text": text }))?;
    print!("{}", show::configuration(&plan));
    let nothing = plan["items"].as_array().is_none_or(Vec::is_empty);
    if args.plan || nothing {
        return Ok(());
    }
    if !args.yes && !agreed(&args.file)? {
        println!("Nothing was changed.");
        return Ok(());
    }
    // What was shown, and nothing else.
    args.client.post("/v1.0/configuration/apply", &json!({ "text": text, "version": plan["version"] }))?;
    println!("Done.");
    Ok(())
}

fn agreed(file: &Path) -> Result<bool, Box<dyn Error>> {
    if file == Path::new("-") || !std::io::stdin().is_terminal() {
        let message =
            "nobody is there to be asked. Give --yes to do it, or --plan to see only what would be done";
        return Err(Box::new(ClientError::new(message)));
    }
    print!("Do it? [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn read(file: &Path) -> Result<Value, Box<dyn Error>> {
    let mut bytes = Vec::new();
    let outcome = match file == Path::new("-") {
        true => std::io::stdin().read_to_end(&mut bytes).map(drop),
        false => std::fs::read(file).map(|read| bytes = read),
    };
    outcome.map_err(|error| {
        ClientError::new(format!("{}: {error}. Name a file that can be read", file.display()))
    })?;
    let text = String::from_utf8(bytes)
        .map_err(|_| ClientError::new(format!("{} is not UTF-8. Save it as UTF-8", file.display())))?;
    Ok(text.into())
}
