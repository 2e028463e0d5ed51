//! A hyper server with one fixed answer: the lower bound for sower in `benches/serve.sh`.
//!
//!     cargo run --release --example bare_hyper -- 127.0.0.1:8080 FILE
//!
//! Every path is the file, and a request with any entity tag gets 304, with the header fields that sower sends.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH, LAST_MODIFIED, VARY,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(file)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: bare_hyper ADDRESS FILE");
    };
    let body = Bytes::from(std::fs::read(file)?);
    let listener = tokio::net::TcpListener::bind(address).await?;
    let accepting = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let body = body.clone();
            let answer = service_fn(move |request| {
                let answer = answer(&request, &body);
                async { Ok::<_, Infallible>(answer) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    accepting.await?
}

fn answer(request: &Request<Incoming>, body: &Bytes) -> Response<Full<Bytes>> {
    let has_tag = request.headers().contains_key(IF_NONE_MATCH);
    let mut answer = Response::new(Full::new(if has_tag { Bytes::new() } else { body.clone() }));
    *answer.status_mut() = if has_tag { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let fields = answer.headers_mut();
    fields.insert(ETAG, HeaderValue::from_static("\"0123456789abcdef0123456789abcdef\""));
    fields.insert(VARY, HeaderValue::from_static("Accept-Encoding, Sec-Fetch-Dest"));
    fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    fields.insert(LAST_MODIFIED, HeaderValue::from_static("Mon, 01 Jan 2024 00:59:00 GMT"));
    let kept = "public, max-age=0, stale-while-revalidate=0, stale-if-error=86400";
    fields.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    answer
}
