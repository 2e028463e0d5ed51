//! `sower serve`: watch the seeds, publish, serve.

use std::io::{self, IsTerminal};
use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::{Context, anyhow};
use tokio::signal;
use tracing::{error, info, warn};
use tracing_subscriber::fmt::time::ChronoLocal;

use crate::cmd::load::cache_file;
use crate::cmd::terminal::has_colours;
use crate::config::args::Settings;
use crate::config::{Config, ConfigError, ListenAddress};
use crate::daemon;
use crate::daemon::sandbox::{self, Sandbox};
use crate::daemon::systemd;
use crate::ingest::restart_hint;
use crate::serve::{Listener, Listeners};

/// File descriptors that are reserved for everything but public connections: admin connections, event queues of the
/// runtime, seeds that are read and feeds that are written.
const RESERVED_FILES: u64 = 512;

pub(super) fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let config = Config::resolve(settings.clone())?;
    start_log();
    disable_huge_pages();
    let cache = cache_file(&config);
    // Landlock restricts this thread and those that it starts, so there must be no others yet.
    let sandbox = sandbox::enter(&config, cache.as_deref());
    info!("{sandbox}");
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        let listeners = open(&config).await?;
        let listening = listeners.public.iter().map(Listener::address).collect::<Result<Vec<_>, _>>()?;
        let startup = Startup { config: config.clone(), listening: listening.clone(), sandbox };
        let (reload, configs) = reload_on_signal(settings, startup)?;
        let (stop, abort) = (stop_signal(1)?, stop_signal(2)?);
        let mut config = config.listening_on(listening);
        config.serving.max_connections = connection_limit(config.serving.max_connections);
        let running = daemon::run(config, listeners, cache, configs, async {
            info!("{} received: finishing the requests in flight", stop.await);
        });
        tokio::select! {
            ended = running => ended?,
            signal = abort => info!("{signal} received again: stopping at once"),
        }
        reload.abort();
        info!("stopped");
        Ok(ExitCode::SUCCESS)
    });
    // A document that is still being rendered may wait for a disk that hangs.
    runtime.shutdown_background();
    served
}

/// Starts the runtime: on one core, tasks need not move between threads.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut builder = if cores == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    // If the system refuses a thread, tokio panics and then waits forever for the threads that it has started.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
    let runtime = builder.enable_all().build();
    drop(std::panic::take_hook());
    runtime
}

/// Disables transparent huge pages: each thread would hold one for its stack, and use little of it. Failing to do so
/// only costs memory.
fn disable_huge_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Opens the listeners: the sockets of the service manager, or those of the configuration if there are none.
async fn open(config: &Config) -> anyhow::Result<Listeners> {
    let mut public = Listener::inherited().context("cannot listen on a socket of the service manager")?;
    if public.is_empty() {
        for address in &config.serving.listen {
            let listener = Listener::bind(address, &config.serving.listen).await;
            public.push(listener.map_err(|error| anyhow!(listen_error(address, &error, "--listen")))?);
        }
    }
    let admin = match &config.serving.admin_listen {
        None => None,
        Some((address, is_configured)) => match Listener::bind(address, &[]).await {
            Ok(listener) => {
                info!("health and metrics at {address}");
                Some(listener)
            }
            Err(error) if !is_configured => {
                warn!("no health and metrics: {}", listen_error(address, &error, "--admin-listen"));
                None
            }
            Err(error) => return Err(anyhow!(listen_error(address, &error, "--admin-listen"))),
        },
    };
    Ok(Listeners { public, admin })
}

/// Describes the failure to listen on an address, and the flag that changes the address.
fn listen_error(address: &ListenAddress, error: &io::Error, flag: &str) -> String {
    let reason = match error.kind() {
        io::ErrorKind::AddrInUse => "address in use".to_owned(),
        _ => error.to_string(),
    };
    format!("cannot listen on {address}: {reason}; choose another with {flag}")
}

/// Returns the number of connections that the limit of open files allows, at most `wanted`. Raises that limit first.
fn connection_limit(wanted: usize) -> usize {
    // The default of many systems is 1024 files, with a much higher hard limit.
    if let Ok((files, hard_limit)) = rlimit::Resource::NOFILE.get()
        && files < hard_limit
    {
        let _ = rlimit::Resource::NOFILE.set(hard_limit, hard_limit);
    }
    let Ok((files, _)) = rlimit::Resource::NOFILE.get() else { return wanted };
    let limit = files.saturating_sub(RESERVED_FILES).max(files / 2);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
    if limit < wanted {
        warn!(
            "this process may open {files} files: accepting {limit} connections instead of {wanted}; raise \
             `LimitNOFILE=` in its unit, or `ulimit -n`"
        );
    }
    limit.min(wanted)
}

/// The state at startup, which reloads are compared with.
struct Startup {
    config: Config,
    listening: Vec<ListenAddress>,
    sandbox: Sandbox,
}

/// Reloads the configuration at each SIGHUP. An invalid configuration is reported, and the previous one stays.
#[cfg(unix)]
fn reload_on_signal(
    settings: Settings,
    startup: Startup,
) -> anyhow::Result<(tokio::task::JoinHandle<()>, Receiver<Config>)> {
    use signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup())?;
    let (send, configs) = channel();
    let task = tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            reload(settings.clone(), &startup, &send);
        }
    });
    Ok((task, configs))
}

#[cfg(not(unix))]
fn reload_on_signal(
    _: Settings,
    _: Startup,
) -> anyhow::Result<(tokio::task::JoinHandle<()>, Receiver<Config>)> {
    Ok((tokio::spawn(std::future::pending()), channel().1))
}

#[cfg(unix)]
fn reload(settings: Settings, startup: &Startup, send: &Sender<Config>) {
    // A service manager waits for the end of each reload, whether it succeeds or not.
    systemd::reloading();
    match Config::resolve(settings) {
        Ok(config) => {
            for (key, is_unchanged) in config.serving.fixed(&startup.config.serving) {
                if !is_unchanged {
                    warn!("`{key}` has changed; restart sower to apply it");
                }
            }
            let warn_of_sandbox = |key, directory: &Path, access| {
                warn!(
                    "`{key}` is now {}, which the sandbox does not let this process {access}; restart sower",
                    directory.display()
                );
            };
            if !startup.sandbox.allows_reading(&config.seeds) {
                warn_of_sandbox("seeds", &config.seeds, "read");
            }
            if let Some(feeds) =
                config.feeds.as_deref().filter(|feeds| !startup.sandbox.allows_writing(feeds))
            {
                warn_of_sandbox("feeds", feeds, "write");
            }
            let _ = send.send(config.listening_on(startup.listening.clone()));
        }
        Err(error) => {
            let hint = match &error {
                ConfigError::Unreadable { cause, .. } => restart_hint(cause),
                _ => "",
            };
            error!("{error}{hint}; keeping the previous configuration");
            systemd::ready();
        }
    }
}

/// Returns a future that waits for a number of Ctrl-C or SIGTERM signals, and returns the name of the last one.
/// The signals are caught as soon as this function returns.
#[cfg(unix)]
fn stop_signal(times: usize) -> anyhow::Result<impl Future<Output = &'static str>> {
    use signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        let mut received = "";
        for _ in 0..times {
            received = tokio::select! {
                _ = interrupt.recv() => "Ctrl-C",
                _ = terminate.recv() => "SIGTERM",
            };
        }
        received
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

/// Starts the log on standard error. Lines for the systemd journal have no time, since it adds its own.
fn start_log() {
    let stderr = io::stderr;
    let builder =
        tracing_subscriber::fmt().with_writer(stderr).with_target(false).with_ansi(has_colours(&stderr()));
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some() && !stderr().is_terminal();
    // A test that runs two daemons in one process has a subscriber already.
    let _ = if in_journal {
        builder.without_time().try_init()
    } else {
        builder.with_timer(ChronoLocal::new("%Y-%m-%d %H:%M:%S".to_owned())).try_init()
    };
}
