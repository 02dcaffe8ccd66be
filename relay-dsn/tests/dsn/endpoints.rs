use relay_dsn::{Dsn, Signal};

use crate::dsn;

fn usual() -> Dsn {
    dsn("https://key@sentry.example:8443/team/42")
}

#[test]
fn every_endpoint_has_its_path_after_the_prefix_and_the_project_id() {
    let dsn = usual();
    let base = "https://sentry.example:8443/team/api/42/";
    for (url, path) in [
        (dsn.envelope_url(), "envelope/"),
        (dsn.store_url(), "store/"),
        (dsn.security_url(None, None), "security/?sentry_key=key"),
        (dsn.minidump_url(), "minidump/?sentry_key=key"),
        (dsn.unreal_url(), "unreal/key/"),
        (
            dsn.attachments_url("9ec79c33ec9942ab8353589fcb2e04dc"),
            "events/9ec79c33ec9942ab8353589fcb2e04dc/attachments/",
        ),
        (dsn.cron_url("nightly-backup"), "cron/nightly-backup/key/"),
        (dsn.nel_url(), "nel/?sentry_key=key"),
        (dsn.otlp_url(Signal::Traces), "integration/otlp/v1/traces"),
        (dsn.otlp_url(Signal::Logs), "integration/otlp/v1/logs"),
        (dsn.vercel_logs_url(), "integration/vercel/logs"),
        (dsn.upload_url(), "upload/"),
    ] {
        assert_eq!(url, format!("{base}{path}"));
    }
}

#[test]
fn the_secret_is_in_no_url() {
    let with_secret = dsn("https://key:secret@sentry.example:8443/team/42");
    assert_eq!(with_secret.envelope_url(), usual().envelope_url());
    assert_eq!(with_secret.minidump_url(), usual().minidump_url());
}

#[test]
fn a_security_url_may_name_environment_and_release() {
    let url = usual().security_url(Some("pre production"), Some("shop@1.0+5&6"));
    let query =
        "?sentry_key=key&sentry_environment=pre%20production&sentry_release=shop%401.0%2B5%266";
    assert!(url.ends_with(query), "{url}");
    let url = usual().security_url(None, Some("1.0"));
    assert!(url.ends_with("/security/?sentry_key=key&sentry_release=1.0"), "{url}");
}

#[test]
fn arguments_and_keys_cannot_change_the_shape_of_a_url() {
    let url = usual().cron_url("../a b?c#d/\u{e9}%2f");
    assert!(url.ends_with("/cron/..%2Fa%20b%3Fc%23d%2F%C3%A9%252f/key/"), "{url}");
    let url = dsn("https://k&y%20@host/1").unreal_url();
    assert!(url.ends_with("/unreal/k%26y%2520/"), "{url}");
}
