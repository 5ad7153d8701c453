//! From where things happen to those who are told of them. The engine's thread leaves its events here and goes on; whatever they cost
//! beyond that is paid by the task that takes them out.

use crate::clock::Clock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tandem_engine::Usage;
use tandem_model::Event;
use tandem_time::Time;
use tandem_watch::Sample;
use tokio::sync::Notify;

/// Events that may wait. More come only where the runtime stands still, and then the newest are lost.
const MOST: usize = 50_000;

/// What is left in an outbox.
pub enum News {
    /// Something happened.
    Event(Event),
    /// A call over trunks ended.
    Call(Sample),
    /// The server's certificate expires then.
    Expires(Time),
    /// How much is used of what there are limits on.
    Usage(Usage),
}

/// News on their way. Clones share it.
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
    news: Vec<(Time, News)>,
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
        self.leave(News::Event(event));
    }

    /// There is this to tell.
    pub fn leave(&self, news: News) {
        let now = self.0.clock.now();
        let mut waiting = self.waiting();
        if waiting.news.len() >= MOST {
            waiting.lost += 1;
            return;
        }
        let first = waiting.news.is_empty();
        waiting.news.push((now, news));
        drop(waiting);
        if first {
            self.0.wake.notify_one();
        }
    }

    /// Nothing will be put in any more: who takes out what there is may end then.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.wake.notify_one();
    }

    /// Something was put in, or it was closed.
    pub async fn woken(&self) {
        self.0.wake.notified().await;
    }

    /// Takes out everything, in exchange for an empty list; `true` when there will be no more.
    pub fn take(&self, out: &mut Vec<(Time, News)>) -> bool {
        // Looked at first: what was put in before it was closed is taken out now.
        let closed = self.0.closed.load(Ordering::Acquire);
        let mut waiting = self.waiting();
        std::mem::swap(&mut waiting.news, out);
        let lost = std::mem::take(&mut waiting.lost);
        drop(waiting);
        if lost > 0 {
            tracing::error!(lost, "events were lost: the server could not keep up with them");
        }
        closed
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
