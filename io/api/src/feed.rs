//! The feed: what was published, kept for a while, and read by each reader from where it is. A reader has no buffer of its own, so
//! that the slowest one costs what the fastest does: it falls out of what is kept, and is told so.

use serde_json::to_string;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tandem_model::{Event, Published};
use tokio::sync::watch;

/// Events kept.
const KEPT: usize = 10_000;
/// Readers at once.
const READERS: usize = 64;
/// Events that a reader takes at once.
const BATCH: usize = 100;

/// What was published. Clones share it.
#[derive(Clone, Debug)]
pub struct Feed(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    kept: Mutex<Kept>,
    /// Told of each event by its id, and closed with the feed.
    news: watch::Sender<News>,
}

#[derive(Clone, Copy, Debug, Default)]
struct News {
    last: u64,
    closed: bool,
}

#[derive(Debug)]
struct Kept {
    events: VecDeque<Arc<Entry>>,
    /// The id of the next event; those that are kept are the ones before.
    next: u64,
    /// Where readers are.
    readers: Vec<Arc<AtomicU64>>,
}

/// An event of the feed.
#[derive(Debug)]
pub struct Entry {
    /// The event.
    pub published: Published,
    json: OnceLock<String>,
}

impl Entry {
    /// As JSON, which is written once, when somebody wants it.
    pub fn json(&self) -> &str {
        self.json.get_or_init(|| to_string(&self.published).unwrap_or_default())
    }
}

impl Kept {
    fn oldest(&self) -> u64 {
        self.next - self.events.len() as u64
    }
}

impl Feed {
    /// A feed whose first event has this id. It should be higher than any that was given before a restart: a moment in
    /// microseconds is.
    pub fn new(first: u64) -> Feed {
        let first = first.max(1);
        let (news, _) = watch::channel(News { last: first - 1, closed: false });
        let kept = Kept { events: VecDeque::new(), next: first, readers: Vec::new() };
        Feed(Arc::new(Shared { kept: Mutex::new(kept), news }))
    }

    /// Publishes an event that happened at this moment, milliseconds since the Unix epoch.
    pub fn publish(&self, at: u64, event: Event) -> Arc<Entry> {
        let mut kept = self.kept();
        let (id, tenant_id) = (kept.next, event.tenant_id());
        let published = Published { id, at, tenant_id, event };
        let entry = Arc::new(Entry { published, json: OnceLock::new() });
        kept.next += 1;
        kept.events.push_back(entry.clone());
        if kept.events.len() > KEPT {
            kept.events.pop_front();
        }
        drop(kept);
        self.0.news.send_modify(|news| news.last = id);
        entry
    }

    /// Ends every reader once it has read what is kept; the server goes down.
    pub fn close(&self) {
        self.0.news.send_modify(|news| news.closed = true);
    }

    /// A reader of what comes after this id, or from now on; none when there are as many as there may be.
    pub(crate) fn read(&self, after: Option<u64>) -> Option<Reader> {
        let mut kept = self.kept();
        let oldest = kept.oldest();
        // One that no longer reads keeps nobody out.
        let reading =
            kept.readers.iter().filter(|at| at.load(Ordering::Relaxed).saturating_add(1) >= oldest).count();
        if reading >= READERS {
            return None;
        }
        let last = kept.next - 1;
        let at = Arc::new(AtomicU64::new(after.unwrap_or(last)));
        kept.readers.push(at.clone());
        Some(Reader { feed: self.clone(), news: self.0.news.subscribe(), at })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One reader of a feed.
#[derive(Debug)]
pub(crate) struct Reader {
    feed: Feed,
    news: watch::Receiver<News>,
    /// The id of the last event that it has read.
    at: Arc<AtomicU64>,
}

/// What a reader gets.
#[derive(Debug)]
pub(crate) enum Next {
    /// Events, at least one.
    Events(Vec<Arc<Entry>>),
    /// Where it was, something is gone, or nothing ever was; it goes on with the event of this id.
    Gap(u64),
    /// There will be no more.
    End,
}

impl Reader {
    /// What comes next, as soon as there is something.
    pub(crate) async fn next(&mut self) -> Next {
        loop {
            let news = *self.news.borrow_and_update();
            if let Some(next) = self.take() {
                return next;
            }
            if news.closed || self.news.changed().await.is_err() {
                return Next::End;
            }
        }
    }

    fn take(&self) -> Option<Next> {
        let kept = self.feed.kept();
        let at = self.at.load(Ordering::Relaxed);
        let oldest = kept.oldest();
        if at.saturating_add(1) < oldest || at >= kept.next {
            self.at.store(oldest - 1, Ordering::Relaxed);
            return Some(Next::Gap(oldest));
        }
        let events: Vec<_> =
            kept.events.iter().skip((at + 1 - oldest) as usize).take(BATCH).cloned().collect();
        self.at.store(events.last()?.published.id, Ordering::Relaxed);
        Some(Next::Events(events))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.feed.kept().readers.retain(|at| !Arc::ptr_eq(at, &self.at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(feed: &Feed, n: u64) {
        feed.publish(n, Event::ConfigApplied { version: n, created: 0, updated: 0, deleted: 0 });
    }

    async fn ids(reader: &mut Reader) -> Vec<u64> {
        match reader.next().await {
            Next::Events(events) => events.iter().map(|entry| entry.published.id).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_reader_gets_what_comes_after_where_it_is_and_the_end() {
        let feed = Feed::new(100);
        (0..3).for_each(|n| publish(&feed, n));
        let mut from_now = feed.read(None).unwrap();
        let mut resumed = feed.read(Some(100)).unwrap();
        assert_eq!(ids(&mut resumed).await, [101, 102]);
        publish(&feed, 3);
        assert_eq!(ids(&mut from_now).await, [103]);
        feed.close();
        assert_eq!(ids(&mut resumed).await, [103], "what is kept is still given");
        assert!(matches!(resumed.next().await, Next::End));
        assert!(matches!(from_now.next().await, Next::End));
    }

    #[tokio::test]
    async fn a_reader_whose_place_is_gone_is_told_and_goes_on_with_the_oldest() {
        let feed = Feed::new(1);
        let mut slow = feed.read(None).unwrap();
        (0..KEPT as u64 + 10).for_each(|n| publish(&feed, n));
        assert_eq!(feed.kept().events.len(), KEPT);
        assert!(matches!(slow.next().await, Next::Gap(11)));
        assert_eq!(ids(&mut slow).await, (11..11 + BATCH as u64).collect::<Vec<_>>());
        let mut stranger = feed.read(Some(u64::MAX)).unwrap();
        assert!(matches!(stranger.next().await, Next::Gap(11)), "an id that was never given");
    }

    #[test]
    fn there_is_a_bound_on_readers_that_those_who_do_not_read_do_not_count_towards() {
        let feed = Feed::new(1);
        let mut readers: Vec<Reader> = (0..READERS).map(|_| feed.read(None).unwrap()).collect();
        assert!(feed.read(None).is_none());
        readers.pop();
        assert!(feed.read(None).is_some(), "one has left");
        (0..=KEPT as u64).for_each(|n| publish(&feed, n));
        assert!(feed.read(None).is_some(), "the others have fallen behind");
        drop(readers);
        assert!(feed.kept().readers.is_empty());
    }
}
