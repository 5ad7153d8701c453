//! Tandem: a SIP trunking server in one binary.

mod backend;
mod certificates;
mod client;
mod clock;
mod configure;
mod courier;
mod demo;
mod descriptors;
mod engine_loop;
mod metrics;
mod options;
mod outbox;
mod publisher;
mod retention;
mod route;
mod serve;
mod server;
mod spending;
mod trunk;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A call is some hundred small allocations, given back on other threads than they were made on: a seventh of the
/// processor's time with the allocator of the C library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A SIP trunking server: connects providers, phones and PBXs.
#[derive(Debug, Parser)]
#[command(name = "tandem", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server.
    Serve(Box<options::ServeArgs>),
    /// Runs a server on loopback with a simulated carrier and two phones, and places a call each way.
    Demo(demo::DemoArgs),
    /// Asks a running server about its routes.
    #[command(subcommand)]
    Route(route::RouteCommand),
    /// Examines the trunks of a running server.
    #[command(subcommand)]
    Trunk(trunk::TrunkCommand),
    /// Shows what the configuration of another system would make on a running server; makes it with --apply.
    Import(configure::ImportArgs),
    /// Writes the configuration of a running server to standard output.
    Export(configure::ExportArgs),
    /// Brings a running server to a file: shows what would change, then does it, all or nothing.
    Apply(configure::ApplyArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(args) => serve::run(*args),
        Command::Demo(args) => demo::run(args),
        Command::Route(command) => route::run(command),
        Command::Trunk(command) => match trunk::run(command) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Command::Import(args) => configure::import(&args),
        Command::Export(args) => configure::export(&args),
        Command::Apply(args) => configure::apply(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tandem: {error}");
            ExitCode::FAILURE
        }
    }
}
