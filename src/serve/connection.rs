//! One connection: requests in, answers out.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use hyper::StatusCode;
use tokio::runtime::Handle;
use tracing::debug;

use super::Answers;
use super::room::Place;
use super::speaker::{Caller, Speakers};

/// The status that hyper answers with, if a connection ended since what came was no request.
fn unread(error: &hyper::Error) -> Option<StatusCode> {
    if error.is_parse_too_large() {
        // A target that is too long for hyper is longer than any head may be.
        return Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    // Who speaks HTTP/2 gets no answer.
    (error.is_parse() && !error.is_parse_version_h2()).then_some(StatusCode::BAD_REQUEST)
}

/// Waits until this task is woken, which others see to.
async fn woken() {
    let mut asleep = true;
    poll_fn(|_| if std::mem::take(&mut asleep) { Poll::Pending } else { Poll::Ready(()) }).await;
}

/// Answers the requests of a connection until it ends, or the room is closed. One that stays goes on with a keeper.
///
/// One that waits for its next request holds nothing but its socket and its clock: a speaker is lent to it whenever
/// something may have come, until it rests. What is left of a connection is in none of the caches when it is woken, so
/// it is kept small, and what it seldom looks at is boxed.
pub(super) async fn converse<A: Answers>(place: Place, mut caller: Box<Caller>, speakers: Arc<Speakers<A>>) {
    if caller.is_kept() {
        // What came on the way is known once this runtime's driver was polled, which it is before this goes on.
        tokio::task::yield_now().await;
    }
    let room = place.room();
    let (mut closes, mut listening) = (Box::pin(room.closes()), false);
    // Registered once and not at every poll, which would take a lock each time.
    let mut closing = |cx: &mut Context<'_>| {
        let is_closing = room.is_closing() || (!listening && closes.as_mut().poll(cx).is_ready());
        listening = true;
        is_closing
    };
    loop {
        let (mut speaker, mut told) = (speakers.lend(caller), false);
        let parted = poll_fn(|cx| {
            loop {
                let is_closing = closing(cx);
                if let Poll::Ready(ended) = speaker.poll(cx) {
                    return Poll::Ready(Err(ended));
                }
                if told {
                    return Poll::Pending;
                }
                // What has come already is answered first, which hyper does a few requests at a time.
                told = is_closing && speaker.gives_the_last();
                if !told {
                    return speaker.part().map_or(Poll::Pending, |caller| Poll::Ready(Ok(caller)));
                }
                speaker.end_soon();
            }
        });
        caller = match parted.await {
            Ok(caller) => caller,
            Err(Ok(())) => return,
            Err(Err(error)) => {
                debug!("a connection ended early: {error}");
                if let Some(status) = unread(&error) {
                    speakers.answers().note_unread(status, speaker.peer(), SystemTime::now());
                }
                return;
            }
        };
        speakers.take_back(speaker, &mut caller);
        if caller.has_begun() {
            continue;
        }
        if caller.has_left() || room.is_closing() {
            return;
        }
        if caller.stays()
            && let Some(keeper) = speakers.keepers().next()
        {
            drop(closes);
            return keep(place, *caller, speakers.clone(), keeper);
        }
        // By the read that found nothing, by the clock, or when the room is closed.
        woken().await;
    }
}

/// Has a keeper go on with a connection that rests.
fn keep<A: Answers>(place: Place, caller: Caller, speakers: Arc<Speakers<A>>, keeper: &Handle) {
    let moved = {
        let _entered = keeper.enter();
        caller.move_here()
    };
    match moved {
        Ok(caller) => drop(keeper.spawn(converse(place, Box::new(caller), speakers))),
        Err(error) => debug!("a connection was lost on its way to a keeper: {error}"),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use bytes::Bytes;
    use hyper::{Method, Request, Response};
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;
    use tokio::sync::Semaphore;

    use super::super::client::Peer;
    use super::super::keepers::Keepers;
    use super::super::listener::Socket;
    use super::super::room::Room;
    use super::super::{Answering, speaker};
    use super::*;

    /// Answers with the path that is asked for; with that of `/late` only when it is allowed to, and with more than
    /// fits into any buffer at `/large`.
    struct Echo {
        late: Semaphore,
    }

    const LARGE: usize = 1 << 20;

    impl Answers for Echo {
        fn answer(self: &Arc<Self>, request: Request<()>, _: Peer, _: SystemTime) -> Answering {
            let path = request.uri().path().to_owned();
            let answer = |body: Vec<u8>| Response::new(Bytes::from(body).into());
            match &*path {
                "/late" => {
                    let echo = self.clone();
                    Answering::making(async move {
                        echo.late.acquire().await.unwrap().forget();
                        answer(path.into())
                    })
                }
                "/large" => Answering::there(answer(vec![b'x'; LARGE])),
                "/broken" => panic!("a test has it panic"),
                "/thread" => Answering::there(answer(this_thread().into())),
                _ if request.method() == Method::CONNECT => {
                    let mut refused = answer(path.into());
                    *refused.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
                    Answering::there(refused)
                }
                _ => Answering::there(answer(path.into())),
            }
        }

        fn note_unread(&self, _: StatusCode, _: Peer, _: SystemTime) {}
    }

    /// This thread's number and name.
    fn this_thread() -> String {
        let thread = thread::current();
        format!("{:?} {}", thread.id(), thread.name().unwrap_or_default())
    }

    /// The other end of a connection.
    struct Far {
        stream: UnixStream,
        room: Arc<Room>,
        speakers: Arc<Speakers>,
        conversation: tokio::task::JoinHandle<()>,
    }

    type Speakers = speaker::Speakers<Echo>;

    fn speakers() -> Arc<Speakers> {
        speakers_beside(Keepers::default())
    }

    fn speakers_beside(keepers: Keepers) -> Arc<Speakers> {
        Arc::new(Speakers::new(Arc::new(Echo { late: Semaphore::new(0) }), Arc::new(keepers)))
    }

    /// A connection, alone with its speakers.
    async fn connect() -> Far {
        connect_to(&speakers()).await
    }

    async fn connect_to(speakers: &Arc<Speakers>) -> Far {
        let (near, stream) = UnixStream::pair().unwrap();
        let room = Arc::new(Room::new(1000));
        let place = room.take().await;
        let conversation = tokio::spawn(converse(
            place,
            Box::new(Caller::new(Socket::Unix(near), None, room.clone())),
            speakers.clone(),
        ));
        Far { stream, room, speakers: speakers.clone(), conversation }
    }

    /// Has what was sent be read.
    async fn is_read() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    async fn within<T>(time: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(200), time).await.expect("in time")
    }

    fn request(path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
    }

    /// Reads an answer, and tells its body.
    async fn one_answer(far: &mut UnixStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within(far.read_u8()).await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut read = vec![0; length.unwrap().parse().unwrap()];
        within(far.read_exact(&mut read)).await.unwrap();
        String::from_utf8(read).unwrap()
    }

    /// Reads an answer, with this in its body.
    async fn answered(far: &mut UnixStream, body: &str) {
        let found = one_answer(far).await;
        assert!(found == body, "{found:.100}");
    }

    /// What is still answered until the connection ends.
    async fn rest(mut far: Far) -> String {
        let mut rest = String::new();
        within(far.stream.read_to_string(&mut rest)).await.unwrap();
        within(far.conversation).await.unwrap();
        rest
    }

    #[tokio::test]
    async fn wherever_requests_are_cut_each_is_answered_in_its_turn() {
        let (one, two) = (request("/one"), request("/two"));
        let both = format!("{one}{two}");
        let mut far = connect().await;
        for cut in 1..both.len() {
            far.stream.write_all(&both.as_bytes()[..cut]).await.unwrap();
            if cut >= one.len() {
                answered(&mut far.stream, "/one").await;
            }
            is_read().await;
            far.stream.write_all(&both.as_bytes()[cut..]).await.unwrap();
            if cut < one.len() {
                answered(&mut far.stream, "/one").await;
            }
            answered(&mut far.stream, "/two").await;
        }
    }

    #[tokio::test]
    async fn whatever_looks_like_the_end_of_a_request_the_next_is_answered_too() {
        let (one, two) = (request("/one"), request("/two"));
        for sent in [
            // Empty lines before a request (RFC 9112 §2.2).
            format!("{one}\r\n"),
            format!("{one}\r\n\r\n"),
            // Lines that end as on Unix.
            one.replace("\r\n", "\n"),
            "OPTIONS /one HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\r\n\r\n".to_owned(),
        ] {
            let mut far = connect().await;
            for cut in 0..two.len() {
                far.stream.write_all(format!("{sent}{}", &two[..cut]).as_bytes()).await.unwrap();
                answered(&mut far.stream, "/one").await;
                is_read().await;
                far.stream.write_all(&two.as_bytes()[cut..]).await.unwrap();
                answered(&mut far.stream, "/two").await;
            }
        }
    }

    #[tokio::test]
    async fn however_much_is_asked_for_at_once_all_of_it_is_answered() {
        for first in [40, 8150] {
            let mut far = connect().await;
            let head = format!("GET /first HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(first));
            let requests = (0..600).map(|number| request(&format!("/{number}")));
            let sent = head + &requests.collect::<String>();
            let (mut read, mut write) = far.stream.split();
            let answers = async {
                let mut answers = String::new();
                while !answers.ends_with("/599") {
                    let mut some = [0; 4096];
                    let length = read.read(&mut some).await.unwrap();
                    assert!(length > 0, "{answers}");
                    answers.push_str(std::str::from_utf8(&some[..length]).unwrap());
                }
                answers
            };
            let (sent, answers) =
                within(Box::pin(async { tokio::join!(write.write_all(sent.as_bytes()), answers) })).await;
            sent.unwrap();
            let bodies =
                answers.split("HTTP/1.1 200 OK").skip(1).map(|answer| answer.split("\r\n\r\n").nth(1));
            let expected =
                ["/first".to_owned()].into_iter().chain((0..600).map(|number| format!("/{number}")));
            assert!(bodies.eq(expected.collect::<Vec<_>>().iter().map(|path| Some(&**path))), "{answers}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_asked_for_much_at_once_has_a_deadline_too() {
        let mut far = connect().await;
        far.stream.write_all(request("/").repeat(200).as_bytes()).await.unwrap();
        let rest = rest(far).await;
        assert_eq!(rest.matches("HTTP/1.1 200").count(), 200);
    }

    #[tokio::test]
    async fn what_is_asked_for_before_a_large_answer_was_read_is_answered_when_it_can_be() {
        let mut far = connect().await;
        for _ in 0..3 {
            let requests = ["/large", "/late", "/one"].map(request).concat();
            far.stream.write_all(requests.as_bytes()).await.unwrap();
            answered(&mut far.stream, &"x".repeat(LARGE)).await;
            is_read().await;
            far.speakers.answers().late.add_permits(1);
            answered(&mut far.stream, "/late").await;
            answered(&mut far.stream, "/one").await;
        }
    }

    #[tokio::test]
    async fn what_is_asked_for_after_another_is_answered_though_it_takes_time() {
        let mut far = connect().await;
        far.stream.write_all(["/one", "/late"].map(request).concat().as_bytes()).await.unwrap();
        answered(&mut far.stream, "/one").await;
        is_read().await;
        far.speakers.answers().late.add_permits(1);
        answered(&mut far.stream, "/late").await;
    }

    #[tokio::test]
    async fn who_wants_no_other_answer_gets_no_other() {
        for last in [
            "GET /two HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "GET /two HTTP/1.0\r\n\r\n",
            "POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nGET /three HTTP/1.1\r\nHost: a\r\n\r\n",
            "OPTIONS /two HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n\r\n\r\n",
        ] {
            let mut far = connect().await;
            far.stream.write_all(request("/one").as_bytes()).await.unwrap();
            answered(&mut far.stream, "/one").await;
            far.stream.write_all(last.as_bytes()).await.unwrap();
            let rest = rest(far).await;
            assert!(rest.ends_with("\r\n\r\n/two"), "{rest}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_goes_on_asking_is_kept_by_one_thread_until_that_ends() {
        let (keepers, keeping) = Keepers::start();
        let speakers = speakers_beside(keepers);
        let (mut fars, mut kept_by) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let Far { mut stream, conversation, .. } = connect_to(&speakers).await;
            let ask = async |stream: &mut UnixStream| {
                stream.write_all(request("/thread").as_bytes()).await.unwrap();
                one_answer(stream).await
            };
            for _ in 0..speaker::STAYS {
                let thread = ask(&mut stream).await;
                assert!(!thread.ends_with(" keeper"), "{thread}");
            }
            // From there on it lasts by itself.
            within(conversation).await.unwrap();
            let keeper = ask(&mut stream).await;
            assert!(keeper.ends_with(" keeper"), "{keeper}");
            for _ in 0..40 {
                assert_eq!(ask(&mut stream).await, keeper);
            }
            kept_by.push(keeper);
            fars.push(stream);
        }
        assert!(kept_by[0] != kept_by[1] && kept_by[0] == kept_by[2], "{kept_by:?}");
        drop(keeping);
        for mut far in fars {
            assert_eq!(within(far.read(&mut [0])).await.unwrap(), 0);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_has_come_before_the_room_is_closed_is_answered_by_a_keeper_that_was_busy_too() {
        let (keepers, _keeping) = Keepers::start();
        let busy = [(); 2].map(|()| {
            let (free, freed) = std::sync::mpsc::channel::<()>();
            keepers.next().unwrap().spawn(async move { freed.recv() });
            free
        });
        let mut far = connect_to(&speakers_beside(keepers)).await;
        for _ in 0..speaker::STAYS {
            far.stream.write_all(request("/one").as_bytes()).await.unwrap();
            answered(&mut far.stream, "/one").await;
        }
        within(far.conversation).await.unwrap();
        far.stream.write_all(request("/two").as_bytes()).await.unwrap();
        far.room.close(Duration::ZERO).await;
        drop(busy);
        answered(&mut far.stream, "/two").await;
        assert_eq!(within(far.stream.read(&mut [0])).await.unwrap(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whatever_is_asked_while_a_connection_is_moved_is_answered() {
        let (keepers, _keeping) = Keepers::start();
        let speakers = speakers_beside(keepers);
        let stays = usize::from(speaker::STAYS);
        for asked in [stays - 1, stays, stays + 1, 3 * stays] {
            for is_begun in [false, true] {
                for ends in [false, true] {
                    let mut far = connect_to(&speakers).await;
                    let requests = request("/one").repeat(asked);
                    let (now, then) = requests.split_at(requests.len() - if is_begun { 20 } else { 0 });
                    far.stream.write_all(now.as_bytes()).await.unwrap();
                    for _ in 0..asked - usize::from(is_begun) {
                        answered(&mut far.stream, "/one").await;
                    }
                    far.stream.write_all(format!("{then}{}", request("/two")).as_bytes()).await.unwrap();
                    if ends {
                        far.stream.shutdown().await.unwrap();
                    }
                    if is_begun {
                        answered(&mut far.stream, "/one").await;
                    }
                    answered(&mut far.stream, "/two").await;
                    if !ends {
                        far.room.close(Duration::ZERO).await;
                    }
                    // Sooner than it would go by itself.
                    let left = tokio::time::timeout(Duration::from_secs(60), far.stream.read(&mut [0])).await;
                    assert_eq!(left.unwrap().unwrap(), 0);
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_when_the_room_is_closed_leaves_at_once() {
        for answers in 0..3 {
            let mut far = connect().await;
            for _ in 0..answers {
                far.stream.write_all(request("/one").as_bytes()).await.unwrap();
                answered(&mut far.stream, "/one").await;
            }
            is_read().await;
            let began = tokio::time::Instant::now();
            far.room.close(Duration::ZERO).await;
            far.conversation.await.unwrap();
            assert_eq!(began.elapsed(), Duration::ZERO, "after {answers} answers");
        }
    }

    #[tokio::test]
    async fn what_has_come_before_the_room_is_closed_is_answered() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let room = Arc::new(Room::new(1000));
        let place = room.take().await;
        far.write_all(request("/one").repeat(100).as_bytes()).await.unwrap();
        near.readable().await.unwrap();
        room.close(Duration::ZERO).await;
        within(converse(place, Box::new(Caller::new(Socket::Unix(near), None, room.clone())), speakers()))
            .await;
        let mut answers = String::new();
        far.read_to_string(&mut answers).await.unwrap();
        assert_eq!(answers.matches("\r\n\r\n/one").count(), 100, "{answers}");
    }

    /// What a caller says, and where that is cut.
    type Said = (Vec<&'static str>, prop::sample::Index);

    /// What a caller may say. Each asks for paths of its own.
    fn said() -> impl Strategy<Value = Said> {
        const PLAIN: &str = "GET {} HTTP/1.1\r\nHost: a\r\n\r\n";
        let one = prop_oneof![
            6 => Just(PLAIN),
            1 => prop::sample::select(vec![
                "GET /late HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET {} HT",
                "TP/1.1\r\nHost: a\r\n\r\n",
                "HEAD {} HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET {} HTTP/1.1\nHost: a\n\n",
                "GET {} HTTP/1.0\r\n\r\n",
                "GET {} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                "GET {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                "GET {} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
                "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET {} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
                "POST {} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
                "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n",
                "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 400\r\n\r\n\r\n\r\n",
                "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                "0\r\n\r\n",
                "\r\n",
                "\r\n\r\n",
                "\n\n",
                "GET nothing\r\n\r\n",
                "\0",
            ]),
        ];
        (prop::collection::vec(one, 1..4), any::<prop::sample::Index>())
    }

    /// What is answered to callers who say one thing after another, each in their turn, and then hang up.
    async fn answers(callers: &[(usize, &[Said])], turns: &[usize]) -> Vec<String> {
        let (speakers, mut fars) = (speakers(), Vec::new());
        speakers.answers().late.add_permits(1000);
        for _ in callers {
            fars.push(connect_to(&speakers).await);
        }
        let mut sayings: Vec<_> = callers.iter().map(|(_, sayings)| sayings.iter().enumerate()).collect();
        for turn in turns {
            let place = turn % callers.len();
            let Some((number, (saying, cut))) = sayings[place].next() else { continue };
            let path = |(part, text): (usize, &&str)| {
                text.replace("{}", &format!("/caller-{}/{number}/{part}", callers[place].0))
            };
            let said: String = saying.iter().enumerate().map(path).collect();
            for part in <[&str; 2]>::from(said.split_at(cut.index(said.len()))) {
                // Whoever was sent away cannot say more.
                let _ = fars[place].stream.write_all(part.as_bytes()).await;
                is_read().await;
            }
        }
        let mut answers = Vec::new();
        for far in &mut fars {
            let _ = far.stream.shutdown().await;
            let mut answered = Vec::new();
            let _ = within(far.stream.read_to_end(&mut answered)).await;
            let answered = String::from_utf8(answered).unwrap();
            answers.push(answered.lines().filter(|line| !line.starts_with("date: ")).collect());
        }
        answers
    }

    #[tokio::test]
    async fn only_after_plain_callers_a_speaker_speaks_for_others() {
        for (said, spare) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1),
            ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 1),
            ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 0),
            ("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", 0),
            ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 0),
            ("GET / HTTP/1.1\nHost: a\n\n", 0),
            ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n", 0),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET", 0),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\r\n\r\n", 0),
            ("GET / HTTP/1.1\r\nHost: a\r\n", 0),
        ] {
            let mut far = connect().await;
            far.stream.write_all(said.as_bytes()).await.unwrap();
            is_read().await;
            assert_eq!(far.speakers.count_spare(), spare, "{said:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_leaves_between_requests_leaves_the_speaker_to_others() {
        for (asks, hangs_up) in [(0, true), (0, false), (2, true), (2, false)] {
            let mut far = connect().await;
            for _ in 0..asks {
                far.stream.write_all(request("/one").as_bytes()).await.unwrap();
                answered(&mut far.stream, "/one").await;
            }
            if hangs_up {
                far.stream.shutdown().await.unwrap();
            }
            let speakers = far.speakers.clone();
            assert_eq!(rest(far).await, "");
            assert_eq!(speakers.count_spare(), 1, "{asks} {hangs_up}");
        }
    }

    #[tokio::test]
    async fn who_ends_its_half_after_asking_is_answered() {
        let asked = |paths: &[&str]| paths.iter().map(|path| request(path)).collect::<String>();
        for paths in [&["/one"][..], &["/late"], &["/one", "/late"], &["/late", "/one"], &["/late", "/large"]]
        {
            for (is_read_before, closes) in [(true, false), (false, false), (true, true)] {
                let mut far = connect().await;
                far.stream.write_all(asked(paths).as_bytes()).await.unwrap();
                if is_read_before {
                    is_read().await;
                }
                far.stream.shutdown().await.unwrap();
                is_read().await;
                let room = far.room.clone();
                let closed =
                    tokio::spawn(async move { !closes || room.close(Duration::from_secs(200)).await });
                is_read().await;
                far.speakers.answers().late.add_permits(1);
                let answers = rest(far).await;
                assert_eq!(answers.matches("HTTP/1.1 200").count(), paths.len(), "{paths:?}");
                assert!(within(closed).await.unwrap());
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_being_made_has_a_deadline_whatever_its_caller_does() {
        for (paths, ends) in [
            (&["/late"][..], false),
            (&["/late"], true),
            (&["/one", "/late"], false),
            (&["/one", "/late"], true),
            (&["/late", "/one"], false),
            (&["/late", "/one"], true),
        ] {
            let mut far = connect().await;
            let asked: String = paths.iter().map(|path| request(path)).collect();
            far.stream.write_all(asked.as_bytes()).await.unwrap();
            is_read().await;
            if ends {
                far.stream.shutdown().await.unwrap();
            }
            let answers = rest(far).await;
            let before = paths.iter().take_while(|path| **path != "/late").count();
            assert_eq!(answers.matches("HTTP/1.1 200").count(), before, "{paths:?} {ends}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_made_any_more_for_whoever_broke_off() {
        let Far { mut stream, conversation, .. } = connect().await;
        stream.write_all(["/one", "/late"].map(request).concat().as_bytes()).await.unwrap();
        is_read().await;
        let began = tokio::time::Instant::now();
        // With an answer that nobody has read, the other end finds it broken off.
        drop(stream);
        within(conversation).await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_for_what_panics_is_sent_away_and_nobody_else() {
        let (mut far, mut read) = (connect().await, String::new());
        let mut other = connect_to(&far.speakers).await;
        far.stream.write_all(request("/broken").as_bytes()).await.unwrap();
        let began = tokio::time::Instant::now();
        within(far.stream.read_to_string(&mut read)).await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(read.is_empty() && far.conversation.await.unwrap_err().is_panic());
        other.stream.write_all(request("/one").as_bytes()).await.unwrap();
        answered(&mut other.stream, "/one").await;
    }

    #[tokio::test]
    async fn whoever_hangs_up_within_a_request_is_left_too() {
        let one = request("/one");
        for (sent, expected) in [(&one[..20], 0), (&*format!("{one}{}", &one[..20]), 1), (&*one.repeat(2), 2)]
        {
            let mut far = connect().await;
            far.stream.write_all(sent.as_bytes()).await.unwrap();
            far.stream.shutdown().await.unwrap();
            assert_eq!(rest(far).await.matches("\r\n\r\n/one").count(), expected, "{sent:?}");
        }
    }

    #[tokio::test]
    async fn a_head_that_has_begun_behind_another_request_is_waited_for() {
        for first in ["/late", "/large"] {
            let (one, mut far) = (request("/one"), connect().await);
            far.stream.write_all(format!("{}{}", request(first), &one[..20]).as_bytes()).await.unwrap();
            is_read().await;
            let room = far.room.clone();
            let closed = tokio::spawn(async move { room.close(Duration::from_secs(200)).await });
            is_read().await;
            far.speakers.answers().late.add_permits(1);
            let body = if first == "/large" { "x".repeat(LARGE) } else { first.to_owned() };
            answered(&mut far.stream, &body).await;
            is_read().await;
            far.stream.write_all(&one.as_bytes()[20..]).await.unwrap();
            answered(&mut far.stream, "/one").await;
            assert!(within(closed).await.unwrap());
        }
    }

    #[tokio::test]
    async fn whatever_a_speaker_did_before_a_head_that_has_begun_is_waited_for() {
        let (one, speakers, mut others) = (request("/one"), speakers(), Vec::new());
        for _ in 0..2 {
            let mut far = connect_to(&speakers).await;
            far.stream.write_all(&one.as_bytes()[..20]).await.unwrap();
            is_read().await;
            let room = far.room.clone();
            let closed = tokio::spawn(async move { room.close(Duration::from_secs(200)).await });
            is_read().await;
            far.stream.write_all(&one.as_bytes()[20..]).await.unwrap();
            answered(&mut far.stream, "/one").await;
            assert!(within(closed).await.unwrap());
            let mut other = connect_to(&speakers).await;
            other.stream.write_all(one.as_bytes()).await.unwrap();
            answered(&mut other.stream, "/one").await;
            is_read().await;
            assert_eq!(speakers.count_spare(), 1);
            // Hanging up would end its speaker.
            others.push(other);
        }
    }

    proptest! {
        /// Callers share what reads and writes for them, but nothing of what was read and written.
        #[test]
        fn each_caller_is_answered_as_if_alone(
            callers in prop::collection::vec(prop::collection::vec(said(), 1..6), 2..6),
            turns in prop::collection::vec(0..60_usize, 30),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let callers: Vec<_> = callers.iter().map(Vec::as_slice).enumerate().collect();
            let together = runtime.block_on(answers(&callers, &turns));
            for (place, answered) in together.into_iter().enumerate() {
                let own = turns.iter().filter(|turn| *turn % callers.len() == place).map(|_| 0);
                let alone = runtime.block_on(answers(&callers[place..=place], &own.collect::<Vec<_>>()));
                prop_assert_eq!(answered, &*alone[0]);
            }
        }
    }
}
