//! From where things happen to those who are told of them. The engine's thread leaves its events here and goes on; whatever they cost
//! beyond that is paid by the task that takes them out.

use crate::clock::Clock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tandem_api::Feed;
use tandem_model::Event;
use tandem_time::Time;
use tokio::sync::Notify;

/// Events that may wait. More come only where the runtime stands still, and then the newest are lost.
const MOST: usize = 50_000;
/// The events of so long are taken together, so that a busy server wakes the task that seldom.
const GATHER: Duration = Duration::from_millis(10);

/// Events on their way. Clones share it.
#[derive(Clone)]
pub struct Outbox(Arc<Shared>);

struct Shared {
    clock: Clock,
    waiting: Mutex<Waiting>,
    wake: Notify,
    closed: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    events: Vec<(Time, Event)>,
    lost: u64,
}

impl Outbox {
    /// One with nothing in it.
    pub fn new(clock: Clock) -> Outbox {
        let (waiting, wake, closed) = (Mutex::default(), Notify::new(), AtomicBool::new(false));
        Outbox(Arc::new(Shared { clock, waiting, wake, closed }))
    }

    /// Something happened just now.
    pub fn put(&self, event: Event) {
        let now = self.0.clock.now();
        let mut waiting = self.waiting();
        if waiting.events.len() >= MOST {
            waiting.lost += 1;
            return;
        }
        let first = waiting.events.is_empty();
        waiting.events.push((now, event));
        drop(waiting);
        if first {
            self.0.wake.notify_one();
        }
    }

    /// Nothing will be put in any more: [`publish`] ends when it has taken out what there is.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::Relaxed);
        self.0.wake.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands everything on, until the outbox is closed; then ends whoever reads the feed.
pub async fn publish(outbox: Outbox, feed: Feed) {
    let mut events = Vec::new();
    loop {
        outbox.0.wake.notified().await;
        let closed = outbox.0.closed.load(Ordering::Relaxed);
        let lost = {
            let mut waiting = outbox.waiting();
            std::mem::swap(&mut waiting.events, &mut events);
            std::mem::take(&mut waiting.lost)
        };
        if lost > 0 {
            tracing::error!(lost, "events were lost: the server could not keep up with them");
        }
        for (at, event) in events.drain(..) {
            feed.publish(at.as_millis(), event);
        }
        if closed {
            return feed.close();
        }
        tokio::time::sleep(GATHER).await;
    }
}
