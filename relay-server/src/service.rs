//! The service: one request in, one answer out.

use std::borrow::Cow;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, LazyLock};
use std::task::Poll;

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, EXPECT};
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use matchit::Router;
use relay_compression::ContentEncoding;

use crate::config::Durability;
use crate::endpoint::{Endpoint, PathParameters};
use crate::ingest::{Arrival, ingest};
use crate::rejection::detail;
use crate::relay::{Phase, Relay, Worker};
use crate::reply::{
    Reply, empty, finish, json, method_not_allowed, preflight, text, with_cors, without_body,
};
use crate::upload::{self, Step};
use crate::{body, capture, passthrough};

/// Every path we answer ourselves. Anything else below `/api/` is passed through to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Ingest(Endpoint),
    Upload(Step),
    Health,
    Live,
    CapturedList,
    CapturedEntry,
    CapturedItem,
    /// Below `/api/relay/`, which is ours alone.
    Nothing,
}

static ROUTES: LazyLock<Router<Route>> = LazyLock::new(|| {
    let mut routes = Router::new();
    for (path, route) in [
        ("/api/{project_id}/envelope/", Route::Ingest(Endpoint::Envelope)),
        ("/api/{project_id}/store/", Route::Ingest(Endpoint::Store)),
        ("/api/store/", Route::Ingest(Endpoint::Store)),
        ("/api/{project_id}/security/", Route::Ingest(Endpoint::Security)),
        ("/api/{project_id}/csp-report/", Route::Ingest(Endpoint::Security)),
        ("/api/{project_id}/minidump", Route::Ingest(Endpoint::Minidump)),
        ("/api/{project_id}/minidump/", Route::Ingest(Endpoint::Minidump)),
        ("/api/{project_id}/events/{event_id}/attachments/", Route::Ingest(Endpoint::Attachments)),
        ("/api/{project_id}/unreal/{key}/", Route::Ingest(Endpoint::Unreal)),
        ("/api/{project_id}/cron/{slug}", Route::Ingest(Endpoint::Cron)),
        ("/api/{project_id}/cron/{slug}/", Route::Ingest(Endpoint::Cron)),
        ("/api/{project_id}/cron/{slug}/{key}", Route::Ingest(Endpoint::Cron)),
        ("/api/{project_id}/cron/{slug}/{key}/", Route::Ingest(Endpoint::Cron)),
        ("/api/{project_id}/integration/otlp/v1/traces", Route::Ingest(Endpoint::OtlpTraces)),
        ("/api/{project_id}/integration/otlp/v1/traces/", Route::Ingest(Endpoint::OtlpTraces)),
        ("/api/{project_id}/integration/otlp/v1/logs", Route::Ingest(Endpoint::OtlpLogs)),
        ("/api/{project_id}/integration/otlp/v1/logs/", Route::Ingest(Endpoint::OtlpLogs)),
        ("/api/{project_id}/integration/vercel/logs", Route::Ingest(Endpoint::VercelLogs)),
        ("/api/{project_id}/integration/vercel/logs/", Route::Ingest(Endpoint::VercelLogs)),
        ("/api/{project_id}/nel/", Route::Ingest(Endpoint::Nel)),
        ("/api/{project_id}/upload/", Route::Upload(Step::Create)),
        ("/api/{project_id}/upload/{upload}/", Route::Upload(Step::Append)),
        ("/api/0/relays/live/", Route::Live),
        ("/api/relay/healthcheck/{kind}/", Route::Health),
        ("/api/relay/events/", Route::CapturedList),
        ("/api/relay/events/{id}/", Route::CapturedEntry),
        ("/api/relay/events/{id}/items/{index}/", Route::CapturedItem),
        ("/api/relay/{*rest}", Route::Nothing),
    ] {
        routes.insert(path, route).expect("no two routes collide");
    }
    routes
});

/// Answers one request.
pub(crate) async fn respond(
    worker: &Arc<Worker>,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Reply {
    let accept_encoding = request.headers().get(ACCEPT_ENCODING).cloned();
    let is_head = request.method() == Method::HEAD;
    // Before routing: an encoding that nobody here reads is refused on any path (`spec/ingest.md` 4).
    let named = request.headers().get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    let answer = match ContentEncoding::from_header(named) {
        Ok(encoding) => answered(pin!(route(worker, peer, request, encoding))).await,
        Err(_) => unread(request, unsupported_encoding()).await,
    };
    let answer = finish(answer, accept_encoding.as_ref());
    if is_head { without_body(answer) } else { answer }
}

/// The answer, also where finding it runs into a bug: other requests of the connection are none the worse for it. The
/// answer does not repeat what the panic says, which may be somebody's data.
async fn answered(mut answer: Pin<&mut impl Future<Output = Reply>>) -> Reply {
    let caught = std::future::poll_fn(|cx| {
        // What a panic leaves half done is dropped here; what is shared stays consistent behind its locks and atomics.
        match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    });
    caught.await.unwrap_or_else(|_| {
        tracing::error!("a request made the relay panic, which is a bug; it was answered 500");
        detail(StatusCode::INTERNAL_SERVER_ERROR, "no error details", Vec::new())
    })
}

/// Answers a request whose body nobody reads. What is under way of it is read all the same, or the client would get
/// a connection reset before the answer; but a client that asked beforehand is told right away.
pub(crate) fn unread(
    request: Request<Incoming>,
    answer: Reply,
) -> Pin<Box<impl Future<Output = Reply>>> {
    Box::pin(async move {
        if !request.headers().contains_key(EXPECT) {
            body::discard(&mut request.into_body()).await;
        }
        answer
    })
}

fn unsupported_encoding() -> Reply {
    let mut refusal = empty(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let known = HeaderValue::from_static("zstd,gzip,deflate,br");
    refusal.headers_mut().insert(ACCEPT_ENCODING, known);
    refusal
}

/// Rare ways are boxed here and below: the future of every request is as large as the largest way that is not, and is moved.
async fn route(
    worker: &Arc<Worker>,
    peer: IpAddr,
    request: Request<Incoming>,
    encoding: ContentEncoding,
) -> Reply {
    let relay = &worker.relay;
    let uri = request.uri().clone();
    let (path, query) = (with_single_slashes(uri.path()), uri.query());
    if relay.config.tunnel.is_at(&path) {
        let (method, path) = (request.method().clone(), PathParameters::default());
        let answer = take_in(worker, peer, request, encoding, Endpoint::Tunnel, path).await;
        return with_cors(answer, &method);
    }
    let Ok(matched) = ROUTES.at(&path) else {
        return Box::pin(pass_through(worker, request, &path, encoding, peer)).await;
    };
    let parameter = |name| matched.params.get(name).unwrap_or_default();
    let method = request.method();
    match matched.value {
        Route::Ingest(endpoint) => {
            let (method, path) = (method.clone(), PathParameters::of(&matched.params));
            let answer = take_in(worker, peer, request, encoding, *endpoint, path).await;
            with_cors(answer, &method)
        }
        Route::Upload(step) => {
            let (method, path) = (method.clone(), PathParameters::of(&matched.params));
            let answer = match &method {
                &Method::OPTIONS => preflight(step.method()),
                method if method == step.method() => {
                    Box::pin(upload::upload(worker, peer, *step, path, encoding, request)).await
                }
                _ => unread(request, method_not_allowed(step.method())).await,
            };
            with_cors(answer, &method)
        }
        Route::Health => health(relay, method, parameter("kind")),
        Route::Live => health(relay, method, "live"),
        Route::CapturedList => Box::pin(capture::list(relay, method, query)).await,
        Route::CapturedEntry => {
            let headers = request.headers();
            Box::pin(capture::show(relay, method, parameter("id"), query, headers)).await
        }
        Route::CapturedItem => {
            Box::pin(capture::show_item(relay, method, parameter("id"), parameter("index"))).await
        }
        Route::Nothing => empty(StatusCode::NOT_FOUND),
    }
}

/// Any run of slashes counts as one.
fn with_single_slashes(path: &str) -> Cow<'_, str> {
    if !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut single = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !single.ends_with('/') {
            single.push(character);
        }
    }
    Cow::Owned(single)
}

async fn pass_through(
    worker: &Worker,
    request: Request<Incoming>,
    path: &str,
    encoding: ContentEncoding,
    peer: IpAddr,
) -> Reply {
    if !passthrough::is_eligible(&worker.relay, path) {
        return unread(request, empty(StatusCode::NOT_FOUND)).await;
    }
    if worker.relay.phase() != Phase::Running {
        return unread(request, empty(StatusCode::SERVICE_UNAVAILABLE)).await;
    }
    passthrough::pass_through(worker, request, path, encoding, peer).await
}

async fn take_in(
    worker: &Arc<Worker>,
    peer: IpAddr,
    request: Request<Incoming>,
    encoding: ContentEncoding,
    endpoint: Endpoint,
    path: PathParameters<'_>,
) -> Reply {
    if request.method() == Method::OPTIONS {
        return preflight(endpoint.methods());
    }
    if !endpoint.takes(request.method()) {
        return unread(request, method_not_allowed(endpoint.methods())).await;
    }
    let (head, mut body) = request.into_parts();
    let arrival = Arrival { endpoint, path, peer, head: &head, body: &mut body, encoding };
    match ingest(worker, arrival).await {
        Ok(event_id) => endpoint.answer(&head, event_id),
        Err(rejection) => {
            // The texts of a rejection may quote what was sent.
            tracing::debug!(status = %rejection.status(), ?endpoint, "a request was turned away");
            if rejection.drains_body(head.headers.contains_key(EXPECT)) {
                Box::pin(body::discard(&mut body)).await;
            }
            endpoint.refuse(&head, rejection)
        }
    }
}

/// `live` while we answer at all; `ready` while we take data in: not on the way out, not full, and able to store.
fn health(relay: &Relay, method: &Method, kind: &str) -> Reply {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return method_not_allowed("GET,HEAD");
    }
    let reasons = match kind {
        "live" => Vec::new(),
        "ready" => relay.reasons_not_to_be_ready(),
        _ => return text(StatusCode::BAD_REQUEST, "unknown health check: neither live nor ready"),
    };
    #[derive(serde::Serialize)]
    struct Health {
        is_healthy: bool,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        reasons: Vec<String>,
        /// Told where it is not what a `200` promises otherwise.
        #[serde(skip_serializing_if = "Option::is_none")]
        durability: Option<&'static str>,
    }
    let durability = relay.config.spool.durability;
    let health = Health {
        is_healthy: reasons.is_empty(),
        reasons,
        durability: (kind == "ready" && durability != Durability::Disk)
            .then(|| durability.as_str()),
    };
    let status = if health.is_healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, serde_json::to_string(&health).expect("flags and texts serialise"))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_answer_that_does_not_repeat_it() {
        let broken = pin!(async {
            tokio::task::yield_now().await;
            panic!("what somebody sent");
        });
        let reply = answered(broken).await;
        assert_eq!(reply.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(reply.headers()["content-type"], "application/json");
        let body = reply.into_body().collect().await.expect("bytes that are there").to_bytes();
        assert_eq!(body, r#"{"detail":"no error details"}"#);
    }

    #[test]
    fn a_run_of_slashes_is_one() {
        assert_eq!(with_single_slashes("//api///42/store//"), "/api/42/store/");
        assert!(matches!(with_single_slashes("/api/42/store/"), Cow::Borrowed(_)));
    }
}
