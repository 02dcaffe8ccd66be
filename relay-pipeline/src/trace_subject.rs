//! What conditions can ask of a sampling context (spec/processing.md 8.2).

use relay_envelope::SamplingContext;
use relay_protocol::{Field, Subject};

/// The `trace` header of an envelope as conditions see it: the fields of `trace.`.
///
/// ```
/// use relay_envelope::SamplingContext;
/// use relay_pipeline::TraceSubject;
/// use relay_protocol::Condition;
///
/// let mut context = SamplingContext::new(uuid::Uuid::nil(), "e12d836b15bb49d7bbf99e64295d995b".parse()?);
/// context.environment = Some("prod".to_owned());
/// let condition: Condition =
///     serde_json::from_str(r#"{"op":"eq","name":"trace.environment","value":["prod"]}"#)?;
/// assert!(condition.matches(&TraceSubject(&context)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TraceSubject<'a>(pub &'a SamplingContext);

fn text(text: Option<&String>) -> Option<Field<'_>> {
    text.map(|text| Field::from(text.as_str()))
}

/// An empty user is none.
fn user(user: Option<&String>) -> Option<Field<'_>> {
    text(user.filter(|user| !user.is_empty()))
}

impl Subject for TraceSubject<'_> {
    fn field(&self, name: &str) -> Option<Field<'_>> {
        let context = self.0;
        match name.strip_prefix("trace.")? {
            "release" => text(context.release.as_ref()),
            "environment" => text(context.environment.as_ref()),
            "transaction" => text(context.transaction.as_ref()),
            "user.id" => user(context.user_id.as_ref()),
            "user.segment" => user(context.user_segment.as_ref()),
            "replay_id" => context.replay_id.map(Field::from),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_trace_can_be_asked_for_and_nothing_else() {
        let key = "e12d836b15bb49d7bbf99e64295d995b".parse().expect("a key");
        let mut context = SamplingContext::new(uuid::Uuid::nil(), key);
        let names =
            ["release", "environment", "transaction", "user.id", "user.segment", "replay_id"];
        let found = |context: &SamplingContext| {
            let subject = TraceSubject(context);
            names.map(|name| subject.field(&format!("trace.{name}")).is_some())
        };
        assert_eq!(found(&context), [false; 6]);
        for field in [
            &mut context.release,
            &mut context.environment,
            &mut context.transaction,
            &mut context.user_id,
            &mut context.user_segment,
        ] {
            *field = Some("x".to_owned());
        }
        context.replay_id = Some(uuid::Uuid::nil());
        assert_eq!(found(&context), [true; 6]);
        context.user_id = Some(String::new());
        let subject = TraceSubject(&context);
        for name in ["trace.user.id", "release", "event.release", "trace.public_key", "trace."] {
            assert_eq!(subject.field(name), None, "{name}");
        }
    }
}
