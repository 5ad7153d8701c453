//! The API over a server in memory, for work on the console and for schemathesis:
//! `cargo run -p tandem-api --example fake -- 127.0.0.1:8080`. It prints the token.

#[path = "../tests/api/fake.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod fake;

use tandem_api::{Options, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("http://{} with the token {}", listener.local_addr()?, fake::TOKEN);
    serve(listener, fake::Fake::default(), Options::default(), std::future::pending()).await
}
