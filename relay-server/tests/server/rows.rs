//! HTTP as it is spoken on the port, row by row: `docs/protocol.md` names the test of each row.

use std::fmt::Write as _;
use std::time::Duration;

use relay_server::Config;

use crate::support::{
    Client, Message, Relay, Reply, Request, Upstream, exchange_http2, fresh_id, proxy_config,
};

const EVENT: &str = "{\"message\":\"x\"}";
const LIVE: &str = "/api/relay/healthcheck/live/";

/// Every route that takes data in, and its methods.
const INGEST: [(&str, &str); 24] = [
    ("/api/42/envelope/", "POST"),
    ("/tunnel", "POST"),
    ("/api/42/store/", "POST,GET,HEAD"),
    ("/api/store/", "POST,GET,HEAD"),
    ("/api/42/security/", "POST"),
    ("/api/42/csp-report/", "POST"),
    ("/api/42/minidump", "POST"),
    ("/api/42/minidump/", "POST"),
    ("/api/42/events/9ec79c33ec9942ab8353589fcb2e04dc/attachments/", "POST"),
    ("/api/42/unreal/0123456789abcdef0123456789abcdef/", "POST"),
    ("/api/42/cron/nightly", "GET,HEAD,POST"),
    ("/api/42/cron/nightly/", "GET,HEAD,POST"),
    ("/api/42/cron/nightly/0123456789abcdef0123456789abcdef", "GET,HEAD,POST"),
    ("/api/42/cron/nightly/0123456789abcdef0123456789abcdef/", "GET,HEAD,POST"),
    ("/api/42/integration/otlp/v1/traces", "POST"),
    ("/api/42/integration/otlp/v1/traces/", "POST"),
    ("/api/42/integration/otlp/v1/logs", "POST"),
    ("/api/42/integration/otlp/v1/logs/", "POST"),
    ("/api/42/integration/vercel/logs", "POST"),
    ("/api/42/integration/vercel/logs/", "POST"),
    ("/api/42/nel/", "POST"),
    ("/api/42/upload/", "POST"),
    ("/api/42/upload/some-key/", "PATCH"),
    ("//api//42//envelope//", "POST"),
];

fn relay(adjust: impl FnOnce(&mut Config)) -> (Relay, Upstream) {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    adjust(&mut config);
    (Relay::start(config), upstream)
}

fn assert_parser_refused(answer: &Message, status: u16) {
    assert_eq!((answer.status(), answer.header("server"), &*answer.body), (status, None, &b""[..]));
}

// Paths and methods

#[test]
fn a_run_of_slashes_counts_as_one_in_a_path_and_stays_in_a_query() {
    let (relay, upstream) = relay(|_| {});
    let request = Request::new("GET", "//api//0///projects//?next=//a//b");
    assert_eq!(request.send(relay.address()).status(), 200);
    assert_eq!(upstream.requests()[0].target(), "/api/0/projects/?next=//a//b");
}

#[test]
fn a_path_that_lacks_its_trailing_slash_passes_through() {
    let (relay, upstream) = relay(|_| {});
    let both_ways = |path: &str| INGEST.iter().any(|(other, _)| *other == path);
    let mut passed = 0;
    for (path, methods) in INGEST.iter().filter(|(path, _)| !path.contains("//")) {
        let Some(bare) = path.strip_suffix('/').filter(|bare| !both_ways(bare)) else { continue };
        let method = methods.split(',').next().unwrap_or_default();
        assert_eq!(Request::new(method, bare).send(relay.address()).status(), 200, "{bare}");
        let requests = upstream.requests();
        assert_eq!(requests.last().map(|request| request.target()), Some(bare));
        passed = requests.len();
    }
    assert_eq!(passed, 10);
}

#[test]
fn another_method_is_answered_405_with_the_methods_of_the_route() {
    let (relay, _upstream) = relay(|_| {});
    let mut client = Client::connect(relay.address());
    for (path, methods) in INGEST.into_iter().chain([(LIVE, "GET,HEAD")]) {
        let has = |method: &&str| methods.split(',').any(|name| name == *method);
        for method in ["GET", "PUT", "DELETE", "PATCH", "TRACE", "BREW"].iter().filter(|m| !has(m))
        {
            let answer = client.exchange(&Request::new(method, path)).unwrap();
            let got = (answer.status(), answer.header("allow"), &*answer.body);
            assert_eq!(got, (405, Some(methods), &b""[..]), "{method} {path}");
            assert_eq!(is_readable(&answer), path != LIVE, "{method} {path}");
        }
    }
}

#[test]
fn head_has_the_effect_of_get_and_no_body() {
    let (relay, _upstream) = relay(|_| {});
    let mut client = Client::connect(relay.address());
    let path = format!("/api/42/store/?sentry_key={}&sentry_data=%7B%7D", fresh_id());
    let pixel = client.exchange(&Request::new("HEAD", &path)).unwrap();
    let head = (pixel.status(), pixel.header("content-type"), pixel.header("content-length"));
    assert_eq!(head, (200, Some("image/gif"), Some("26")));
    // One whose body would be compressed, too.
    let refused = client.exchange(&of_length(128, "HEAD").header("Accept-Encoding", "gzip"));
    assert_eq!(refused.unwrap().status(), 400);
    // Had there been a body, this would read it.
    assert_eq!(client.exchange(&Request::new("GET", LIVE)).unwrap().status(), 200);
    assert_eq!(relay.settle().delivered, 1);
}

// CORS

const VARY: &str = "origin, access-control-request-method, access-control-request-headers";

/// Whether a page of another origin may read the answer, by exactly the headers that say so.
fn is_readable(answer: &Message) -> bool {
    let of_cors = |(name, _): &&(String, String)| name.starts_with("access-control-");
    let mut headers: Vec<(&str, &str)> = answer
        .headers
        .iter()
        .filter(of_cors)
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    headers.sort_unstable();
    let all = [
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", "x-sentry-error,x-sentry-rate-limits,retry-after"),
    ];
    assert!(headers.is_empty() || headers == all, "{answer:?}");
    if !headers.is_empty() {
        assert_eq!(answer.header("vary"), Some(VARY));
    }
    !headers.is_empty()
}

#[test]
fn a_page_of_any_origin_can_read_every_answer_of_an_ingest_route() {
    let limited = Reply::new(429).header("X-Sentry-Rate-Limits", "60:error:key:spike");
    let upstream = Upstream::answering([limited.into()]);
    let relay = Relay::start(proxy_config(&upstream));
    let key = fresh_id();
    let envelope = |body: &str| Request::envelope(&key, body);
    let event = "{}\n{\"type\":\"event\"}\n{}\n";
    let security = |media_type| {
        Request::new("POST", "/api/42/security/").auth(&key).header("Content-Type", media_type)
    };
    let requests = [
        (envelope("{}"), 200),
        (envelope(""), 400),
        (Request::new("POST", "/api/none/envelope/").auth(&key), 400),
        (Request::new("POST", "/api/42/store/"), 401),
        (Request::new("POST", "/tunnel").body(format!("{{\"dsn\":\"http://{key}@a/1\"}}\n")), 403),
        (envelope("{}\n{\"type\":\"event\"}\n{}\n{\"type\":\"event\"}\n{}"), 413),
        (Request::store(&key, vec![b' '; (1 << 20) + 1]), 413),
        (security("text/plain").body("{}"), 415),
        (Request::new("POST", "/api/42/upload/").auth(&key), 503),
        (envelope(event), 200),
    ];
    for (request, status) in requests {
        let answer = request.header("Origin", "https://a.b").send(relay.address());
        assert_eq!(answer.status(), status, "{}", answer.text());
        assert!(is_readable(&answer), "{answer:?}");
    }
    relay.settle();
    let answer = envelope(event).send(relay.address());
    assert_eq!(answer.status(), 429);
    assert!(is_readable(&answer), "{answer:?}");
}

#[test]
fn a_page_is_told_nothing_about_what_is_no_ingest_route() {
    let own = Reply::new(200).header("Access-Control-Allow-Origin", "https://a.b");
    let upstream = Upstream::scripted(move |request| match request.target() {
        "/api/0/with/" => own.clone().into(),
        _ => Reply::new(200).into(),
    });
    let relay = Relay::start(proxy_config(&upstream));
    let ask = |path: &str| {
        Request::new("GET", path).header("Origin", "https://a.b").send(relay.address())
    };
    for path in [LIVE, "/api/0/relays/live/", "/api/relay/none/", "/none", "/api/0/without/"] {
        assert!(!is_readable(&ask(path)), "{path}");
    }
    let passed = ask("/api/0/with/");
    assert_eq!(passed.header("access-control-allow-origin"), Some("https://a.b"));
    let unknown = Request::new("POST", "/api/42/envelope/").header("Content-Encoding", "lz4");
    assert!(!is_readable(&unknown.send(relay.address())));
}

#[test]
fn options_on_an_ingest_route_says_the_same_to_everybody() {
    let (relay, _upstream) = relay(|_| {});
    let mut client = Client::connect(relay.address());
    for (path, methods) in INGEST {
        let bare = Request::new("OPTIONS", path);
        let preflight = bare
            .clone()
            .header("Origin", "https://a.b")
            .header("Access-Control-Request-Method", "PUT")
            .header("Access-Control-Request-Headers", "x-other")
            .header("Access-Control-Request-Private-Network", "true");
        let no_project = Request::new("OPTIONS", &path.replace("42", "none"));
        for request in [bare, preflight, no_project] {
            let answer = client.exchange(&request).unwrap();
            assert_eq!((answer.status(), &*answer.body), (200, &b""[..]), "{path}");
            let mut told = String::new();
            for (name, value) in &answer.headers {
                if name.starts_with("access-control-") || name == "allow" || name == "vary" {
                    writeln!(told, "{name}: {value}").expect("memory");
                }
            }
            let mut lines: Vec<&str> = told.lines().collect();
            lines.sort_unstable();
            let allow = format!("allow: {methods}");
            let vary = format!("vary: {VARY}");
            let expected = [
                "access-control-allow-headers: x-sentry-auth,x-requested-with,x-forwarded-for,origin,referer,\
                 accept,content-type,authentication,authorization,content-encoding,transfer-encoding",
                "access-control-allow-methods: POST",
                "access-control-allow-origin: *",
                "access-control-max-age: 3600",
                &allow,
                &vary,
            ];
            assert_eq!(lines, expected, "{path}");
        }
    }
    for (path, status) in [(LIVE, 405), ("/api/relay/none/", 404), ("/none", 404)] {
        assert_eq!(Request::new("OPTIONS", path).send(relay.address()).status(), status, "{path}");
    }
}

// Compression

/// A request that is refused with a JSON body of this length.
fn of_length(length: usize, method: &str) -> Request {
    let around = r#"{"detail":"bad project path parameter","causes":["Cannot parse `project_id` with value `` to a `u64`"]}"#;
    let project = "x".repeat(length - around.len());
    Request::new(method, &format!("/api/{project}/store/"))
}

#[test]
fn an_answer_of_128_bytes_or_more_is_compressed_as_asked() {
    let (relay, _upstream) = relay(|_| {});
    let plain = of_length(128, "POST").send(relay.address());
    assert_eq!((plain.status(), plain.header("content-length")), (400, Some("128")));
    for (accept, encoding) in [
        ("gzip", Some("gzip")),
        ("deflate", Some("deflate")),
        ("br", Some("br")),
        ("zstd", Some("zstd")),
        ("deflate, gzip, br, zstd", Some("zstd")),
        ("deflate, gzip, br", Some("br")),
        ("deflate, gzip", Some("gzip")),
        ("zstd;q=0.5, deflate", Some("deflate")),
        ("gzip;q=0", None),
        ("*", None),
        ("identity", None),
    ] {
        let asking = of_length(128, "POST").header("Accept-Encoding", accept);
        let answer = asking.send(relay.address());
        assert_eq!(answer.header("content-encoding"), encoding, "{accept}");
        let chunked = answer.header("transfer-encoding") == Some("chunked");
        assert_eq!(chunked, encoding.is_some(), "{accept}");
        assert_eq!(answer.header("content-length").is_none(), chunked, "{accept}");
        assert_eq!(answer.text(), plain.text());
        let vary: Vec<&str> = answer.header_lines("vary").collect();
        assert_eq!(vary, [VARY, "accept-encoding"], "{accept}");
    }
    let short = of_length(127, "POST").header("Accept-Encoding", "gzip").send(relay.address());
    assert_eq!(short.header("content-encoding"), None);
    assert_eq!(short.header_lines("vary").collect::<Vec<_>>(), [VARY]);
}

// Connections and time

#[test]
fn a_connection_that_has_not_sent_a_byte_may_wait() {
    let (relay, _upstream) =
        relay(|config| config.limits.header_timeout = Duration::from_millis(50));
    let mut silent = Client::connect(relay.address());
    let mut slow = Client::connect(relay.address());
    slow.write(b"GET /api").unwrap();
    assert_eq!(slow.rest().unwrap(), b"", "half a head has its time");
    // By now the silent one has waited for longer than a head may take.
    assert_eq!(silent.exchange(&Request::new("GET", LIVE)).unwrap().status(), 200);
    // From here on it is one between two requests.
    assert_eq!(silent.rest().unwrap(), b"");
}

#[test]
fn a_connection_that_has_not_sent_a_byte_is_closed_where_the_settings_say_so() {
    let (relay, _upstream) =
        relay(|config| config.limits.idle_timeout = Some(Duration::from_millis(50)));
    assert_eq!(Client::connect(relay.address()).rest().unwrap(), b"");
}

#[test]
fn a_second_head_on_a_connection_has_the_same_time_as_the_first() {
    let (relay, _upstream) =
        relay(|config| config.limits.header_timeout = Duration::from_millis(50));
    let mut client = Client::connect(relay.address());
    assert_eq!(client.exchange(&Request::new("GET", LIVE)).unwrap().status(), 200);
    client.write(b"GET /api").unwrap();
    assert_eq!(client.rest().unwrap(), b"");
}

#[cfg(target_os = "linux")]
#[test]
fn a_silent_peer_is_probed_by_tcp() {
    let (relay, _upstream) = relay(|_| {});
    let mut client = Client::connect(relay.address());
    assert_eq!(client.exchange(&Request::new("GET", LIVE)).unwrap().status(), 200);
    let [own, relays] = [client.address().port(), relay.address().port()];
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    // Of the relay's end: local and remote address, and which timer runs out when, in hundredths of a second.
    let socket =
        sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find(|fields| {
            let port = |index: usize| fields.get(index).and_then(|field| field.split(':').nth(1));
            port(1) == Some(&format!("{relays:04X}")) && port(2) == Some(&format!("{own:04X}"))
        });
    let timer = socket.expect("the connection").get(5).copied().unwrap_or_default().to_owned();
    let (kind, left) = timer.split_once(':').expect("a timer");
    let left = u64::from_str_radix(left, 16).expect("hexadecimal");
    assert_eq!(kind, "02", "a keep-alive timer");
    assert!((1..=500).contains(&left), "{left}");
}

#[test]
fn a_client_that_has_said_all_it_will_is_still_answered() {
    let (relay, _upstream) = relay(|_| {});
    let mut client = Client::connect(relay.address());
    client.write(&Request::store(&fresh_id(), EVENT).to_bytes()).unwrap();
    client.close_write();
    assert_eq!(client.answer("POST").unwrap().status(), 200);
    assert_eq!(client.rest().unwrap(), b"");
    assert_eq!(relay.settle().delivered, 1);
}

#[test]
fn http_1_0_is_answered_and_the_connection_closed() {
    let (relay, _upstream) = relay(|_| {});
    let mut client = Client::connect(relay.address());
    client.write(format!("GET {LIVE} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
    let answer = String::from_utf8(client.rest().unwrap()).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
}

#[test]
fn http2_has_the_same_answers() {
    let (relay, _upstream) = relay(|_| {});
    let key = fresh_id();
    let requests = [
        Request::store(&key, EVENT),
        Request::store(&key, ""),
        Request::new("PUT", "/api/42/store/"),
        Request::new("OPTIONS", "/api/42/store/"),
        Request::new("HEAD", LIVE),
        of_length(128, "POST").header("accept-encoding", "gzip"),
        Request::new("GET", "/none"),
        Request::new("GET", "/api/0/projects/"),
        Request::store(&key, EVENT).header("content-encoding", "lz4"),
    ];
    for (request, answer) in requests.iter().zip(exchange_http2(relay.address(), &requests)) {
        let mut expected = request.send(relay.address());
        // What belongs to a connection of HTTP/1.1, and what differs from answer to answer.
        let own = ["date", "transfer-encoding", "connection", "content-length"];
        let mut answer = answer;
        for message in [&mut answer, &mut expected] {
            message.headers.retain(|(name, _)| !own.contains(&&*name.to_ascii_lowercase()));
            message.headers.sort();
        }
        assert_eq!(answer.status(), expected.status());
        assert_eq!(answer.headers, expected.headers);
        if answer.status() != 200 {
            assert_eq!(answer.body, expected.body);
        }
    }
}

// Bodies

#[test]
fn who_asks_before_sending_is_told_to_go_on() {
    let (relay, _upstream) = relay(|_| {});
    let mut client = Client::connect(relay.address());
    let request = Request::store(&fresh_id(), EVENT).header("Expect", "100-continue");
    client.write(&request.head_bytes()).unwrap();
    assert_eq!(client.answer("POST").unwrap().status(), 100);
    client.write(EVENT.as_bytes()).unwrap();
    assert_eq!(client.answer("POST").unwrap().status(), 200);
}

#[test]
fn who_asks_before_sending_in_vain_is_told_at_once() {
    let (relay, _upstream) = relay(|config| {
        config.limits.items.max_attachments_size = 1000;
        config.limits.max_upload_size = 1000;
        config.limits.max_api_payload_size = 1000;
    });
    let key = fresh_id();
    let event_id = fresh_id();
    for (request, status) in [
        (Request::new("POST", "/api/42/minidump/").auth(&key), 413),
        (Request::new("POST", &format!("/api/42/events/{event_id}/attachments/")).auth(&key), 413),
        (Request::new("POST", "/api/0/projects/"), 413),
        (Request::new("POST", "/api/42/store/"), 401),
        (Request::new("PUT", "/api/42/store/"), 405),
        (Request::new("POST", "/none"), 404),
        (Request::new("POST", "/api/42/store/").header("Content-Encoding", "lz4"), 415),
    ] {
        let mut client = Client::connect(relay.address());
        let request = request.header("Content-Length", "5000").header("Expect", "100-continue");
        client.write(&request.head_bytes()).unwrap();
        assert_eq!(client.answer("POST").unwrap().status(), status);
    }
}

#[test]
fn what_comes_after_the_announced_length_is_the_next_request() {
    let (relay, _upstream) = relay(|_| {});
    let mut client = Client::connect(relay.address());
    let head =
        Request::new("POST", "/api/42/store/").auth(&fresh_id()).header("Content-Length", "15");
    let next = format!("GET {LIVE} HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n");
    client.write(&[&head.head_bytes(), EVENT.as_bytes(), next.as_bytes()].concat()).unwrap();
    assert_eq!(client.answer("POST").unwrap().status(), 200);
    assert_eq!(client.answer("GET").unwrap().text(), "{\"is_healthy\":true}");
    assert_parser_refused(&client.answer("GET").unwrap(), 400);
    assert_eq!(client.rest().unwrap(), b"");
}

#[test]
fn a_length_that_is_none_ends_the_connection() {
    let (relay, _upstream) = relay(|_| {});
    for length in ["-1", "+15", "0x15", "15, 15", "15.0", "99999999999999999999", "fifteen", ""] {
        let mut client = Client::connect(relay.address());
        let head = Request::new("POST", "/api/42/store/").header("Content-Length", length);
        client.write(&head.head_bytes()).unwrap();
        assert_parser_refused(&client.answer("POST").unwrap(), 400);
        assert_eq!(client.rest().unwrap(), b"", "{length:?}");
    }
}

#[test]
fn two_equal_lengths_are_one_and_chunks_beat_a_length() {
    let (relay, _upstream) = relay(|_| {});
    let twice = Request::store(&fresh_id(), EVENT).header("Content-Length", "15");
    assert_eq!(twice.send(relay.address()).status(), 200);
    let mut client = Client::connect(relay.address());
    let chunked = Request::store(&fresh_id(), EVENT).chunked().header("Content-Length", "3");
    assert_eq!(client.exchange(&chunked).unwrap().status(), 200);
    assert_eq!(relay.settle().delivered, 2);
}

#[test]
fn a_post_that_announces_nothing_has_no_body() {
    let (relay, _upstream) = relay(|_| {});
    let mut client = Client::connect(relay.address());
    let request = Request::new("POST", "/api/42/store/").auth(&fresh_id());
    client
        .write(&[&request.head_bytes()[..], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"].concat())
        .unwrap();
    let answer = client.answer("POST").unwrap();
    assert_eq!((answer.status(), &*answer.text()), (400, "{\"detail\":\"empty request body\"}"));
    assert_eq!(client.answer("GET").unwrap().status(), 404);
}

#[test]
fn chunks_are_read_wherever_a_body_is() {
    let (relay, _upstream) = relay(|_| {});
    let key = fresh_id();
    for (path, methods) in INGEST {
        let method = methods.split(',').next().unwrap_or_default();
        let mut request = Request::new(method, path).header("Content-Type", "application/json");
        if !path.contains("0123456789abcdef") {
            request = request.auth(&key);
        }
        let request = request.body("{\"status\":\"ok\"}");
        let plain = request.send(relay.address());
        let chunked = request.chunked().send(relay.address());
        assert_eq!(chunked.status(), plain.status(), "{path}");
    }
}

#[test]
fn a_trailer_behind_the_chunks_is_passed_over() {
    let (relay, _upstream) = relay(|_| {});
    let mut client = Client::connect(relay.address());
    let head = Request::new("POST", "/api/42/store/").auth(&fresh_id());
    client.write(&head.header("Transfer-Encoding", "chunked").head_bytes()).unwrap();
    client.write(b"f;name=value\r\n{\"message\":\"x\"}\r\n0\r\nX-Trailer: 1\r\n\r\n").unwrap();
    assert_eq!(client.answer("POST").unwrap().status(), 200);
    assert_eq!(client.exchange(&Request::new("GET", LIVE)).unwrap().status(), 200);
}
