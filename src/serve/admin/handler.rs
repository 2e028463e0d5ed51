//! The handler of the admin listener.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Request, Response, StatusCode};

use super::health::Monitor;
use super::status::{self, View};
use super::{dashboard, metrics};
use crate::render::Format;
use crate::serve::client::Client;
use crate::serve::connection::Handler;
use crate::serve::connection_limit::ConnectionLimit;
use crate::serve::handler::Site;
use crate::serve::response;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The handler of the admin listener. Until the first edition is served, it knows only that the process is alive.
#[derive(Default)]
pub(in crate::serve) struct Admin {
    view: OnceLock<View>,
}

struct Page {
    status: StatusCode,
    media_type: &'static str,
    text: String,
}

impl Page {
    fn ok(media_type: &'static str, text: String) -> Self {
        Self { status: StatusCode::OK, media_type, text }
    }

    fn error(status: StatusCode, text: String) -> Self {
        Self { status, media_type: TEXT, text }
    }
}

impl Handler for Admin {
    async fn handle(
        &self,
        request: Request<()>,
        _: Client,
        now: SystemTime,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        if let Some(response) = response::early_response(&request) {
            return Ok(response);
        }
        let Page { status, media_type, text } = self.page(request.uri().path()).await;
        let mut response = Response::new(Full::new(text.into()));
        *response.status_mut() = status;
        let head = response.headers_mut();
        head.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        head.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        head.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        head.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(dashboard::POLICY));
        head.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response::date_after_set_back(&mut response, now);
        Ok(response)
    }

    fn note_invalid_request(&self, _: StatusCode, _: Client, _: SystemTime) {}
}

impl Admin {
    /// Sets the site to report on.
    pub(in crate::serve) fn show(
        &self,
        site: Arc<Site>,
        connections: Arc<ConnectionLimit>,
        monitor: Arc<Monitor>,
    ) {
        let _ = self.view.set(View { site, connections, monitor });
    }

    async fn page(&self, path: &str) -> Page {
        let view = match (path, self.view.get()) {
            ("/healthz", _) => return Page::ok(TEXT, "ok\n".to_owned()),
            (_, None) => {
                let text = "the seeds are still being read\n";
                return Page::error(StatusCode::SERVICE_UNAVAILABLE, text.to_owned());
            }
            (_, Some(view)) => view,
        };
        match path {
            "/" => blocking(view, Format::Html.media_type(), dashboard::page).await,
            dashboard::STYLE => Page::ok(CSS, dashboard::style(view)),
            dashboard::SCRIPT => Page::ok(JAVASCRIPT, dashboard::SCRIPT_TEXT.to_owned()),
            "/readyz" => readiness(view),
            "/metrics" => blocking(view, OPENMETRICS, metrics::exposition).await,
            "/status.json" => blocking(view, JSON, status::json).await,
            _ => {
                let text = "available here: / /healthz /readyz /metrics /status.json\n";
                Page::error(StatusCode::NOT_FOUND, text.to_owned())
            }
        }
    }
}

fn readiness(view: &View) -> Page {
    let (health, mirror) = view.monitor.health();
    let problems = health.problems(&mirror);
    if !problems.is_empty() {
        return Page::error(StatusCode::SERVICE_UNAVAILABLE, problems.join("\n") + "\n");
    }
    // Loaded after the health, so that it is the edition with the changes of that scan, or a later one.
    let edition = view.site.current.load();
    let (number, hash, scan) = (edition.number, edition.hash(), health.served_scan);
    Page::ok(TEXT, format!("ready: edition {number} ({hash:032x}) serves scan {scan}\n"))
}

/// Renders a page that takes long where there are many feeds, on a thread for blocking work.
async fn blocking(view: &View, media_type: &'static str, render: fn(&View) -> String) -> Page {
    let view = view.clone();
    match tokio::task::spawn_blocking(move || render(&view)).await {
        Ok(text) => Page::ok(media_type, text),
        Err(error) => {
            let text = format!("cannot render this page; this is a bug in sower: {error}\n");
            Page::error(StatusCode::INTERNAL_SERVER_ERROR, text)
        }
    }
}
