//! The performance score of web pages (spec/processing.md 3.15).

use relay_protocol::payload::Payload;

use super::is_transaction;
use super::measurements::{put, value};
use super::place::{make_object, object, put_text};
use super::settings::{ScoreComponent, ScoreProfile, Settings};

/// Rates the measurements of a transaction by the first profile that is about it.
pub(super) fn score(payload: &mut Payload<'_>, settings: &Settings) {
    let profiles = &settings.performance_score.profiles;
    if profiles.is_empty() || !is_transaction(payload) {
        return;
    }
    let root = payload.root();
    let Some(measurements) = object(payload, root, "measurements") else { return };
    let subject = relay_protocol::EventSubject::new(payload.node(root));
    let Some(profile) = profiles.iter().find(|profile| profile.applies_to(&subject)) else {
        return;
    };
    let weighted = |component: &&ScoreComponent| component.weight > 0.0;
    let mut present = Vec::new();
    for component in profile.score_components.iter().filter(weighted) {
        match value(payload, measurements, &component.measurement) {
            Some(value) => present.push((component, value)),
            None if component.optional => {}
            None => return,
        }
    }
    let weights: f64 = present.iter().map(|(component, _)| component.weight).sum();
    if weights <= 0.0 {
        return;
    }
    let mut total = 0.0;
    for (component, value) in present {
        let name = &component.measurement;
        let weight = component.weight / weights;
        let ratio = rate(component, value);
        total += ratio * weight;
        put(payload, measurements, &format!("score.ratio.{name}"), ratio, "ratio");
        put(payload, measurements, &format!("score.weight.{name}"), weight, "ratio");
        put(payload, measurements, &format!("score.{name}"), ratio * weight, "ratio");
    }
    put(payload, measurements, "score.total", total, "ratio");
    note_version(payload, profile);
}

fn note_version(payload: &mut Payload<'_>, profile: &ScoreProfile) {
    let Some(version) = &profile.version else { return };
    let Some(contexts) = make_object(payload, payload.root(), "contexts") else { return };
    let Some(context) = make_object(payload, contexts, "performance_score") else { return };
    put_text(payload, context, "score_profile_version", version);
    put_text(payload, context, "type", "performancescore");
}

/// How good a value is, from 0 to 1: the share of a log-normal distribution that is worse, of which the
/// median and the tenth percentile are given.
fn rate(component: &ScoreComponent, value: f64) -> f64 {
    // Half of all values lie below p50, so that a p10 of the same size leaves no spread.
    let sigma = (component.p10.ln() - component.p50.ln()).abs()
        / (std::f64::consts::SQRT_2 * 0.906_193_802_436_823_2);
    let distance = (value.max(0.0).ln() - component.p50.ln()) / (std::f64::consts::SQRT_2 * sigma);
    let ratio = 0.5 * (1.0 - erf(distance));
    if ratio.is_finite() { ratio.clamp(0.0, 1.0) } else { 0.0 }
}

/// The error function, by its series of positive terms (DLMF 7.6.2).
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let mut term = x;
    let mut sum = x;
    let mut n = 0.0;
    while term.abs() > f64::EPSILON * sum.abs() / 4.0 {
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

#[cfg(test)]
mod tests {
    use super::{ScoreComponent, erf, rate};

    #[test]
    fn the_error_function_has_its_known_values() {
        for (x, y) in [
            (0.0, 0.0),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.0, 0.995_322_265_018_952_7),
            (-1.0, -0.842_700_792_949_714_9),
            (7.0, 1.0),
        ] {
            assert!((erf(x) - y).abs() < 1e-14, "{x}");
        }
        assert_eq!(erf(f64::INFINITY), 1.0);
        assert!(erf(f64::NAN).is_nan());
    }

    #[test]
    fn percentiles_rate_as_they_are_called() {
        let component = ScoreComponent {
            measurement: "lcp".to_owned(),
            weight: 1.0,
            p10: 1200.0,
            p50: 2400.0,
            optional: false,
        };
        assert!((rate(&component, 2400.0) - 0.5).abs() < 1e-12);
        assert!((rate(&component, 1200.0) - 0.9).abs() < 1e-9);
        assert_eq!(rate(&component, 0.0), 1.0);
        assert!(rate(&component, 1e9) < 1e-9);
    }
}
