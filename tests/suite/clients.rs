//! Many clients at once, over TCP: each gets the answers to its own requests, in order, whatever the others do.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use socket2::SockRef;

use crate::support::{Daemon, Response, Workspace, dated, read_answer, seed, titles};

/// The longest time for an answer. No answer takes this long unless it never comes.
const TIMEOUT: Duration = Duration::from_secs(60);

const TOPICS: usize = 16;
/// The number of topics with entries so long that their feeds do not fit into the buffers of a socket.
const LONG_TOPICS: usize = 2;
/// The `Accept-Encoding` of a client; the first means that it sends none.
const CODINGS: [&str; 4] = ["", "identity", "gzip", "br"];

fn write_seeds(work: &Workspace) {
    for topic in 0..TOPICS {
        for number in 0..4 {
            let title = format!("Entry {number} of {topic}");
            let date = format!("date: 2024-0{}-01\n", number + 1);
            let mut text = seed(&title, &format!("Topic {topic}"), &date);
            if topic < LONG_TOPICS {
                // Digits that no coding makes much shorter.
                let numbers =
                    (1..5_000_u64).map(|word| format!("{:x} ", word.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
                text.extend(numbers);
            }
            work.write(&format!("{topic}-{number}.md"), text);
        }
    }
    for number in 0..60 {
        work.write(&format!("more-{number}.md"), dated(&format!("More {number}"), "More"));
    }
}

/// Paths of feeds and pages, of selections and archives made on demand, of redirects, and of nothing.
fn paths() -> Vec<String> {
    let of_topic = |topic| {
        let name = format!("/topics/topic-{topic}");
        let page_file = format!("{name}/index.html");
        let query = format!("?any=topic-{topic}&limit=2");
        [
            format!("{name}.atom"),
            format!("{name}.rss"),
            format!("{name}.json"),
            name,
            page_file,
            format!("/all.atom{query}"),
            format!("/all.json{query}"),
        ]
    };
    let mut paths: Vec<_> = (0..TOPICS).flat_map(of_topic).collect();
    let others = [
        "/",
        "/all",
        "/all.rss",
        "/feeds.opml",
        "/all/2024-01.atom",
        "/all/2024-01.json",
        "/topics/more/2024-01.rss",
        "/all.rss?limit=50",
        "/all.rss?none=topic-1&type=video",
        "/all.rss?limit=many",
        "/nothing",
    ];
    paths.extend(others.map(str::to_owned));
    paths
}

/// A path, and the answer in each of [`CODINGS`].
struct Address {
    path: String,
    answers: [Response; CODINGS.len()],
}

/// A daemon over many seeds, and the answers that another one gave over the same seeds.
struct Site {
    daemon: Daemon,
    addresses: Vec<Address>,
    _work: Workspace,
}

impl Site {
    fn new() -> Self {
        let work = Workspace::new();
        write_seeds(&work);
        let config = work.config();
        let reference = Daemon::start(config.clone());
        let mut connection = reference.connect();
        let mut answers = |path: &str| {
            CODINGS.map(|coding| {
                let fields = [("Accept-Encoding", coding)];
                connection.request("GET", path, if coding.is_empty() { &[] } else { &fields })
            })
        };
        let addresses: Vec<_> =
            paths().into_iter().map(|path| Address { answers: answers(&path), path }).collect();
        check_distinct(&addresses);
        reference.stop();
        // Another one, which has made nothing on demand yet.
        Self { daemon: Daemon::start(config), addresses, _work: work }
    }
}

/// Checks that an answer shows by itself which address it belongs to.
fn check_distinct(addresses: &[Address]) {
    let mut paths_by_body = BTreeMap::new();
    for Address { path, answers } in addresses {
        let expected = match path {
            path if path.ends_with(".html") || path.ends_with("limit=50") => 301,
            path if path.ends_with("limit=many") => 400,
            path if path.contains("nothing") => 404,
            _ => 200,
        };
        for answer in answers {
            assert_eq!(answer.status, expected, "{path}");
            assert!(answer.decoded() == answers[0].body, "{path}");
        }
        let [plain, _, gzip, br] = answers;
        if expected == 200 {
            assert_eq!(
                (gzip.field("content-encoding"), br.field("content-encoding")),
                ("gzip", "br"),
                "{path}"
            );
            assert!(plain.tag() != gzip.tag() && gzip.tag() != br.tag(), "{path}");
        }
        let other = paths_by_body.insert((&plain.body, plain.field("location")), path);
        assert_eq!(other, None, "{path} has the same body");
    }
}

#[derive(Debug, Clone, Copy)]
enum Validator {
    Absent,
    /// The entity tag of the representation that is asked for.
    Own,
    /// The entity tag of the representation at another address.
    OfAnother(Index),
}

#[derive(Debug, Clone)]
struct Request {
    address: Index,
    is_head: bool,
    is_http_1_0: bool,
    /// An index into [`CODINGS`].
    coding: usize,
    validator: Validator,
    /// The number of empty lines before the request line (RFC 9112 §2.2).
    empty_lines: usize,
}

impl Request {
    fn method(&self) -> &'static str {
        if self.is_head { "HEAD" } else { "GET" }
    }

    fn expected<'a>(&self, site: &'a Site) -> &'a Response {
        &self.address.get(&site.addresses).answers[self.coding]
    }

    fn tag<'a>(&self, site: &'a Site) -> &'a str {
        match self.validator {
            Validator::Absent => "",
            Validator::Own => self.expected(site).field("etag"),
            Validator::OfAnother(other) => other.get(&site.addresses).answers[self.coding].field("etag"),
        }
    }

    /// The bytes of the request. The connection ends after its answer if it `closes`.
    fn bytes(&self, site: &Site, closes: bool) -> Vec<u8> {
        let (method, path) = (self.method(), &self.address.get(&site.addresses).path);
        let version = if self.is_http_1_0 { "1.0" } else { "1.1" };
        let mut head = "\r\n".repeat(self.empty_lines);
        head += &format!("{method} {path} HTTP/{version}\r\nHost: feeds.example.org\r\n");
        match (self.is_http_1_0, closes) {
            (true, false) => head += "Connection: keep-alive\r\n",
            (false, true) => head += "Connection: close\r\n",
            (true, true) | (false, false) => {}
        }
        for (name, value) in [("Accept-Encoding", CODINGS[self.coding]), ("If-None-Match", self.tag(site))] {
            if !value.is_empty() {
                head += &format!("{name}: {value}\r\n");
            }
        }
        (head + "\r\n").into_bytes()
    }

    /// Checks that this is the answer to this request.
    fn check(&self, site: &Site, answer: &Response) -> Result<(), String> {
        let expected = self.expected(site);
        let (tag, sent) = (expected.field("etag"), self.tag(site));
        let is_known = !tag.is_empty() && sent == tag;
        let status = if is_known { 304 } else { expected.status };
        let body = if is_known || self.is_head { &[][..] } else { &expected.body };
        let fields = |response: &Response| ["etag", "location"].map(|name| response.field(name).to_owned());
        let path = &self.address.get(&site.addresses).path;
        // A busy server may refuse what it makes on demand.
        let is_refused = answer.status == 503 && (path.contains('?') || path.contains("2024-"));
        let is_expected =
            answer.status == status && answer.body == body && fields(answer) == fields(expected);
        if is_expected || is_refused {
            return Ok(());
        }
        let Response { status: found, fields, .. } = answer;
        Err(format!(
            "{self:?}: the answer for {path} should be {status} with {tag}, and is {found} with {fields:?}"
        ))
    }
}

#[derive(Debug, Clone, Copy)]
enum Ending {
    /// Reads the answers, and closes the connection.
    Closes,
    /// Closes its own direction after sending, and reads until the server closes the other.
    HalfCloses,
    /// Reads some of the answers, and resets the connection.
    Resets(Index),
}

#[derive(Debug, Clone)]
struct Script {
    requests: Vec<Request>,
    /// Set if the last request asks the server to close the connection.
    last_closes: bool,
    /// The offsets at which the bytes are cut into pieces, each written by itself.
    cuts: Vec<Index>,
    /// The offset at which sending stops, if that is before the end of the last request.
    stops_at: Option<Index>,
    /// The most bytes that are read at a time; the client pauses in between.
    reads: Option<usize>,
    ending: Ending,
}

fn script() -> impl Strategy<Value = Script> {
    let validator = prop_oneof![
        2 => Just(Validator::Absent),
        1 => Just(Validator::Own),
        1 => any::<Index>().prop_map(Validator::OfAnother),
    ];
    let request = (
        any::<Index>(),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.3),
        0..CODINGS.len(),
        validator,
        prop_oneof![4 => Just(0), 1 => 1..3_usize],
    );
    let request = request.prop_map(|(address, is_head, is_http_1_0, coding, validator, empty_lines)| {
        Request { address, is_head, is_http_1_0, coding, validator, empty_lines }
    });
    let ending = prop_oneof![
        1 => Just(Ending::Closes),
        1 => Just(Ending::HalfCloses),
        1 => any::<Index>().prop_map(Ending::Resets),
    ];
    let script = (
        prop::collection::vec(request, 1..8),
        prop::bool::weighted(0.3),
        prop::collection::vec(any::<Index>(), 0..5),
        prop::option::weighted(0.2, any::<Index>()),
        prop::option::weighted(0.3, 1..5000_usize),
        ending,
    );
    script.prop_map(|(requests, last_closes, cuts, stops_at, reads, ending)| Script {
        requests,
        last_closes,
        cuts,
        stops_at,
        reads,
        ending,
    })
}

/// A stream that reads few bytes at a time, with a pause before each of the first reads.
struct Slow {
    stream: TcpStream,
    most: usize,
    pauses: u32,
}

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.pauses == 0 {
            return self.stream.read(buffer);
        }
        self.pauses -= 1;
        thread::sleep(Duration::from_millis(1));
        let most = self.most.min(buffer.len());
        self.stream.read(&mut buffer[..most])
    }
}

/// A connection that gives up after the timeout.
fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

/// Closes a connection with a reset instead of an orderly end.
fn reset(stream: TcpStream) -> io::Result<()> {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    drop(stream);
    Ok(())
}

/// Reads until the server closes, which it does without another byte.
fn read_end(stream: &mut impl BufRead) -> Result<(), String> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).map_err(|error| format!("the connection does not end: {error}"))?;
    if rest.is_empty() {
        return Ok(());
    }
    Err(format!("{} bytes after the last answer: {:?}", rest.len(), String::from_utf8_lossy(&rest)))
}

/// Plays one client, and checks each answer.
fn play(site: &Site, script: &Script) -> Result<(), String> {
    let last = script.requests.len() - 1;
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for (place, request) in script.requests.iter().enumerate() {
        bytes.extend(request.bytes(site, script.last_closes && place == last));
        ends.push(bytes.len());
    }
    let is_cut_short = script.stops_at.is_some();
    if let Some(stop) = script.stops_at {
        bytes.truncate(stop.index(bytes.len()));
    }
    let complete = ends.iter().filter(|end| **end <= bytes.len()).count();
    let is_closed = script.last_closes && !is_cut_short;

    let mut cuts: Vec<_> = script.cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    let mut stream = connect(site.daemon.address()).map_err(|error| format!("cannot connect: {error}"))?;
    for piece in cuts.windows(2) {
        stream.write_all(&bytes[piece[0]..piece[1]]).map_err(|error| format!("cannot write: {error}"))?;
        thread::yield_now();
    }
    if matches!(script.ending, Ending::HalfCloses) {
        stream.shutdown(Shutdown::Write).map_err(|error| format!("cannot shut down: {error}"))?;
    }

    let slow = Slow {
        stream,
        most: script.reads.unwrap_or(usize::MAX),
        pauses: if script.reads.is_some() { 30 } else { 0 },
    };
    let mut reader = BufReader::new(slow);
    let reads = match script.ending {
        Ending::Resets(after) => after.index(complete + 1),
        Ending::Closes | Ending::HalfCloses => complete,
    };
    for request in &script.requests[..reads] {
        let answer = read_answer(&mut reader, request.method())
            .map_err(|error| format!("{request:?}: no answer: {error}"))?;
        request.check(site, &answer)?;
    }
    match script.ending {
        Ending::Resets(_) => {
            reset(reader.into_inner().stream).map_err(|error| format!("cannot reset: {error}"))
        }
        Ending::HalfCloses => read_end(&mut reader),
        Ending::Closes if is_closed => read_end(&mut reader),
        Ending::Closes => Ok(()),
    }
}

#[test]
fn each_client_gets_the_answers_to_its_own_requests() {
    let site = &Site::new();
    let config =
        ProptestConfig { cases: 40, max_shrink_iters: 100, failure_persistence: None, ..Default::default() };
    let result = TestRunner::new(config).run(&prop::collection::vec(script(), 2..16), |scripts| {
        let played: Vec<_> = thread::scope(|scope| {
            let play = |script| scope.spawn(move || play(site, script));
            let clients: Vec<_> = scripts.iter().map(play).collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        played.into_iter().collect::<Result<(), _>>().map_err(TestCaseError::fail)
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// A request for a feed that keeps the connection open.
fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: feeds.example.org\r\n\r\n")
}

/// A daemon with two feeds of one entry each, and a long one.
fn serve() -> (Workspace, Daemon) {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    work.write("b.md", dated("B", "Two"));
    for number in 0..20 {
        work.write(&format!("{number}.md"), dated(&format!("{number}"), "Long") + &"word ".repeat(20_000));
    }
    let daemon = work.serve();
    assert_eq!(daemon.titles("/topics/long.atom").len(), 20);
    (work, daemon)
}

#[test]
fn half_closed_client_gets_its_answer() {
    let (_work, daemon) = serve();
    // Published, in a coding made on demand, a selection made on demand, and both.
    for (path, coding) in [
        ("/topics/one.atom", "identity"),
        ("/topics/one.atom", "gzip"),
        ("/all.atom?any=one", "identity"),
        ("/all.atom?any=one&limit=2", "gzip"),
    ] {
        let mut stream = connect(daemon.address()).unwrap();
        let fields = format!("Host: feeds.example.org\r\nAccept-Encoding: {coding}\r\n");
        stream.write_all(format!("GET {path} HTTP/1.1\r\n{fields}\r\n").as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut reader = BufReader::new(stream);
        let answer = read_answer(&mut reader, "GET").unwrap();
        assert_eq!(
            (answer.status, titles(&answer.decoded())),
            (200, vec!["A".to_owned()]),
            "{path} {coding}"
        );
        assert_eq!(answer.field("content-encoding"), coding.replace("identity", ""), "{path}");
        read_end(&mut reader).unwrap();
    }
}

#[test]
fn reset_client_disturbs_no_other() {
    let (_work, daemon) = serve();
    let mut other = BufReader::new(connect(daemon.address()).unwrap());
    let mut check_other = || {
        for (path, title) in [("/topics/one.atom", "A"), ("/topics/two.rss", "B")] {
            other.get_mut().write_all(request(path).as_bytes()).unwrap();
            assert_eq!(titles(&read_answer(&mut other, "GET").unwrap().body), [title]);
        }
    };
    check_other();
    for sent in [
        // Within a request, before an answer made on demand, and within a long answer.
        "GET /topics/two.atom HTTP/1.1\r\nHo".to_owned(),
        request("/all.atom?any=two"),
        request("/topics/long.rss").repeat(4),
    ] {
        let mut stream = connect(daemon.address()).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        if sent.contains("long") {
            stream.read_exact(&mut [0; 1000]).unwrap();
        }
        reset(stream).unwrap();
        check_other();
    }
    assert_eq!(daemon.titles("/topics/two.atom"), ["B"]);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (_work, daemon) = serve();
    let paths = [
        "/topics/one.atom",
        "/all.atom?any=two",
        "/nothing",
        "/topics/two.rss",
        "/topics/long.json",
        "/all.json",
    ];
    let expected = paths.map(|path| daemon.get(path));
    let mut stream = connect(daemon.address()).unwrap();
    stream.write_all(paths.map(request).concat().repeat(3).as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    for (path, expected) in paths.iter().zip(&expected).cycle().take(3 * paths.len()) {
        let answer = read_answer(&mut reader, "GET").unwrap();
        assert_eq!(
            (answer.status, answer.field("etag")),
            (expected.status, expected.field("etag")),
            "{path}"
        );
        assert!(answer.body == expected.body, "{path}");
    }
}

#[test]
fn connection_survives_empty_lines_between_requests() {
    let (_work, daemon) = serve();
    let mut reader = BufReader::new(connect(daemon.address()).unwrap());
    for (path, title) in [("/topics/one.atom", "A"), ("/topics/two.atom", "B")] {
        for lines in ["", "\r\n", "\r\n\r\n"] {
            reader.get_mut().write_all(format!("{lines}{}", request(path)).as_bytes()).unwrap();
            assert_eq!(titles(&read_answer(&mut reader, "GET").unwrap().body), [title], "{lines:?}");
        }
    }
}

#[test]
fn http_1_0_client_gets_its_answer() {
    let (_work, daemon) = serve();
    let connect = || BufReader::new(connect(daemon.address()).unwrap());
    let mut alone = connect();
    alone.get_mut().write_all(b"GET /topics/one.atom HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(titles(&read_answer(&mut alone, "GET").unwrap().body), ["A"]);
    read_end(&mut alone).unwrap();
    let mut kept_alive = connect();
    for (path, title) in [("/topics/one.atom", "A"), ("/topics/two.atom", "B")] {
        let request = format!("GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        kept_alive.get_mut().write_all(request.as_bytes()).unwrap();
        let answer = read_answer(&mut kept_alive, "GET").unwrap();
        assert_eq!(titles(&answer.body), [title]);
        assert_eq!(answer.field("connection").to_ascii_lowercase(), "keep-alive");
    }
}
