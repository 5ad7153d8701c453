//! Where calls go, through the public door. Each test is a sentence.

mod bench;
mod failover;
mod from_extension;
mod from_trunk;
mod health;
mod nearest;
mod order;
mod prices;
mod tenants;
