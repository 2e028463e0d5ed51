//! Sends the bytes of a client to a server over a socket. The server does not panic, and answers with HTTP of a
//! known status.

#![no_main]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, mpsc};
use std::time::SystemTime;

use libfuzzer_sys::fuzz_target;
use sower::config::args::Settings;
use sower::catalog::Catalog;
use sower::config::{Config, ListenAddress};
use sower::publish::Publisher;
use sower::publish::mirror_worker::MirrorMonitor;
use sower::seed::{self, Change, Rules, Timestamp};
use sower::serve::admin::{Durations, Monitor};
use sower::serve::{Listener, Listeners, Server};

/// The paths of the public and of the admin socket.
static SOCKETS: LazyLock<[PathBuf; 2]> = LazyLock::new(|| {
    let directory = std::env::temp_dir().join(format!("sower-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let sockets = ["public", "admin"].map(|name| directory.join(name));
    let (open, opened) = mpsc::channel();
    let paths = sockets.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let text = |text: &str| Some(text.to_owned());
            // With a maximum age of 0, the rate limiter refuses nothing for long.
            let settings =
                Settings { feeds: text("off"), entries: text("1"), client_limit: text("10000"), max_age: text("0s"), ..Settings::default() };
            let config = Arc::new(Config::resolve(settings).expect("sound settings"));
            let mut catalog = Catalog::new(false, Arc::default());
            let rules = Rules::new(&config, false);
            for month in 1..=3 {
                let path: Arc<str> = format!("2024-0{month}-01-a.md").into();
                let text = format!("---\ntitle: A\ntopics: [t, 机]\ntype: video\n---\n{month}\n");
                let reading = seed::read(&rules, &path, text.as_bytes());
                let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a date");
                catalog.apply([(path, Change::Read(reading))], now);
            }
            let mut publisher = Publisher::new(config.clone());
            publisher.publish(&catalog, &Default::default(), SystemTime::UNIX_EPOCH);
            let monitor = Arc::new(Monitor::new(Durations::default(), MirrorMonitor::default()));
            let [public, admin] = paths.map(|path| ListenAddress::Unix(path));
            let public = vec![Listener::bind(&public, &[]).await.expect("a socket")];
            let admin = Some(Listener::bind(&admin, &[]).await.expect("a socket"));
            open.send(()).expect("the receiver still exists");
            let server = Server::start(Listeners { public, admin });
            server.serve(publisher.current(), monitor, &config, std::future::pending()).await;
        });
    });
    opened.recv().expect("a server that listens");
    sockets
});

// The first byte chooses the listener, the rest is sent.
fuzz_target!(|bytes: &[u8]| {
    let Some((&first, sent)) = bytes.split_first() else { return };
    let mut stream = UnixStream::connect(&SOCKETS[usize::from(first & 1)]).expect("a connection");
    // The server may close before all is sent.
    let _ = stream.write_all(sent);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    if answer.is_empty() {
        return;
    }
    let head = answer.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    let status: u16 = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let known = [200, 204, 301, 304, 400, 404, 405, 406, 408, 410, 412, 413, 414, 417, 429, 431, 501, 503, 505];
    assert!(head.starts_with("HTTP/1.") && known.contains(&status), "{head:?} to {:?}", String::from_utf8_lossy(sent));
});
