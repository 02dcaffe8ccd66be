use relay_protocol::{DiscardReason, FilterReason, InvalidReason, ItemKind, Outcome, ReasonCode};

#[test]
fn outcomes_have_the_numbers_and_names_of_the_protocol() {
    use Outcome::*;
    let outcomes =
        [Accepted, Filtered, RateLimited, Invalid, Abuse, ClientDiscard, CardinalityLimited];
    let names: Vec<_> = outcomes.iter().map(|outcome| (outcome.id(), outcome.name())).collect();
    assert_eq!(
        names,
        [
            (0, "accepted"),
            (1, "filtered"),
            (2, "rate_limited"),
            (3, "invalid"),
            (4, "abuse"),
            (5, "client_discard"),
            (6, "cardinality_limited"),
        ],
    );
}

#[test]
fn every_reason_belongs_to_one_kind_of_outcome() {
    let code: ReasonCode = "get_lost".parse().unwrap();
    for (reason, outcome, text) in [
        (DiscardReason::Filtered(FilterReason::WebCrawlers), Outcome::Filtered, "web-crawlers"),
        (
            DiscardReason::Filtered(FilterReason::Generic("my-rule".into())),
            Outcome::Filtered,
            "my-rule",
        ),
        (DiscardReason::RateLimited(Some(code)), Outcome::RateLimited, "get_lost"),
        (DiscardReason::RateLimited(None), Outcome::RateLimited, ""),
        (DiscardReason::TooLarge(ItemKind::Event), Outcome::Invalid, "too_large:event"),
        (
            DiscardReason::TooLarge(ItemKind::Minidump),
            Outcome::Invalid,
            "too_large:attachment:minidump",
        ),
        (DiscardReason::Invalid(InvalidReason::Cors), Outcome::Invalid, "cors"),
    ] {
        assert_eq!((reason.outcome(), reason.as_str()), (outcome, text));
    }
}
