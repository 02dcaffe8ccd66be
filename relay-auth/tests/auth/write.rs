//! What senders write.

use http::HeaderValue;
use relay_auth::{AuthHeader, UserAgent};

use crate::{KEY, by_header, by_query, somebody};

#[test]
fn ing_105_a_header_has_no_spaces_around_equals_signs() {
    let header = AuthHeader::new(somebody().key);
    assert_eq!(header.to_string(), format!("Sentry sentry_key={KEY}, sentry_version=7"));
    let header = header.version(2).client(Some("sentry.rust/0.49"));
    assert_eq!(
        header.to_string(),
        format!("Sentry sentry_key={KEY}, sentry_version=2, sentry_client=sentry.rust/0.49"),
    );
}

#[test]
fn a_query_is_form_encoded() {
    let header = AuthHeader::new(somebody().key).client(Some("a b/1.0&c"));
    let query = header.to_query();
    assert_eq!(query, format!("sentry_key={KEY}&sentry_version=7&sentry_client=a+b%2F1.0%26c"));
    let sender = by_query(&query).expect("what was written can be read").expect("a sender");
    assert_eq!(sender.client.as_deref(), Some("a b/1.0&c"));
}

#[test]
fn a_client_cannot_add_pairs_or_lines_to_a_header() {
    let client = " x, sentry_key=y\r\nHost: caf\u{e9}\t";
    let value = HeaderValue::from(AuthHeader::new(somebody().key).client(Some(client)));
    let text = value.to_str().expect("visible ASCII");
    assert_eq!(
        text,
        format!(
            "Sentry sentry_key={KEY}, sentry_version=7, sentry_client=x_ sentry_key_y__Host: caf_"
        ),
    );
    let sender = by_header(text).expect("what was written can be read").expect("a sender");
    assert_eq!(sender.key, somebody().key);
}

#[test]
fn a_key_cannot_add_pairs_or_lines_to_a_header() {
    let key = "k,sentry_version=5,\n\u{7f}0123456789a".parse().expect("32 characters");
    let header = AuthHeader::new(key).to_string();
    assert_eq!(header, "Sentry sentry_key=k_sentry_version_5___0123456789a, sentry_version=7");
    let sender = by_query(&AuthHeader::new(key).to_query()).expect("a query holds any key");
    assert_eq!(sender.map(|sender| sender.key), Some(key));
}

#[test]
fn a_user_agent_names_product_runtime_and_system_as_far_as_known() {
    let bare = UserAgent { name: "acme.tool", version: "1.2.3", runtime: None, os: None };
    let runtime = UserAgent { runtime: Some(("rust", "1.95")), ..bare };
    let os = UserAgent { os: Some(("Mac OS X", "10.15")), ..bare };
    let both = UserAgent { os: os.os, ..runtime };
    for (agent, text) in [
        (bare, "acme.tool/1.2.3"),
        (runtime, "acme.tool/1.2.3 (rust 1.95)"),
        (os, "acme.tool/1.2.3 (Mac OS X 10.15)"),
        (both, "acme.tool/1.2.3 (rust 1.95; Mac OS X 10.15)"),
    ] {
        assert_eq!(agent.to_string(), text);
    }
}

#[test]
fn a_user_agent_replaces_what_would_change_its_shape() {
    let agent = UserAgent {
        name: "acme/tool x",
        version: "1(2)\n",
        runtime: Some(("r;u(s)t", "1\\2")),
        os: Some(("l\u{ef}nux", "\r\n")),
    };
    assert_eq!(agent.to_string(), "acme_tool_x/1_2__ (r_u_s_t 1_2; l_nux __)");
}
