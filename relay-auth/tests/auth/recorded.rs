//! What real SDKs sent.

use std::fs;
use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue};
use relay_auth::AuthHeader;
use serde::Deserialize;

use crate::KEY;

#[derive(Deserialize)]
struct Recorded {
    path: String,
    headers: Vec<(String, String)>,
}

#[test]
fn every_recorded_request_names_its_key_and_its_client() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/sdk");
    let mut seen = 0;
    for (folder, client) in [("python-gzip", "sentry.python/"), ("node", "sentry.javascript.node/")]
    {
        for file in fs::read_dir(root.join(folder)).expect("the fixtures are there") {
            let file = file.expect("the fixtures are there").path();
            if file.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = fs::read_to_string(&file).expect("a fixture");
            let request: Recorded = serde_json::from_str(&text).expect("a fixture");
            let header = |(name, value): &(String, String)| {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
                (name, HeaderValue::from_str(value).expect("a header value"))
            };
            let headers: HeaderMap = request.headers.iter().map(header).collect();
            let query = request.path.split_once('?').map(|(_, query)| query);

            let sender = relay_auth::authenticate(&headers, query, None);
            let sender = sender.expect("a readable request").expect("a sender");
            assert_eq!((sender.key.as_str(), sender.version), (KEY, 7), "{}", file.display());
            assert!(sender.client.as_deref().is_some_and(|name| name.starts_with(client)));
            if let Some(recorded) = headers.get("x-sentry-auth") {
                let written = AuthHeader::new(sender.key).client(sender.client.as_deref());
                assert_eq!(HeaderValue::from(written), recorded);
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 19);
}
