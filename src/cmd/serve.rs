//! `sower serve`: watch the seeds, publish, serve.

use std::io::IsTerminal;
use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::Context;
use tokio::signal;
use tracing::{error, info, warn};
use tracing_subscriber::fmt::time::ChronoLocal;

use super::{cache, is_styled};
use crate::config::args::Settings;
use crate::config::{Config, ConfigError, ListenAddress};
use crate::daemon;
use crate::daemon::sandbox::{Confinement, confine};
use crate::daemon::systemd as service;
use crate::ingest::restart_hint;
use crate::serve::{Listener, Listeners};

/// Files that are open beside those of connections to the public: connections of the operator, what threads wait
/// with, seeds and folders that are read on each core, feeds that are written, and those that are sent from files.
const OTHER_FILES: u64 = 512;

pub(super) fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let config = Config::resolve(settings.clone())?;
    log();
    without_huge_pages();
    let cache = cache(&config);
    // Before there is another thread: those that there are already would stay as they are.
    let confinement = confine(&config, cache.as_deref());
    info!("{confinement}");
    runtime()?.block_on(async {
        let listeners = open(&config).await?;
        let listening = listeners.public.iter().map(Listener::address).collect::<Result<Vec<_>, _>>()?;
        let first = First { config: config.clone(), listening: listening.clone(), confinement };
        let (reread, configs) = reread_on_signal(settings, first)?;
        let (stop, again) = (stop_signal(1)?, stop_signal(2)?);
        let mut config = config.listening_on(listening);
        config.serving.max_connections = room(config.serving.max_connections);
        let running = daemon::run(config, listeners, cache, configs, async {
            info!("{}: finishing the requests in flight", stop.await);
        });
        tokio::select! {
            ended = running => ended?,
            // Whoever asks twice has waited long enough.
            heard = again => info!("{heard} once more: stopping at once"),
        }
        reread.abort();
        info!("stopped");
        Ok(ExitCode::SUCCESS)
    })
}

/// Events of connections that one of several threads takes on at once. Past the 256 that find room in its queue all
/// threads meet at a lock; of a quarter of that, little has to be handed from thread to thread.
const EVENTS_AT_ONCE: usize = 64;

/// What answers: where there is one core, nothing is to be gained by handing work from thread to thread.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut builder = if cores == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.max_io_events_per_tick(EVENTS_AT_ONCE);
        builder
    };
    // Where there can be no more threads this panics, and would wait for ever for those that it started.
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        std::process::abort();
    }));
    let runtime = builder.enable_all().build();
    drop(std::panic::take_hook());
    runtime
}

/// Where the system gives huge pages unasked, each thread takes one for its stack, of which it uses little.
/// A system that cannot do without them serves as well.
fn without_huge_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Listens where the configuration says, or where a service manager does already.
async fn open(config: &Config) -> anyhow::Result<Listeners> {
    let mut public = Listener::inherited().context("a socket of the service manager cannot be served on")?;
    if public.is_empty() {
        for address in &config.serving.listen {
            public.push(Listener::bind(address, &config.serving.listen).await.with_context(|| {
                format!("{address} cannot be served on; `--listen` names another address and port")
            })?);
        }
    }
    let admin = match &config.serving.admin_listen {
        None => None,
        Some((address, chosen)) => match Listener::bind(address, &[]).await {
            Ok(listener) => {
                info!("health and metrics at {address}");
                Some(listener)
            }
            Err(error) if !chosen => {
                warn!(
                    "{address} cannot be served on ({error}): no health and metrics; `--admin-listen` names another address and port"
                );
                None
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("{address} cannot be served on; `--admin-listen` names another address and port")
                });
            }
        },
    };
    Ok(Listeners { public, admin })
}

/// Room for how many connections there is, of those that are wanted: seeds are read and feeds written
/// while it is full.
fn room(wanted: usize) -> usize {
    // Thousands of connections need more than the thousand files that many systems begin with.
    if let Ok((files, most)) = rlimit::Resource::NOFILE.get()
        && files < most
    {
        let _ = rlimit::Resource::NOFILE.set(most, most);
    }
    let Ok((files, _)) = rlimit::Resource::NOFILE.get() else { return wanted };
    let room = files.saturating_sub(OTHER_FILES).max(files / 2);
    let room = usize::try_from(room).unwrap_or(usize::MAX).max(1);
    if room < wanted {
        warn!(
            "the system lets this process open {files} files: there is room for {room} connections, and not \
             for {wanted}; `LimitNOFILE=` of its unit, or `ulimit -n`, allows more"
        );
    }
    room.min(wanted)
}

/// What later configurations are compared with.
struct First {
    config: Config,
    listening: Vec<ListenAddress>,
    confinement: Confinement,
}

/// Reads the configuration again at each SIGHUP. One that is wrong is told, and not taken up.
#[cfg(unix)]
fn reread_on_signal(
    settings: Settings,
    first: First,
) -> anyhow::Result<(tokio::task::JoinHandle<()>, Receiver<Config>)> {
    use signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup())?;
    let (send, configs) = channel();
    let reread = tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            reread(settings.clone(), &first, &send);
        }
    });
    Ok((reread, configs))
}

#[cfg(not(unix))]
fn reread_on_signal(
    _: Settings,
    _: First,
) -> anyhow::Result<(tokio::task::JoinHandle<()>, Receiver<Config>)> {
    Ok((tokio::spawn(std::future::pending()), channel().1))
}

#[cfg(unix)]
fn reread(settings: Settings, first: &First, send: &Sender<Config>) {
    // A manager that asked for it waits for the answer, whatever becomes of it.
    service::reloading();
    match Config::resolve(settings) {
        Ok(config) => {
            for (key, stays) in config.serving.fixed(&first.config.serving) {
                if !stays {
                    warn!("`{key}` has changed, which needs a restart");
                }
            }
            let confined = |key, place: &Path, act| {
                warn!(
                    "`{key}` is {} now, where this process may not {act} since it is confined, \
                     which needs a restart",
                    place.display()
                );
            };
            if !first.confinement.lets_read(&config.seeds) {
                confined("seeds", &config.seeds, "read");
            }
            if let Some(feeds) = config.feeds.as_deref().filter(|feeds| !first.confinement.lets_write(feeds))
            {
                confined("feeds", feeds, "write");
            }
            let _ = send.send(config.listening_on(first.listening.clone()));
        }
        Err(error) => {
            let remedy = match &error {
                ConfigError::Unreadable { cause, .. } => restart_hint(cause),
                _ => "",
            };
            error!("{error}{remedy}; the configuration before is kept");
            service::ready();
        }
    }
}

/// Ends with so many Ctrl-C or SIGTERM, and says which. Both are caught from the moment this returns.
#[cfg(unix)]
fn stop_signal(times: usize) -> anyhow::Result<impl Future<Output = &'static str>> {
    use signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        let mut heard = "";
        for _ in 0..times {
            heard = tokio::select! {
                _ = interrupt.recv() => "Ctrl-C",
                _ = terminate.recv() => "SIGTERM",
            };
        }
        heard
    })
}

#[cfg(not(unix))]
fn stop_signal(times: usize) -> anyhow::Result<impl Future<Output = &'static str>> {
    Ok(async move {
        for _ in 0..times {
            drop(signal::ctrl_c().await);
        }
        "Ctrl-C"
    })
}

/// A line for each thing that happens, on standard error. The journal knows the time itself.
fn log() {
    let stderr = std::io::stderr;
    let builder =
        tracing_subscriber::fmt().with_writer(stderr).with_target(false).with_ansi(is_styled(&stderr()));
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some() && !stderr().is_terminal();
    // A second subscriber, as in a test that runs two daemons, is no failure.
    let _ = if in_journal {
        builder.without_time().try_init()
    } else {
        builder.with_timer(ChronoLocal::new("%Y-%m-%d %H:%M:%S".to_owned())).try_init()
    };
}
