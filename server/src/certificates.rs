//! Certificates that change while the server runs: on SIGHUP, and whenever one of their files does.

use crate::engine_loop::{Command, EngineHandle};
use crate::outbox::{News, Outbox};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tandem_model::Event;
use tandem_net::{Tls, TlsFiles};
use tandem_time::Time;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// A certificate that expires this soon is warned of.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Hands new certificates to the engine for as long as the server runs. What cannot be used is told, and the old ones stay.
pub async fn keep(files: TlsFiles, first: Tls, engine: EngineHandle, outbox: Outbox) {
    let Ok(mut hang_up) = signal(SignalKind::hangup()) else {
        return tracing::error!(
            "SIGHUP cannot be listened to: certificates stay as they are until a restart"
        );
    };
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut files_now = Changing::of(&files);
    let mut expires = first.expires();
    let mut warned = SystemTime::UNIX_EPOCH;
    outbox.leave(News::Expires(moment(expires)));
    loop {
        let changed = tokio::select! {
            signal = hang_up.recv() => signal.is_some(),
            _ = looks.tick() => files_now.have_changed(&files),
        };
        if changed {
            match Tls::load(&files) {
                Ok(tls) => {
                    expires = tls.expires();
                    outbox.leave(News::Expires(moment(expires)));
                    warned = SystemTime::UNIX_EPOCH;
                    tracing::info!("new connections in TLS have the certificates as they are on disk now");
                    engine.tell(Command::UseTls(tls));
                }
                Err(error) => tracing::error!("the certificates stay as they were: {error}"),
            }
        }
        let now = SystemTime::now();
        if expires < now + SOON && warned + DAY < now {
            warned = now;
            let days = expires.duration_since(now).map_or(0, |left| left.as_secs() / DAY.as_secs());
            tracing::warn!("{} expires in {days} days; renew it", files.certificate.display());
            let certificate = files.certificate.display().to_string();
            outbox.put(Event::CertExpiring { certificate, expires_at: moment(expires).as_millis(), days });
        }
    }
}

fn moment(at: SystemTime) -> Time {
    Time::default() + at.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// What tells one state of the files from another.
type State = Vec<Option<(SystemTime, u64)>>;

/// Files, and whether they are as they were.
struct Changing {
    /// As they were when they were last believed to be whole.
    settled: State,
    last: State,
}

impl Changing {
    fn of(files: &TlsFiles) -> Changing {
        let now = state(files.paths());
        Changing { settled: now.clone(), last: now }
    }

    /// Whether they have changed, and been left alone since the last look: a certificate and its key are written one after the
    /// other.
    fn have_changed(&mut self, files: &TlsFiles) -> bool {
        let now = state(files.paths());
        let rests = now == self.last;
        self.last = now;
        let changed = rests && self.last != self.settled;
        if changed {
            self.settled.clone_from(&self.last);
        }
        changed
    }
}

fn state<'a>(paths: impl Iterator<Item = &'a Path>) -> State {
    let one = |path: &Path| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    paths.map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_changed_when_they_rest_after_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("certificate"), "one").unwrap();
        let files = TlsFiles { certificate: path("certificate"), key: path("key"), ..TlsFiles::default() };
        let mut changing = Changing::of(&files);
        assert!(!changing.have_changed(&files));
        std::fs::write(path("certificate"), "another").unwrap();
        assert!(!changing.have_changed(&files), "it may still be written");
        std::fs::write(path("key"), "its key").unwrap();
        assert!(!changing.have_changed(&files), "or its key");
        assert!(changing.have_changed(&files));
        assert!(!changing.have_changed(&files), "once");
    }
}
