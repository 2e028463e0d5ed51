//! The real binary: sockets, signals, codings, invalid requests.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sower::config::args::Settings;

use crate::machine::{await_reason, is_ready};
use crate::support::{
    Connection, DEADLINE, Response, Workspace, dated, eventually, meanwhile, signal, titles,
};

/// The real binary, listening on Unix sockets until it is stopped.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) socket: PathBuf,
    pub(crate) admin: PathBuf,
}

impl Served {
    pub(crate) fn start(work: &Workspace, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_under(&[], work, flags, variables)
    }

    /// Starts it through another program, which executes the last of its arguments in its place.
    pub(crate) fn start_under(
        program: &[&str],
        work: &Workspace,
        flags: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let (socket, admin) = (work.path().join("public.sock"), work.path().join("admin.sock"));
        let [listen, admin_listen] = [&socket, &admin].map(|path| format!("unix:{}", path.display()));
        let sower = work.command("serve");
        let words = program.iter().map(OsStr::new).chain([sower.get_program()]).chain(sower.get_args());
        let mut words = words.chain(["--listen", &listen, "--admin-listen", &admin_listen].map(OsStr::new));
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(flags).current_dir(work.path());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("NO_COLOR", "1");
        command.envs(variables.iter().copied()).stderr(Stdio::piped()).stdout(Stdio::piped());
        Self { child: command.spawn().unwrap(), socket, admin }
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        Connection::to_socket(&self.socket).request("GET", path, &[])
    }

    /// Returns the answer of the admin listener once the seeds are read.
    pub(crate) fn admin(&self, path: &str) -> Response {
        let mut answer = None;
        eventually("the seeds are read", || {
            let response = Connection::to_socket(&self.admin).request("GET", path, &[]);
            !answer.insert(response).body.ends_with(b"the seeds are still being read\n")
        });
        answer.unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits until the log has this text, and returns the log up to there.
    pub(crate) fn until_logged(&mut self, what: &'static str) -> String {
        let mut stderr = self.child.stderr.take().unwrap();
        let (sender, read) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let (mut log, mut byte) = (Vec::new(), [0]);
            // The rest of the log is left for later reads.
            while !log.ends_with(what.as_bytes()) && stderr.read(&mut byte).unwrap() > 0 {
                log.push(byte[0]);
            }
            let _ = sender.send((stderr, log));
        });
        let Ok((stderr, log)) = read.recv_timeout(DEADLINE) else { panic!("{what}: this is not logged") };
        self.child.stderr = Some(stderr);
        String::from_utf8(log).unwrap()
    }

    /// Stops it, and returns its standard output and its log.
    pub(crate) fn stop(mut self) -> (String, String) {
        self.signal("-TERM");
        let (mut out, mut log) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(self.child.wait().unwrap().success(), "{log}");
        (out, log)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn text(response: &Response) -> String {
    String::from_utf8(response.body.clone()).unwrap()
}

#[test]
fn unix_socket_of_a_killed_process_is_taken_over() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let mut first = Served::start(&work, &[], &[]);
    assert_eq!(titles(&first.get("/all.atom").body), ["A"]);
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    let second = Served::start(&work, &[], &[]);
    eventually("the socket is served again", || {
        std::os::unix::net::UnixStream::connect(&second.socket).is_ok()
    });
    assert_eq!(titles(&second.get("/all.atom").body), ["A"]);
    second.stop();
}

#[test]
fn admin_listener_has_health_and_metrics() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    work.write("b.md", "---\ntitle: B\n---\n");
    work.write("c.md", "---\ntitle: C\ntopics: One\ndate: 2024-01-01\npublished: false\n---\n");
    let served = Served::start(&work, &[], &[]);
    let tag = served.get("/all.atom").tag().to_owned();
    Connection::to_socket(&served.socket).request("GET", "/all.atom", &[("If-None-Match", &tag)]);

    assert_eq!(text(&served.admin("/healthz")), "ok\n");
    let hash = || {
        let ready = text(&served.admin("/readyz"));
        let hash = ready.strip_prefix("ready: edition 1 (").and_then(|rest| rest.split(')').next());
        hash.unwrap_or_else(|| panic!("{ready}")).to_owned()
    };
    let metrics = text(&served.admin("/metrics"));
    for line in [
        "sower_polls_total{feed=\"all\",format=\"atom\",status=\"304\",coding=\"identity\"} 1",
        "sower_seeds 3",
        "sower_held 1",
        "sower_faults 1",
        "sower_publish_seconds_count 1",
    ] {
        assert!(metrics.lines().any(|shown| shown == line), "{line} is not in {metrics}");
    }
    let status: serde_json::Value = serde_json::from_slice(&served.admin("/status.json").body).unwrap();
    assert_eq!(status["edition"], 1);
    assert_eq!(
        (&status["seeds"]["faults"][0]["path"], &status["seeds"]["faults"][0]["line"]),
        (&"b.md".into(), &1.into())
    );
    assert_eq!(status["seeds"]["held"][0]["reason"], "unpublished");
    assert_eq!(status["feeds"][0]["path"], "all");
    assert_eq!(status["feeds"][0]["readers_today"], 1);
    for path in ["/healthz", "/readyz", "/metrics", "/status.json"] {
        assert_eq!(served.get(path).status, 404, "{path} is not a public address");
    }
    let hash = hash();
    assert_eq!(status["hash"], hash);
    assert!(metrics.contains(&format!("sower_content_info{{hash=\"{hash}\"}} 1")), "{metrics}");
    served.stop();

    let again = Served::start(&work, &[], &[]);
    assert!(text(&again.admin("/readyz")).contains(&hash), "equal seeds have equal hashes");
    work.write("a.md", dated("Another", "One"));
    let scan = |ready: &str| ready.trim_end().rsplit(' ').next().unwrap().parse::<u64>();
    eventually("another edition is served", || {
        let ready = text(&again.admin("/readyz"));
        ready.starts_with("ready: edition 2 ") && !ready.contains(&hash) && scan(&ready).unwrap() > 1
    });
    let metrics = text(&again.admin("/metrics"));
    assert!(metrics.contains("sower_heard_to_served_seconds_count 1"), "{metrics}");
    again.stop();
}

#[test]
fn dashboard_follows_the_seeds() {
    let work = Workspace::new();
    fs::write(work.path().join("sower.yaml"), "title: <b>Mine</b>\n").unwrap();
    work.write("a.md", dated("A", "One"));
    work.write("b.md", "---\ntitle: \"<script>alert(1)</script>\n---\n");
    work.write("<i>.md", "---\ntitle: C\ntopics: One\ndate: 2024-01-01\nquality: <img src=x>\n---\n");
    work.write("private.md", "---\ntitle: D\ntopics: One\nsecured: {x: hunter2, y: hunter2\n---\n");
    work.write("held.md", "---\ntitle: Hidden\ntopics: One\ndate: 2024-01-01\npublished: false\n---\n");
    work.write("later.md", "---\ntitle: Later\ntopics: One\ndate: 2999-01-01T00:00:00Z\n---\n");
    let served = Served::start(&work, &[], &[]);
    let tag = served.get("/all.atom").tag().to_owned();
    Connection::to_socket(&served.socket).request("GET", "/all.atom", &[("If-None-Match", &tag)]);

    let answer = served.admin("/");
    assert_eq!((answer.status, answer.field("content-type")), (200, "text/html; charset=utf-8"));
    assert_eq!(
        answer.field("content-security-policy"),
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    assert_eq!((answer.field("cache-control"), answer.field("set-cookie")), ("no-store", ""));
    let page = text(&answer);
    for shown in [
        "<h1 dir=\"auto\">&lt;b&gt;Mine&lt;/b&gt;</h1>",
        "<h2 id=\"edition-heading\">Edition 1</h2>",
        "&lt;i&gt;.md:5:10",
        "quality: <mark>&lt;img src=x&gt;</mark>",
        "<summary>1 unpublished</summary>",
        "<code dir=\"ltr\">held.md</code></li>",
        "<code dir=\"ltr\">later.md</code> until <time datetime=\"2999-01-01T00:00:00Z\">",
        "<dd>50.0%</dd>",
        "<a href=\"https://feeds.example.org/all\"><bdi>all</bdi></a>",
        "No changes since the first edition.",
    ] {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
    for hidden in ["<script>", "<img", "<i>", "<b>", "hunter2", "Hidden", "Later", " style="] {
        assert!(!page.contains(hidden), "{hidden} is in {page}");
    }
    for (path, media_type) in
        [("/operator.css", "text/css; charset=utf-8"), ("/operator.js", "text/javascript; charset=utf-8")]
    {
        let file = served.admin(path);
        assert_eq!((file.status, file.field("content-type")), (200, media_type), "{path}");
        assert!(page.contains(&format!("\"{}\"", &path[1..])), "{path}");
        assert_eq!(served.get(path).status, 404, "{path} is not a public address");
    }

    work.write("b.md", dated("Corrected", "Two"));
    work.write("a.md", "---\ntitle: A\n---\n");
    eventually("the page shows the change", || {
        let page = text(&served.admin("/"));
        !page.contains("Edition 1<")
            && !page.contains("alert(1)")
            && page.contains("The last good record is served.")
            && page.contains("<rect ")
    });
    fs::rename(work.seeds(), work.path().join("elsewhere")).unwrap();
    eventually("the page shows the problem", || text(&served.admin("/")).contains("Something is wrong"));
    assert!(text(&served.admin("/nowhere")).contains("/healthz"));
    served.stop();
}

#[test]
fn entries_of_an_emptied_seed_directory_are_still_served() {
    let work = Workspace::new();
    for path in ["mounted/a.md", "mounted/b.md"] {
        work.write(path, dated(path, "One"));
    }
    let served = Served::start(&work, &[], &[]);
    let entries = || titles(&served.get("/topics/one.atom").body).len();
    assert_eq!(entries(), 2);
    work.rename("mounted", ".unmounted");
    eventually("readyz gives the reason", || {
        text(&served.admin("/readyz")).contains("is empty, but had 2 files")
    });
    assert_eq!(entries(), 2);
    served.signal("-HUP");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        assert_eq!((entries(), served.admin("/readyz").status), (2, 503));
        thread::sleep(Duration::from_millis(50));
    }
    work.rename(".unmounted", "mounted");
    eventually("the daemon is ready again", || served.admin("/readyz").status == 200);
    assert_eq!(entries(), 2);
    let (_, log) = served.stop();
    assert_eq!(
        log.matches("is its disk mounted?").count(),
        2,
        "once by itself, and once for the signal: {log}"
    );
}

#[test]
fn polling_finds_changes_without_events() {
    let work = Workspace::new();
    work.write("a.md", dated("Before", "One"));
    let served = Served::start(&work, &["--watch", "poll"], &[]);
    let titles = || titles(&served.get("/all.rss").body);
    assert_eq!(titles(), ["Before"]);
    work.write("a.md", dated("After", "One"));
    eventually("a rescan finds the change", || titles() == ["After"]);
    let (_, log) = served.stop();
    assert!(!log.contains("cannot watch"), "polling is configured: {log}");
}

#[test]
fn readyz_gives_the_reason_until_ready() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let served = Served::start(&work, &[], &[]);
    assert_eq!(served.admin("/readyz").status, 200);
    let elsewhere = work.path().join("elsewhere");
    fs::rename(work.seeds(), &elsewhere).unwrap();
    await_reason(&served, "No such file or directory");
    assert_eq!(served.admin("/healthz").status, 200);
    fs::rename(&elsewhere, work.seeds()).unwrap();
    is_ready(&served);
    served.stop();
}

#[test]
fn reload_applies_a_valid_configuration_only() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "[One, Two]"));
    work.write("kept.md", dated("Kept", "One"));
    let configuration = work.path().join("sower.yaml");
    fs::write(&configuration, "title: Before\n").unwrap();
    let served = Served::start(&work, &[], &[]);
    let mut connection = Connection::to_socket(&served.socket);
    let mut title = || {
        let response = connection.request("GET", "/all.rss", &[]);
        assert_eq!(response.status, 200);
        crate::support::parse(&response.body).title.unwrap().content
    };
    assert_eq!(title(), "Before");
    assert_eq!(served.get("/topics/two.atom").status, 200);
    work.write("kept.md", "---\ntitle: Kept\n---\n");
    eventually("a seed is broken", || {
        text(&served.admin("/metrics")).lines().any(|line| line == "sower_faults 1")
    });
    fs::write(&configuration, "title: After\ntopics: [{name: Two, retired: true}]\n").unwrap();
    served.signal("-HUP");
    eventually("the new title is served, on the same connection", || title() == "After");
    assert_eq!(served.get("/topics/two.atom").status, 410);
    let polled =
        "sower_polls_total{feed=\"topics/two\",format=\"atom\",status=\"200\",coding=\"identity\"} 1";
    assert!(text(&served.admin("/metrics")).contains(polled), "counters outlive their address");
    fs::write(&configuration, "titel: Wrong\n").unwrap();
    served.signal("-HUP");
    work.write("b.md", dated("B", "One"));
    eventually("changes are served, and the last good record is kept", || {
        let mut titles = titles(&served.get("/all.atom").body);
        titles.sort_unstable();
        titles == ["A", "B", "Kept"]
    });
    assert_eq!(title(), "After");
    let (_, log) = served.stop();
    assert!(
        log.contains(
            "sower.yaml:1:1: unknown key `titel`; did you mean `title`?; keeping the previous configuration"
        ),
        "{log}"
    );
}

#[test]
fn reload_keeps_the_entries_of_an_unreadable_folder() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let aside = work.path().join("aside");
    fs::create_dir(&aside).unwrap();
    fs::write(aside.join("b.md"), dated("B", "One")).unwrap();
    fs::write(aside.join("c.md"), dated("C", "One")).unwrap();
    let link_to = |place: &std::path::Path| {
        let link = work.path().join("link");
        std::os::unix::fs::symlink(place, &link).unwrap();
        fs::rename(&link, work.seeds().join("folder")).unwrap();
    };
    link_to(&aside);
    let daemon = work.serve();
    daemon.shows(&["C", "B", "A"]);
    // Not even root can follow a symlink into its own directory.
    link_to(std::path::Path::new("."));
    fs::write(work.path().join("sower.yaml"), "title: After\n").unwrap();
    daemon.reconfigure(work.config());
    let title =
        |daemon: &crate::support::Daemon| crate::support::parse(&daemon.get("/all.rss").body).title.unwrap();
    eventually("the configuration is applied", || title(&daemon).content == "After");
    daemon.shows(&["C", "B", "A"]);
    fs::remove_file(aside.join("c.md")).unwrap();
    link_to(&aside);
    daemon.shows(&["B", "A"]);
    work.in_step(&daemon);
}

#[test]
fn socket_passed_by_the_service_manager_is_served() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let sower = work.command("serve");
    let mut shell = Command::new("sh");
    // As systemd passes it: descriptor 3, and the id of the process.
    shell.args(["-c", "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\""]);
    shell.arg(sower.get_program()).args(sower.get_args()).args(["--admin-listen", "off"]);
    shell.current_dir(work.path()).stdin(std::os::fd::OwnedFd::from(listener)).stderr(Stdio::null());
    let child = shell.spawn().unwrap();
    let _served = Served { child, socket: PathBuf::new(), admin: PathBuf::new() };
    let mut connection = Connection::to(address);
    assert_eq!(titles(&connection.request("GET", "/all.atom", &[]).body), ["A"]);
}

#[test]
fn reload_keeps_unaffected_validators() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let daemon = work.serve();
    let before = daemon.get("/topics/one.atom");
    let list = daemon.get("/all.atom");
    daemon.reconfigure(work.config_with(Settings { entries: Some("7".to_owned()), ..Settings::default() }));
    fs::write(work.path().join("sower.yaml"), "topics: [{name: Two}]\n").unwrap();
    daemon.reconfigure(work.config());
    eventually("a topic of the new configuration has a feed", || {
        daemon.get("/topics/two.atom").status == 200
    });
    for (path, before) in [("/topics/one.atom", before), ("/all.atom", list)] {
        let after = daemon.get(path);
        assert_eq!(
            (after.tag(), after.field("last-modified")),
            (before.tag(), before.field("last-modified"))
        );
    }
    work.write("b.md", dated("B", "Two"));
    eventually("changes are served", || daemon.titles("/topics/two.atom") == ["B"]);
    work.in_step(&daemon);
}

#[test]
fn service_manager_is_notified() {
    let work = Workspace::new();
    let path = work.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let notified_of = |expected: &str| {
        let mut seen = Vec::new();
        loop {
            let mut buffer = [0; 512];
            let length = socket.recv(&mut buffer).unwrap_or_else(|_| panic!("no {expected} among {seen:?}"));
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if message.lines().any(|line| line == expected) {
                return;
            }
            seen.push(message);
        }
    };
    let variables = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "1000000")];
    let served = Served::start(&work, &[], &variables);
    notified_of("READY=1");
    notified_of("WATCHDOG=1");
    served.signal("-HUP");
    notified_of("RELOADING=1");
    notified_of("READY=1");
    served.signal("-TERM");
    notified_of("STOPPING=1");
    drop(served);
}

#[test]
fn access_log_has_a_line_for_each_answer() {
    let work = Workspace::new();
    let served = Served::start(&work, &["--access-log", "json", "--trusted-proxies", "unix"], &[]);
    let fields = [("X-Forwarded-For", "192.0.2.7"), ("User-Agent", "a \"reader\"")];
    Connection::to_socket(&served.socket).request("GET", "/all.rss?x", &fields);
    let (out, _) = served.stop();
    let line: serde_json::Value = serde_json::from_str(out.trim()).unwrap();
    assert_eq!((&line["client"], &line["target"]), (&"192.0.2.7".into(), &"/all.rss?x".into()));
    assert_eq!((&line["status"], &line["user_agent"]), (&200.into(), &"a \"reader\"".into()));

    let served = Served::start(&work, &["--access-log", "common"], &[]);
    served.get("/all.rss");
    let (out, _) = served.stop();
    assert!(out.starts_with("unix: - - [") && out.contains("\"GET /all.rss HTTP/1.1\" 200 "), "{out}");
}

#[test]
fn codings_of_one_edition_agree_during_changes() {
    let work = Workspace::new();
    work.write("a.md", dated("Title", "One"));
    let daemon = work.serve();
    daemon.shows(&["Title"]);
    let mut connection = daemon.connect();
    let mut seen = std::collections::BTreeMap::new();
    let mut codings = ["identity", "gzip", "br"].into_iter().cycle();
    let check = || {
        let coding = codings.next().unwrap();
        let response = connection.request("GET", "/all.atom", &[("Accept-Encoding", coding)]);
        assert_eq!(response.status, 200);
        let body = response.decoded();
        // All codings of one hash have the same content.
        let hash: String = response.tag().chars().skip(1).take(32).collect();
        assert_eq!(seen.entry(hash).or_insert_with(|| body.clone()), &body);
        titles(&body);
    };
    meanwhile(check, || {
        for number in 0..30 {
            let title = format!("Title {number}");
            work.write("a.md", dated(&title, "One"));
            daemon.shows(&[&title]);
        }
    });
}

/// Sends these bytes, and returns the status line of the answer.
fn raw(daemon: &crate::support::Daemon, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(daemon.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let _ = stream.write_all(bytes);
    let mut line = String::new();
    let _ = BufReader::new(stream).read_line(&mut line);
    line.trim().to_owned()
}

#[test]
fn invalid_request_is_refused() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let daemon = work.serve();
    daemon.shows(&["A"]);
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(200));
    for (bytes, expected) in [
        (&b"GET /all.atom HTTP/1.0\r\n\r\n"[..], "HTTP/1.0 200 OK"),
        (b"GET /all.atom HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        (b"GET /all.atom HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 400 Bad Request",
        ),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 413 Payload Too Large"),
        (b"\x00\x01\x02\x03\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        (b"GET /\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        (long.as_bytes(), "HTTP/1.1 431 Request Header Fields Too Large"),
        (many.as_bytes(), "HTTP/1.1 431 Request Header Fields Too Large"),
    ] {
        assert_eq!(
            raw(&daemon, bytes),
            expected,
            "{:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(80)])
        );
    }
    daemon.shows(&["A"]);
}

#[test]
fn client_over_the_connection_limit_waits_for_a_permit() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let config = work.config_with(Settings { max_connections: Some("3".to_owned()), ..Settings::default() });
    let daemon = crate::support::Daemon::start(config);
    let mut silent: Vec<_> = (0..3).map(|_| daemon.connect()).collect();
    assert_eq!(silent[0].request("GET", "/all.atom", &[]).status, 200);
    // A fourth client waits until an idle connection is closed.
    let mut fourth = TcpStream::connect(daemon.address()).unwrap();
    fourth.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    fourth.write_all(b"GET /all.atom HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut line = String::new();
    BufReader::new(fourth).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "HTTP/1.1 200 OK");
}

#[test]
fn unread_access_log_delays_no_shutdown() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let mut served = Served::start(&work, &["--access-log", "common"], &[]);
    let mut connection = Connection::to_socket(&served.socket);
    // More lines than the pipe and the queue take.
    for _ in 0..100 {
        connection.send("HEAD /all.atom HTTP/1.1\r\nHost: a\r\n\r\n".repeat(110).as_bytes());
        for _ in 0..110 {
            assert_eq!(connection.answer("HEAD").status, 200);
        }
    }
    served.signal("-TERM");
    eventually("the server ends", || served.child.try_wait().unwrap().is_some());
}
