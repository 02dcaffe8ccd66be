//! Crash reports: minidumps in forms and alone, files for events, archives of the Unreal Engine.

use relay_server::config::Durability;

use crate::support::{
    Client, Envelope, Message, Relay, Request, Upstream, encode, envelope, fresh_id, proxy_config,
};

/// A part of a form: its disposition after `form-data`, other headers, content.
type Part<'a> = (&'a str, &'a str, &'a [u8]);

fn form(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = b"what stands before the first boundary says nothing\r\n".to_vec();
    for (disposition, headers, content) in parts {
        let head =
            format!("--BOUND\r\nContent-Disposition: form-data; {disposition}\r\n{headers}\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--BOUND--\r\nnor what stands behind the last");
    body
}

fn multipart(path: &str, key: &str, body: Vec<u8>) -> Request {
    Request::new("POST", path)
        .auth(key)
        .header("Content-Type", "multipart/form-data; boundary=BOUND")
        .body(body)
}

const DUMP: &str = "name=\"upload_file_minidump\"; filename=\"crash.dmp\"";

fn minidump(parts: &[Part<'_>]) -> Request {
    multipart("/api/42/minidump/", &fresh_id(), form(parts))
}

/// The one envelope that arrives of it, and the id that the sender was told.
fn accepted(request: &Request) -> (Envelope, String) {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let answer = request.send(relay.address());
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let envelope = envelope(&upstream.wait_for(1)[0]);
    let stats = relay.settle();
    assert_eq!(stats.delivered, envelope.items.len() as u64);
    (envelope, answer.text())
}

fn refused(request: &Request) -> Message {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let answer = request.send(relay.address());
    assert_eq!(relay.settle().received, 0);
    answer
}

#[test]
fn a_dump_with_files_and_fields_becomes_one_envelope_in_their_order() {
    let (envelope, id) = accepted(&minidump(&[
        ("name=\"a\"", "", b"1"),
        (
            "name=\"shot\"; filename=\"sch\u{f6}n \\\"1\\\".png\"",
            "Content-Type: image/png\r\n",
            b"\x89PNG\r\n\0",
        ),
        (DUMP, "", b"PMDM\r\n--BOUN\r\n"),
        ("name=\"gpu\"; filename=\"x.nv-gpudmp\"", "", b"g"),
        ("name=\"__sentry-breadcrumb1\"; filename=\"b\"", "", b""),
        ("filename=\"no name\"", "", b"f"),
        ("name=\"b\"", "", b"\xff2"),
    ]));
    assert_eq!(uuid::Uuid::parse_str(&id).unwrap().simple().to_string(), envelope.text("event_id"));
    let items: Vec<_> = envelope
        .items
        .iter()
        .map(|item| {
            (
                item.text("attachment_type").to_owned(),
                item.text("filename").to_owned(),
                &*item.payload,
            )
        })
        .collect();
    let item =
        |ty: &str, name: &str, payload: &'static [u8]| (ty.to_owned(), name.to_owned(), payload);
    assert_eq!(
        items,
        [
            item("event.attachment", "sch\u{f6}n \"1\".png", b"\x89PNG\r\n\0"),
            item("event.minidump", "crash.dmp", b"PMDM\r\n--BOUN\r\n"),
            item("event.nv_gpudmp", "x.nv-gpudmp", b"g"),
            item("event.breadcrumbs", "b", b""),
            item("event.attachment", "no name", b"f"),
            item("", "", b"\x01\0\0\0a\x01\0\0\x001\x01\0\0\0b\x04\0\0\0\xef\xbf\xbd2"),
        ]
    );
    assert_eq!(envelope.types().last(), Some(&"form_data"));
}

#[test]
fn a_dump_is_taken_out_of_its_container_wherever_it_comes() {
    let dump = [b"MDMP".as_slice(), &[7; 300_000]].concat();
    let xz = include_bytes!("../../../fixtures/containers/dump.xz").to_vec();
    let bzip2 = include_bytes!("../../../fixtures/containers/dump.bz2").to_vec();
    for (packed, ending) in [
        (encode("gzip", &dump), ".gz"),
        (encode("zstd", &dump), ".zst"),
        (xz, ".xz"),
        (bzip2, ".bz2"),
    ] {
        let named = format!("name=\"upload_file_minidump\"; filename=\"crash.dmp{ending}\"");
        let (envelope, _) = accepted(&minidump(&[(&named, "", &packed)]));
        assert_eq!(envelope.items[0].text("filename"), "crash.dmp", "{ending}");
        assert!(envelope.items[0].payload == dump, "{ending}");
        let raw = Request::new("POST", "/api/42/minidump")
            .auth(&fresh_id())
            .header("Content-Type", "application/octet-stream")
            .body(packed);
        let (envelope, _) = accepted(&raw);
        assert_eq!(envelope.items[0].text("filename"), "Minidump", "{ending}");
        assert!(envelope.items[0].payload == dump, "{ending}");
    }
    // And once only.
    let twice = encode("gzip", &encode("gzip", &dump));
    let answer = refused(&minidump(&[(DUMP, "", &twice)]));
    assert_eq!((answer.status(), &*answer.text()), (400, "{\"detail\":\"invalid minidump\"}"));
}

#[test]
fn the_event_id_is_the_one_that_the_crash_reporter_knows() {
    let (one, two) = (fresh_id(), fresh_id());
    // A map of one entry: {"event_id": one}
    let mut message_pack = b"\x81\xa8event_id\xd9\x20".to_vec();
    message_pack.extend_from_slice(one.as_bytes());
    let payload: Part<'_> = ("name=\"__sentry-event\"; filename=\"e\"", "", &message_pack);
    let json = format!("{{\"event_id\":\"{two}\",\"x\":[1]}}");
    let sentry: Part<'_> = ("name=\"sentry\"", "", json.as_bytes());
    let key: Part<'_> = ("name=\"sentry[event_id]\"", "", one.as_bytes());
    let bad: Part<'_> = ("name=\"sentry[event_id]\"", "", b"zz");
    let dump: Part<'_> = (DUMP, "", b"MDMP");
    for (parts, expected) in [
        (vec![dump, sentry, payload], &one),
        (vec![sentry, key, dump], &two),
        (vec![key, sentry, dump], &one),
        (vec![bad, sentry, dump], &two),
    ] {
        assert_eq!(accepted(&minidump(&parts)).0.text("event_id"), expected);
    }
    let broken: Part<'_> = ("name=\"__sentry-event\"; filename=\"e\"", "", b"\xc1");
    let answer = refused(&minidump(&[dump, broken]));
    assert_eq!(
        (answer.status(), &answer.json()["detail"]),
        (400, &"invalid messagepack data".into())
    );
}

#[test]
fn a_form_inside_the_part_of_the_dump_is_looked_into() {
    let inner = b"\r\n--inner\r\nContent-Disposition: form-data; name=\"upload_file_minidump\"; \
                  filename=\"x\"\r\n\r\nMDMPinner\r\n--inner--\r\n";
    let (envelope, _) = accepted(&minidump(&[(DUMP, "", inner)]));
    assert_eq!(envelope.items[0].text("filename"), "crash.dmp");
    assert_eq!(envelope.items[0].payload, b"MDMPinner");
    assert_eq!(refused(&minidump(&[(DUMP, "", b"--x\r\nno form")])).status(), 400);
}

#[test]
fn what_is_no_form_says_what_is_missing() {
    let key = fresh_id();
    let whole = form(&[(DUMP, "", b"MDMP")]);
    let cut = whole[..whole.len() - 46].to_vec();
    let typed = |ty: &str| {
        Request::new("POST", "/api/42/minidump/").auth(&key).header("Content-Type", ty).body("x")
    };
    for (request, cause) in [
        (typed("text/plain"), "Content-Type is not multipart/form-data"),
        (typed("multipart/form-data"), "multipart boundary not found in Content-Type"),
        (multipart("/api/42/minidump/", &key, Vec::new()), "incomplete multipart stream"),
        (
            multipart("/api/42/minidump/", &key, cut),
            "field \"upload_file_minidump\" received with incomplete data",
        ),
    ] {
        let answer = refused(&request);
        assert_eq!(answer.status(), 400, "{cause}");
        let json = answer.json();
        assert_eq!(
            (&json["detail"], &json["causes"][0]),
            (&"invalid multipart data".into(), &cause.into())
        );
    }
    let lying = multipart("/api/42/minidump/", &key, whole).header("Content-Encoding", "gzip");
    let answer = refused(&lying);
    assert_eq!(
        (answer.status(), &answer.json()["detail"]),
        (400, &"invalid multipart data".into())
    );
}

#[test]
fn a_form_that_is_too_large_is_refused_while_it_arrives() {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    config.limits.items.max_attachment_size = 100_000;
    config.limits.items.max_attachments_size = 250_000;
    config.limits.items.max_event_size = 1000;
    let relay = Relay::start(config);
    let file = |size| vec![b'x'; size];
    let (large, medium) = (file(100_001), file(100_000));
    let (dump, long): (Part<'_>, _) = ((DUMP, "", b"MDMP"), file(1001));
    let attachments = |parts: &[Part<'_>]| {
        multipart(&format!("/api/42/events/{}/attachments/", fresh_id()), &fresh_id(), form(parts))
    };
    let total = "request content exceeded size limits";
    let form_data = "envelope exceeded size limits for type 'form_data' \
                     (https://develop.sentry.dev/sdk/envelopes/#size-limits)";
    let named: [Part<'_>; 3] = [
        ("name=\"a\"; filename=\"a\"", "", &medium),
        ("name=\"b\"; filename=\"b\"", "", &medium),
        ("name=\"c\"; filename=\"c\"", "", &medium),
    ];
    for (request, status, detail) in [
        (minidump(&[dump, ("name=\"a\"; filename=\"a\"", "", &large)]), 200, ""),
        (minidump(&[(DUMP, "", &large)]), 400, "invalid multipart data"),
        (minidump(&[dump, ("name=\"a\"", "", &long)]), 413, form_data),
        (minidump(&[dump, named[0], named[1], named[2]]).chunked(), 413, total),
        (attachments(&[("name=\"a\"; filename=\"a\"", "", &large)]), 400, "invalid multipart data"),
        (attachments(&named).chunked(), 413, total),
        (attachments(&named), 413, "length limit exceeded"),
    ] {
        let answer = request.send(relay.address());
        assert_eq!(answer.status(), status, "{detail}: {}", answer.text());
        let told = match answer.text() {
            text if text.starts_with('{') => answer.json()["detail"].as_str().unwrap().to_owned(),
            text => text,
        };
        assert!(status == 200 || told == detail, "{told}");
    }
    assert_eq!(relay.settle().delivered, 1);
}

#[test]
fn a_form_of_more_parts_than_any_crash_has_is_refused() {
    let parts = vec![("name=\"a\"", "", b"".as_slice()); 10_000];
    let answer = refused(&minidump(&parts));
    assert_eq!(
        (answer.status(), &answer.json()["causes"][0]),
        (400, &"more than 1000 fields".into())
    );
}

#[test]
fn forms_are_paid_for_from_the_budget_as_they_arrive() {
    let upstream = Upstream::start();
    upstream.hold();
    let mut config = proxy_config(&upstream);
    config.limits.max_memory = 1 << 20;
    config.spool.durability = Durability::Memory;
    config.http.encoding = relay_compression::ContentEncoding::Identity;
    let relay = Relay::start(config);
    let dump = [b"MDMP".as_slice(), &[7; 600_000]].concat();
    let request = minidump(&[(DUMP, "", &dump)]).chunked();
    assert_eq!(request.send(relay.address()).status(), 200);
    // What waits leaves no room for another just now.
    let answer = request.send(relay.address());
    assert_eq!(answer.status(), 503, "{}", answer.text());
    assert_eq!(answer.json()["causes"][0], "relay is running out of memory");
    assert!(answer.header("retry-after").is_some());
    upstream.release();
    relay.settle();
    assert_eq!(request.send(relay.address()).status(), 200);
    relay.settle();
}

#[test]
fn what_could_never_fit_into_memory_is_refused_for_good() {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    config.limits.max_memory = 1 << 20;
    let relay = Relay::start(config);
    let file = vec![7; 2 << 20];
    let dump = [b"MDMP", &*file].concat();
    let packed = encode("gzip", &dump);
    let name = format!("name=\"{}\"; filename=\"\"", "n".repeat(12_000));
    let names = vec![(name.as_str(), "", b"".as_slice()); 200];
    let attachments = format!("/api/42/events/{}/attachments/", fresh_id());
    let total = "request content exceeded size limits";
    let of_a_dump = "envelope exceeded size limits for type 'attachment:minidump' \
                     (https://develop.sentry.dev/sdk/envelopes/#size-limits)";
    for (request, detail) in [
        (minidump(&[(DUMP, "", b"MDMP"), ("name=\"a\"; filename=\"a\"", "", &file)]), total),
        (minidump(&[(DUMP, "", &packed)]), of_a_dump),
        // Names are kept as well as contents.
        (multipart(&attachments, &fresh_id(), form(&names)), total),
    ] {
        let answer = request.chunked().send(relay.address());
        assert_eq!(answer.status(), 413, "{}", answer.text());
        assert_eq!(answer.json()["detail"], detail);
        assert!(answer.header("retry-after").is_none());
    }
    assert_eq!(relay.settle().received, 0);
}

#[test]
fn a_part_that_is_passed_over_costs_no_memory_and_is_accounted_for() {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    config.limits.max_memory = 1 << 20;
    config.limits.items.max_attachment_size = 100_000;
    let relay = Relay::start(config);
    let file = vec![b'x'; 2 << 20];
    let answer = minidump(&[(DUMP, "", b"MDMP"), ("name=\"a\"; filename=\"a\"", "", &file)])
        .chunked()
        .send(relay.address());
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let stats = relay.settle();
    assert_eq!((stats.received, stats.delivered), (2, 1));
    assert_eq!(stats.discarded.get("too_large:attachment:attachment"), Some(&1));
}

#[test]
fn what_stands_around_the_parts_of_a_form_has_an_end() {
    let endless = |text: &str| format!("{text}{}", "x".repeat(1 << 20)).into_bytes();
    let boundary = "b".repeat(1000);
    let long = Request::new("POST", "/api/42/minidump/")
        .auth(&fresh_id())
        .header("Content-Type", &format!("multipart/form-data; boundary={boundary}"))
        .body(format!("--{boundary}--\r\n"));
    for (request, cause) in [
        (
            multipart("/api/42/minidump/", &fresh_id(), endless("--BOUND\r\nX: ")),
            "the head of a field exceeded the size limit: 16384 bytes",
        ),
        (
            multipart("/api/42/minidump/", &fresh_id(), endless("before the first part")),
            "the head of a field exceeded the size limit: 16384 bytes",
        ),
        (long, "the boundary exceeded the size limit: 200 bytes"),
    ] {
        let answer = refused(&request);
        assert_eq!(answer.status(), 400, "{}", answer.text());
        assert_eq!(answer.json()["detail"], "invalid multipart data");
        assert_eq!(answer.json()["causes"], serde_json::json!([cause]));
    }
}

#[test]
fn forms_of_other_systems_are_read_or_refused_and_never_answered_with_what_they_say() {
    let secret = b"--BOUND\r\nSe cret: x\r\n\r\n\r\n--BOUND--\r\n".to_vec();
    let answer = refused(&multipart("/api/42/minidump/", &fresh_id(), secret));
    assert_eq!(answer.status(), 400);
    assert!(!answer.text().contains("cret"), "{}", answer.text());
    let lines = form(&[(DUMP, "", b"MDMP")]);
    let lines = String::from_utf8(lines).unwrap().replace("\r\n", "\n").into_bytes();
    let answer = refused(&multipart("/api/42/minidump/", &fresh_id(), lines));
    assert_eq!(
        (answer.status(), &answer.json()["causes"][0]),
        (400, &"incomplete multipart stream".into())
    );
    // A name that is spelled twice: the plain one is what everybody reads. Of the coded one alone nothing is left.
    let named = "name=\"a\"; filename=\"plain\"; filename*=UTF-8''c%C3%B6ded";
    let (envelope, _) = accepted(&minidump(&[(DUMP, "", b"MDMP"), (named, "", b"1")]));
    assert_eq!(envelope.items[1].text("filename"), "plain");
}

#[test]
fn a_form_that_arrives_byte_by_byte_is_the_same_form() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let body = form(&[(DUMP, "", b"MDMP\r\n--BOUN"), ("name=\"a\"", "", b"\r\n-")]);
    let request = multipart("/api/42/minidump/", &fresh_id(), body.clone());
    let head = Request::header(
        Request::new("POST", "/api/42/minidump/").auth(&fresh_id()),
        "Content-Type",
        "multipart/form-data; boundary=BOUND",
    )
    .header("Transfer-Encoding", "chunked");
    let mut client = Client::connect(relay.address());
    client.write(&head.head_bytes()).unwrap();
    for byte in &body {
        client.write(&[b'1', b'\r', b'\n', *byte, b'\r', b'\n']).unwrap();
    }
    client.write(b"0\r\n\r\n").unwrap();
    assert_eq!(client.answer("POST").unwrap().status(), 200);
    assert_eq!(request.send(relay.address()).status(), 200);
    let requests = upstream.wait_for(2);
    let payloads = |index: usize| -> Vec<Vec<u8>> {
        envelope(&requests[index]).items.iter().map(|item| item.payload.to_vec()).collect()
    };
    assert_eq!(payloads(0)[0], b"MDMP\r\n--BOUN");
    assert_eq!(payloads(0), payloads(1));
    relay.settle();
}

#[test]
fn a_bomb_in_a_container_stops_at_the_limit() {
    let upstream = Upstream::start();
    let mut config = proxy_config(&upstream);
    config.limits.items.max_attachment_size = 1 << 20;
    let relay = Relay::start(config);
    let bomb = encode("gzip", &vec![0; 64 << 20]);
    let answer = minidump(&[(DUMP, "", &bomb)]).send(relay.address());
    assert_eq!(answer.status(), 413);
    assert!(answer.text().contains("attachment:minidump"), "{}", answer.text());
}

#[test]
fn a_client_that_goes_away_in_the_middle_of_a_form_leaves_nothing_behind() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let request = minidump(&[(DUMP, "", &[b'M'; 100_000])]);
    let bytes = request.to_bytes();
    let mut client = Client::connect(relay.address());
    client.write(&bytes[..50_000]).unwrap();
    client.close_write();
    let answer = client.answer("POST").unwrap();
    assert_eq!(
        (answer.status(), &answer.json()["detail"]),
        (400, &"invalid multipart data".into())
    );
    assert_eq!(relay.settle().received, 0);
    assert_eq!(accepted(&minidump(&[(DUMP, "", b"MDMP")])).0.items.len(), 1);
}

#[test]
fn files_for_an_event_come_without_one_and_nothing_is_no_file() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let path = format!("/api/42/events/{}/attachments/", fresh_id());
    let none = multipart(&path, &fresh_id(), b"--BOUND--\r\n".to_vec()).send(relay.address());
    assert_eq!((none.status(), none.body.len()), (201, 0));
    let file = (
        "name=\"log\"; filename=\"log.txt\"",
        "Content-Type: text/plain\r\n",
        b"one\ntwo".as_slice(),
    );
    let body = encode("gzip", &form(&[file]));
    let one = multipart(&path, &fresh_id(), body).header("Content-Encoding", "gzip");
    assert_eq!(one.send(relay.address()).status(), 201);
    let envelope = envelope(&upstream.wait_for(1)[0]);
    assert_eq!(envelope.items[0].payload, b"one\ntwo");
    assert_eq!(envelope.items[0].text("content_type"), "text/plain");
    assert_eq!(relay.settle().delivered, 1);
}

#[test]
fn an_archive_of_the_unreal_engine_goes_on_unopened() {
    let upstream = Upstream::start();
    let relay = Relay::start(proxy_config(&upstream));
    let path = format!("/api/42/unreal/{}/?AppID=x&UserID=a%20b", fresh_id());
    let answer =
        Request::new("POST", &path).body(b"\x00\xffarchive".as_slice()).send(relay.address());
    assert_eq!(answer.status(), 200);
    let envelope = envelope(&upstream.wait_for(1)[0]);
    assert_eq!(envelope.text("unreal_user_id"), "a b");
    assert_eq!(
        uuid::Uuid::parse_str(&answer.text()).unwrap().simple().to_string(),
        envelope.text("event_id")
    );
    assert_eq!(envelope.items[0].payload, b"\x00\xffarchive");
    assert_eq!(relay.settle().delivered, 1);
}
