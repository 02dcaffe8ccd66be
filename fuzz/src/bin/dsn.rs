//! Any text is read as the `url` crate reads it, and what was read survives being written.
#![no_main]

use relay_dsn::{Dsn, ProjectId, ProjectKey, Scheme};
use url::Url;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    let _ = ProjectKey::parse_with_flags(text);
    assert_eq!(ProjectId::from(text).as_str(), text);
    if let Some(Ok(key)) = text.get(..32).map(str::parse::<ProjectKey>) {
        let dsn = Dsn::new(Scheme::Https, key, "sentry.example", None, ProjectId::from(42));
        assert_eq!(dsn.to_string().parse(), Ok(dsn));
    }

    let Ok(dsn) = text.parse::<Dsn>() else { return };
    assert_eq!(dsn.to_string().parse(), Ok(dsn.clone()));
    assert!(!dsn.public_key().is_empty() && !dsn.project_id().as_str().is_empty());

    let url = Url::parse(text).expect("a DSN is a URL");
    assert_eq!(url.scheme(), dsn.scheme().as_str());
    assert_eq!(url.username(), dsn.public_key());
    assert_eq!(url.password(), dsn.secret_key().map(|secret| secret.as_str()));
    assert_eq!(url.host_str(), Some(dsn.host()));
    assert_eq!(url.port_or_known_default(), Some(dsn.port()));
    let path = format!("{}{}", dsn.path_prefix(), dsn.project_id());
    assert_eq!(url.path().trim_end_matches('/'), path);

    let forwarded: Dsn = dsn.to_forwarded().to_string().parse().expect("a forwarded DSN is a DSN");
    assert_eq!(forwarded.secret_key(), None);
    assert_eq!(forwarded.envelope_url(), dsn.envelope_url());
    // A path has no segment of the name `.` or `..`.
    if matches!(dsn.public_key(), "." | "..") {
        return;
    }
    for endpoint in [dsn.envelope_url(), dsn.unreal_url(), dsn.cron_url("a"), dsn.minidump_url()] {
        assert_eq!(Url::parse(&endpoint).map(String::from), Ok(endpoint));
    }
});
