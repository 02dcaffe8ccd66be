//! Bodies as SDKs sent them; `fixtures/README.md` says which and whence.

use std::fs;
use std::path::Path;

use relay_compression::ContentEncoding::{self, Br, Gzip};
use relay_compression::decode;

fn assert_envelopes(client: &str, encoding: ContentEncoding) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/sdk").join(client);
    for number in 1..=10 {
        let body =
            fs::read(folder.join(format!("{number:03}.body"))).expect("the fixture is there");
        let envelope = decode(encoding, body.into(), 1 << 20).expect("an SDK sent it");
        assert!(envelope.starts_with(b"{"));
        assert!(envelope.split(|&byte| byte == b'\n').count() > 2);
    }
}

#[test]
fn gzip_of_the_python_sdk_decodes_to_envelopes() {
    assert_envelopes("python-gzip", Gzip);
}

#[test]
fn br_of_the_python_sdk_decodes_to_envelopes() {
    assert_envelopes("python-br", Br);
}
