//! The stream of events (Server-Sent Events, as browsers read them with `EventSource`).

use crate::access::Who;
use crate::backend::Backend;
use crate::call::{Call, Shared};
use crate::error::ApiError;
use crate::feed::{Entry, Next, Reader};
use crate::params::{Param, ParamKind};
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tandem_model::{Event, EventTypes};

/// Their path.
pub(crate) const EVENTS: &str = "/v1.0/events";

/// What the stream can be narrowed by.
pub(crate) const PARAMS: &[Param] = &[
    Param {
        name: "after",
        description: "Begin after the event with this id, as far as it is still kept. The header `Last-Event-ID` says the same, and \
            counts where both are given.",
        kind: ParamKind::EventId,
    },
    Param {
        name: "types",
        description: "Only these types, with commas between them; one that ends in a dot stands for all that begin so, as `call.`.",
        kind: ParamKind::EventTypes,
    },
];

/// Something is sent at least this often, so that a dead connection is noticed on both sides.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What is sent first: that all is well, and how soon to come back after an end.
const GREETING: &str = "retry: 2000\n: here they come\n\n";

/// A reader of the stream.
struct Stream<B> {
    shared: Arc<Shared<B>>,
    reader: Reader,
    who: Who,
    types: EventTypes,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Nothing was sent yet.
    Greeting,
    /// The first events decide whether it could go on where it was.
    Resuming,
    Reading,
    /// The last word was said.
    Over,
}

pub(crate) async fn stream<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let types = types(call.params.text("types").unwrap_or_default())?;
    let after = match call.headers.get("last-event-id") {
        // What a browser sends back is what it was sent; anything else is of somebody else, and as good as none.
        Some(id) => Some(id.to_str().ok().and_then(|id| id.parse().ok()).unwrap_or(0)),
        None => call.params.event_id("after")?,
    };
    let reader = call.backend().feed().read(after).ok_or_else(ApiError::too_many_readers)?;
    let (shared, who) = (call.shared.clone(), call.who);
    let stream = Stream { shared, reader, who, types, stage: Stage::Greeting };
    let chunks = unfold(stream, async |mut stream| {
        stream.chunk().await.map(|chunk| (Ok::<String, Infallible>(chunk), stream))
    });
    // Proxies that gather before they pass on are asked not to.
    let headers = [(header::CONTENT_TYPE.as_str(), "text/event-stream"), ("x-accel-buffering", "no")];
    Ok((StatusCode::OK, headers, Body::from_stream(chunks)).into_response())
}

fn types(text: &str) -> Result<EventTypes, ApiError> {
    let wanted = text.split(',').map(str::trim).filter(|wanted| !wanted.is_empty());
    EventTypes::read(wanted).map_err(|unknown| {
        let message = format!("no event has the type `{}`", unknown.chars().take(100).collect::<String>());
        let fix = format!("there are {}; or a beginning of some that ends in a dot", Event::TYPES.join(", "));
        ApiError::new(StatusCode::BAD_REQUEST, "types", "UNKNOWN_VALUE", message, fix)
    })
}

impl<B: Backend> Stream<B> {
    /// What is sent next; nothing when it ends.
    async fn chunk(&mut self) -> Option<String> {
        match self.stage {
            Stage::Over => return None,
            Stage::Greeting => {
                self.stage = Stage::Resuming;
                return Some(GREETING.to_owned());
            }
            Stage::Resuming | Stage::Reading => {}
        }
        loop {
            let backend = &self.shared.backend;
            if !self.who.is_in_force(&backend.config(), backend.now()) {
                return None;
            }
            let next = tokio::time::timeout(HEARTBEAT, self.reader.next()).await;
            let first = std::mem::replace(&mut self.stage, Stage::Reading) == Stage::Resuming;
            match next {
                Err(_) => return Some(": still there\n\n".to_owned()),
                Ok(Next::End) => return None,
                Ok(Next::Gap(next)) if first => {
                    return Some(format!("event: stream.gap\ndata: {{\"next\":{next}}}\n\n"));
                }
                Ok(Next::Gap(_)) => {
                    self.stage = Stage::Over;
                    return Some(LAGGING.to_owned());
                }
                Ok(Next::Events(events)) => {
                    let chunk = self.written(&events);
                    if !chunk.is_empty() {
                        return Some(chunk);
                    }
                }
            }
        }
    }

    fn written(&self, events: &[Arc<Entry>]) -> String {
        let mut chunk = String::new();
        for entry in events {
            let (published, name) = (&entry.published, entry.published.event.name());
            if self.who.sees_of(published.tenant_id) && self.types.take(name) {
                let _ = write!(chunk, "id: {}\nevent: {name}\ndata: {}\n\n", published.id, entry.json());
            }
        }
        chunk
    }
}

/// The last word to a reader that is too slow.
const LAGGING: &str = "event: stream.lagging\n\
    data: {\"message\":\"events came faster than they were read, and some are gone; ask for fewer types, or read faster\"}\n\n";
