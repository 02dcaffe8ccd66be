//! Any request is read or refused, and what was read survives being written.
#![no_main]

use http::{HeaderMap, HeaderValue};
use relay_auth::{AuthHeader, Credentials, UserAgent, authenticate};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // `X-Sentry-Auth`, `Authorization`, a query and a key in the path, one line each; an empty line is none.
    let mut lines = data
        .splitn(4, |&byte| byte == b'\n')
        .map(|line| Some(line).filter(|line| !line.is_empty()));
    let mut next = || lines.next().flatten();
    let mut headers = HeaderMap::new();
    for name in ["x-sentry-auth", "authorization"] {
        if let Some(Ok(value)) = next().map(HeaderValue::from_bytes) {
            headers.insert(name, value);
        }
    }
    let [query, path_key] = [next(), next()].map(|text| text.map(String::from_utf8_lossy));

    match authenticate(&headers, query.as_deref(), path_key.as_deref()) {
        Ok(Some(sender)) => written_and_read(&sender),
        Ok(None) => assert!(path_key.is_none()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

fn written_and_read(sender: &Credentials) {
    assert!(sender.version <= 7);
    let header =
        AuthHeader::new(sender.key).version(sender.version).client(sender.client.as_deref());

    let same = Credentials { flags: Default::default(), ..sender.clone() };
    assert_eq!(authenticate(&HeaderMap::new(), Some(&header.to_query()), None), Ok(Some(same)));

    // Not every key or client fits into a header, but what arrives there is the same ever after.
    let value = HeaderValue::from(header);
    let headers =
        HeaderMap::from_iter([(http::HeaderName::from_static("x-sentry-auth"), value.clone())]);
    if let Ok(read) = authenticate(&headers, None, None) {
        let read = read.expect("the header names a sender");
        let again = AuthHeader::new(read.key).version(read.version).client(read.client.as_deref());
        assert_eq!(HeaderValue::from(again), value);
    }

    let text = sender.client.as_deref().unwrap_or_default();
    let product = (text, sender.key.as_str());
    let agent =
        UserAgent { name: text, version: product.1, runtime: Some(product), os: Some(product) };
    assert!(HeaderValue::try_from(agent.to_string()).is_ok());
}
