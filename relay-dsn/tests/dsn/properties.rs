use proptest::prelude::*;
use relay_dsn::{Dsn, ProjectId, ProjectKey, Scheme};
use url::Url;

/// DSNs as they are written: nothing in them is there for the reader to change, and no part is `.`, `%2e` or Punycode.
fn canonical() -> impl Strategy<Value = String> {
    let scheme = prop::sample::select(vec!["http", "https"]);
    let user = "[A-Za-z0-9_][A-Za-z0-9._~!$&()*+,-]{0,39}";
    let secret = "(:[A-Za-z0-9_%-]{1,40})?";
    let host = "([a-z][a-z0-9]{0,4}(-[a-z0-9]{1,4})?\\.){0,3}[a-z]{1,8}|127\\.0\\.0\\.[1-9]|\\[2001:db8::[1-9a-f]\\]";
    let port = "(:[1-9][0-9]{3})?";
    let prefix = "(/[a-z0-9_@:-]{1,6}(%20)?){0,3}";
    (scheme, user, secret, host, port, prefix, "[A-Za-z0-9_-]{1,30}").prop_map(
        |(scheme, user, secret, host, port, prefix, id)| {
            format!("{scheme}://{user}{secret}@{host}{port}{prefix}/{id}")
        },
    )
}

/// Text of the alphabet of URLs and a little beyond.
fn anything() -> impl Strategy<Value = String> {
    let part = "[a-zA-Z0-9:@/.%?#\\[\\]\\\\ \t\u{e9}\u{1f600}+~_'\"<>{}|^`=;,&-]{0,12}";
    let scheme =
        prop::sample::select(vec!["", "http:", "HTTPS://", "https://", "http://", "ws://"]);
    prop_oneof![
        (scheme, part, part, part)
            .prop_map(|(scheme, user, host, path)| format!("{scheme}{user}@{host}/{path}")),
        ".{0,40}",
    ]
}

fn keys() -> impl Strategy<Value = ProjectKey> {
    prop_oneof!["[0-9a-f]{32}", "[ -~]{32}", "[\\x00-\\x7f]{32}"]
        .prop_map(|text| text.parse().expect("32 ASCII characters"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn canonical_text_survives_being_read_and_written(text in canonical()) {
        let dsn: Dsn = text.parse().expect("canonical");
        prop_assert_eq!(dsn.to_string(), text);
    }

    #[test]
    fn whatever_is_read_survives_being_written_and_read(text in anything()) {
        if let Ok(dsn) = text.parse::<Dsn>() {
            prop_assert_eq!(dsn.to_string().parse(), Ok(dsn));
        }
    }

    #[test]
    fn a_dsn_for_any_key_and_number_survives_being_written_and_read(
        key in keys(),
        host in "[a-z]{1,8}\\.example|127\\.0\\.0\\.1|\\[::1\\]",
        port in any::<Option<u16>>(),
        project_id in any::<u64>(),
    ) {
        let dsn = Dsn::new(Scheme::Http, key, &host, port, ProjectId::from(project_id));
        prop_assert_eq!(dsn.to_string().parse(), Ok(dsn.clone()));
        prop_assert_eq!(dsn.to_forwarded().to_string().parse(), Ok(dsn.clone()));
        prop_assert_eq!(dsn.project_id().value(), Some(project_id));
        prop_assert_eq!(dsn.project_key(), Ok(key));
        prop_assert_eq!(dsn.host(), host);
    }

    #[test]
    fn every_url_is_as_a_url_parser_would_write_it(text in canonical(), argument in "[^./].{0,20}") {
        let dsn: Dsn = text.parse().expect("canonical");
        for text in [
            dsn.envelope_url(),
            dsn.security_url(Some(&argument), Some(&argument)),
            dsn.unreal_url(),
            dsn.attachments_url(&argument),
            dsn.cron_url(&argument),
        ] {
            let url = Url::parse(&text).expect("a URL");
            prop_assert_eq!(url.as_str(), &text);
            prop_assert_eq!(url.host_str(), Some(dsn.host()));
            for (name, value) in url.query_pairs() {
                let expected = if name == "sentry_key" { dsn.public_key() } else { &argument };
                prop_assert_eq!(value, expected);
            }
        }
    }
}
