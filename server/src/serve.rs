//! `tandem serve`: a server for real use, until it is told to end.

use crate::options::{Options, ServeArgs};
use crate::server;
use std::error::Error;
use tandem_model::{Event, TrunkState};
use tokio::signal::unix::{SignalKind, signal};

/// Runs the server until SIGTERM or SIGINT; a second SIGINT ends it at once.
pub fn run(args: ServeArgs) -> Result<(), Box<dyn Error>> {
    start_logging();
    let options = Options::settle(args)?;
    runtime()?.block_on(serve(options))
}

/// The runtime of store and API; the engine and the media have threads of their own.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

/// Logs to standard error; `RUST_LOG` says how much.
pub fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new("info,sqlx=warn,hickory_proto=warn,hickory_resolver=warn")
    });
    // A line that cannot be written, to a file on a full disk or to a pipe that nobody reads any more, is lost. To complain of that,
    // on the same stderr, would end the thread that had something to say.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.log_internal_errors(false).init();
}

async fn serve(options: Options) -> Result<(), Box<dyn Error>> {
    // Before anything is started, so that no early signal is missed.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let descriptors = crate::descriptors::raise_limit();
    if descriptors < 4 * options.max_calls as u64 {
        tracing::warn!(
            "only {descriptors} descriptors may be open, for four a call; raise LimitNOFILE or ulimit -n"
        );
    }
    let server = server::start(&options, Box::new(log)).await?;
    for listen in &options.sip {
        tracing::info!("SIP on {}:{}", listen.transport.param_name(), listen.bind);
    }
    tracing::info!("API on http://{}/ (documentation at /docs)", server.http);
    if let Some(token) = &server.token {
        // To standard output and not to the log, which others may read.
        println!("Admin token, shown this once: {token}");
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!(
        "no new calls; those under way have {} s to end (interrupt to end now)",
        options.drain.as_secs()
    );
    tokio::select! {
        () = server.drain(options.drain) => {}
        _ = interrupt.recv() => tracing::info!("ending now"),
    }
    server.stop().await;
    tracing::info!("ended");
    Ok(())
}

/// One line in the log for what an administrator wants to know of.
fn log(event: &Event) {
    match event {
        Event::TrunkState { trunk_id, new: state, reason, .. } => match state {
            TrunkState::Unreachable | TrunkState::AuthFailed | TrunkState::Rejected => {
                tracing::warn!(trunk = %trunk_id, ?state, reason, "trunk");
            }
            _ => tracing::info!(trunk = %trunk_id, ?state, reason, "trunk"),
        },
        Event::RequestRefused { source, method, target, reason, message, .. } => {
            tracing::warn!(%source, method, target, reason, "refused: {message}");
        }
        Event::InboundUnmatched { trunk_id, source, number, target, to, nearest, .. } => {
            tracing::warn!(trunk = %trunk_id, %source, target, to, nearest, "refused: nothing takes {number:?}");
        }
        Event::InboundAmbiguous { source, target, to, message, .. } => {
            tracing::warn!(%source, target, to, "refused: {message}");
        }
        Event::AuthFailed { source, username, method } => {
            tracing::warn!(%source, username, method, "wrong credentials")
        }
        Event::AuthBlocked { source, seconds } => {
            tracing::warn!(%source, seconds, "too many wrong passwords; nothing new is taken from this source");
        }
        Event::Failover { call_id, trunk_id, cause, .. } => {
            tracing::info!(call = %call_id, trunk = ?trunk_id, code = cause.code, phrase = cause.phrase, "next trunk");
        }
        Event::CallTransferred { call_id, kind, by, target, cause, .. } => {
            tracing::info!(%call_id, ?kind, by, target, "transfer: {} {}", cause.code, cause.phrase)
        }
        Event::CallEnded { call_id, cause, duration_ms, .. } => {
            tracing::debug!(call = %call_id, code = cause.code, phrase = cause.phrase, duration_ms, "call ended");
        }
        Event::CapacityReached { trunk_id, field, limit, tenant_id } => {
            tracing::warn!(trunk = ?trunk_id, tenant = ?tenant_id, field, limit, "as many calls as there may be");
        }
        Event::FraudLimit { field, limit, tenant_id } => {
            tracing::warn!(tenant = ?tenant_id, field, limit, "a tenant calls no further today");
        }
        event => tracing::debug!(?event),
    }
}
