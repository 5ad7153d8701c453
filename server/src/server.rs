//! Putting a server together, and taking it down again.

use crate::backend::Live;
use crate::certificates;
use crate::clock::Clock;
use crate::courier::Courier;
use crate::engine_loop::{self, Command, EngineHandle, Parts};
use crate::options::Options;
use crate::outbox::{News, Outbox};
use crate::publisher::{Publisher, Watcher};
use crate::retention;
use crate::spending;
use arc_swap::ArcSwap;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tandem_api::{Feed, TokenHash};
use tandem_engine::{Engine, Local, RegistrarConfig, Settings};
use tandem_hooks::Poster;
use tandem_model::{Config, Event};
use tandem_net::{Limits as NetLimits, Listen, Net, Tls};
use tandem_relay::{Relay, RelayConfig};
use tandem_store::Store;
use tandem_watch::Sample;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A server that runs.
pub struct Server {
    /// What the API works with.
    pub live: Live,
    /// The engine.
    pub engine: EngineHandle,
    /// Where the API is.
    pub http: SocketAddr,
    /// The admin token, when it was made or given just now.
    pub token: Option<String>,
    engine_thread: JoinHandle<()>,
    records: tokio::task::JoinHandle<()>,
    captures: tokio::task::JoinHandle<()>,
    publisher: tokio::task::JoinHandle<()>,
    courier: tokio::task::JoinHandle<()>,
    api: tokio::task::JoinHandle<io::Result<()>>,
    stop_api: oneshot::Sender<()>,
    certificates: Option<tokio::task::JoinHandle<()>>,
    retention: tokio::task::JoinHandle<()>,
    tidying: tokio::task::JoinHandle<()>,
}

/// Starts everything: store, media, sockets, engine, API. `log` is shown every event of the engine, on its thread.
pub async fn start(options: &Options, log: Box<dyn Fn(&Event) + Send>) -> Result<Server, Box<dyn Error>> {
    let clock = Clock::start();
    let store = Store::open(&options.data).await?;
    let (token, hash) = admin_token(&store, options.admin_token.clone()).await?;
    let here = options.sip.iter().flat_map(|listen| [listen.bind, seen(options, listen)]);
    let config = Arc::new(Config::load(store.load_config().await?).listening_at(here));
    let bindings = store.load_bindings().await?;
    let http = TcpListener::bind(options.http).await.map_err(|error| {
        format!("--http {}: {error}. Choose an address and port that are free", options.http)
    })?;
    let http_address = http.local_addr()?;
    let tls = options.tls.as_ref().map(Tls::load).transpose()?;

    let (handle, commands) = engine_loop::channel();
    let media = handle.clone();
    let relay_config = RelayConfig {
        clock: Arc::new(move || clock.now()),
        offload: options.media_offload,
        ..RelayConfig::new(options.media_bind)
    };
    let relay = Arc::new(Relay::start(relay_config, move |event| media.tell(Command::Media(event)))?);
    let (outbox, feed) = (Outbox::new(clock), Feed::new(clock.now().as_micros()));
    let written = handle.clone();
    let (records, records_task, broken) =
        store.calls_writer(move |id| written.tell(Command::Written(id))).await?;
    if broken > 0 {
        tracing::warn!(calls = broken, "calls were up when the server last stopped; their records say so");
    }
    let (captures, captures_task) = store.captures_writer();
    let listens = options.sip.clone();
    let mut engine =
        Engine::new(settings(options, secret(&store).await?)?, config.clone(), bindings, clock.now());
    spending::recall(&mut engine, &store, &config, clock.now()).await?;
    let parts = Parts {
        engine,
        clock,
        relay: relay.clone(),
        bindings: store.bindings_writer(),
        records: records.clone(),
        captures,
        on_event: Box::new({
            let outbox = outbox.clone();
            move |event| {
                log(&event);
                outbox.put(event);
            }
        }),
        on_record: Box::new({
            let outbox = outbox.clone();
            move |record| {
                if let Some(sample) = Sample::of(record) {
                    outbox.leave(News::Call(sample));
                }
            }
        }),
        handle: handle.clone(),
    };
    let (name_servers, secure) = (options.name_servers.clone(), tls.clone());
    let bind = async move || {
        let mut net = Net::bind(&listens, NetLimits::default()).await.map_err(io::Error::other)?;
        if !name_servers.is_empty() {
            net.use_name_servers(&name_servers);
        }
        if let Some(tls) = secure {
            net.use_tls(tls);
        }
        Ok(net)
    };
    let engine_thread = engine_loop::start(parts, bind, commands)?;

    let certificates = options
        .tls
        .clone()
        .zip(tls)
        .map(|(files, tls)| tokio::spawn(certificates::keep(files, tls, handle.clone(), outbox.clone())));
    let config = Arc::new(ArcSwap::new(config));
    let poster = Poster::new(options.webhooks_ca.as_deref(), options.webhooks_private)
        .map_err(|error| format!("--webhooks-ca {error}"))?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| format!("the system gives no random bytes: {error}"))?;
    let (courier, watcher) = (Courier::new(clock, poster, seed), Watcher::default());
    let publisher = Publisher {
        clock,
        outbox: outbox.clone(),
        feed: feed.clone(),
        courier: courier.clone(),
        watcher: watcher.clone(),
        config: config.clone(),
        engine: handle.clone(),
    };
    let (publisher, carrying) = (tokio::spawn(publisher.run()), tokio::spawn(courier.clone().run()));
    let retention =
        tokio::spawn(retention::keep(store.clone(), config.clone(), options.retention_days, clock));
    let live = Live {
        store,
        engine: handle.clone(),
        config,
        changing: Arc::default(),
        clock,
        token: hash,
        records,
        relay,
        outbox,
        feed,
        courier,
        watcher,
    };
    let tidying = tokio::spawn(retention::tidy(live.clone()));
    let (stop_api, stopped) = oneshot::channel();
    let backend = live.clone();
    let api_options = options.api.clone();
    let api = tokio::spawn(async move {
        tandem_api::serve(http, backend, api_options, async {
            let _ = stopped.await;
        })
        .await
    });
    Ok(Server {
        live,
        engine: handle,
        http: http_address,
        token,
        engine_thread,
        records: records_task,
        captures: captures_task,
        publisher,
        courier: carrying,
        api,
        stop_api,
        certificates,
        retention,
        tidying,
    })
}

impl Server {
    /// Waits until no call is left, at most for so long. No new ones begin meanwhile.
    pub async fn drain(&self, at_most: Duration) {
        self.engine.tell(Command::Drain);
        let until = tokio::time::Instant::now() + at_most;
        while tokio::time::Instant::now() < until {
            if self.engine.ask(Command::Calls).await.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends every call with BYE, takes registrations back, writes what is to be written, and stops.
    pub async fn stop(self) {
        if let Some(certificates) = &self.certificates {
            certificates.abort();
        }
        self.retention.abort();
        self.tidying.abort();
        let _ = self.stop_api.send(());
        self.engine.tell(Command::ShutDown);
        let engine_thread = self.engine_thread;
        let _ = tokio::task::spawn_blocking(move || engine_thread.join()).await;
        // The last calls have told of their end: whoever follows the events gets that, and then theirs.
        self.live.outbox.close();
        let _ = self.publisher.await;
        self.courier.abort();
        let _ = tokio::time::timeout(Duration::from_secs(5), self.api).await;
        let store = self.live.store.clone();
        drop(self.live);
        let _ = tokio::time::timeout(Duration::from_secs(10), self.records).await;
        let _ = tokio::time::timeout(Duration::from_secs(2), self.captures).await;
        store.close().await;
    }
}

fn settings(options: &Options, secret: [u8; 32]) -> Result<Settings, Box<dyn Error>> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| format!("the system gives no random bytes: {error}"))?;
    let listeners = options.sip.iter().map(|listen| (listen.transport, seen(options, listen))).collect();
    Ok(Settings {
        local: Local { listeners },
        media_address: options.advertise,
        media_ports: options.rtp_ports,
        media_quarantine: options.media_quarantine,
        limits: options.limits,
        max_calls: options.max_calls,
        door: options.door,
        registrar: RegistrarConfig {
            realm: options.realm.clone(),
            algorithms: options.auth_algorithms.clone(),
            guard: options.guard,
            ..RegistrarConfig::default()
        },
        secret,
        seed,
    })
}

/// A listener as others see it.
fn seen(options: &Options, listen: &Listen) -> SocketAddr {
    SocketAddr::new(options.advertise, listen.bind.port())
}

/// What the installation has made up for itself and keeps.
async fn secret(store: &Store) -> Result<[u8; 32], Box<dyn Error>> {
    const NAME: &str = "secret";
    let mut secret = [0; 32];
    if let Some(kept) = store.setting(NAME).await? {
        hex::decode_to_slice(kept, &mut secret)?;
        return Ok(secret);
    }
    getrandom::fill(&mut secret).map_err(|error| format!("the system gives no random bytes: {error}"))?;
    store.set_setting(NAME, &hex::encode(secret)).await?;
    Ok(secret)
}

/// The token given from outside, else the stored one, else a new one that is shown once.
async fn admin_token(
    store: &Store,
    given: Option<String>,
) -> Result<(Option<String>, TokenHash), Box<dyn Error>> {
    if let Some(token) = given {
        let hash = TokenHash::of(&token);
        store.set_admin_token_hash(&hash.0).await?;
        return Ok((None, hash));
    }
    if let Some(hash) = store.admin_token_hash().await? {
        return Ok((None, TokenHash(hash)));
    }
    let mut random = [0; 24];
    getrandom::fill(&mut random).map_err(|error| format!("the system gives no random bytes: {error}"))?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let hash = TokenHash::of(&token);
    store.set_admin_token_hash(&hash.0).await?;
    Ok((Some(token), hash))
}
