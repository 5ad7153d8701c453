//! The REST API: its routes, its OpenAPI document, its documentation page and the HTTP server beneath.
//!
//! A request passes `finish` (request id, error envelope, log), `router` (authorization, parameters) and one handler, which asks
//! `access` what who asks may see and change, and
//! the [`Backend`] for the rest. The table in `operations` is the only list of what there is: requests are served from it
//! and the OpenAPI document is written from it.

mod access;
mod auth;
mod backend;
mod body;
mod call;
mod collections;
mod configuration;
mod docs;
mod error;
mod events;
mod feed;
mod finish;
mod limiter;
mod live;
mod openapi;
mod operations;
mod page;
mod params;
mod provisioning;
mod records;
mod router;
mod serve;
mod system;
mod token;
mod used;

pub use backend::{Backend, ChangeError, Check, Health, HealthStatus, ReadError};
pub use error::ErrorEnvelope;
pub use feed::{Entry, Feed};
pub use openapi::document as openapi;
pub use provisioning::{Inventory, Provisioning};
pub use router::{Options, router};
pub use serve::serve;
pub use token::TokenHash;
