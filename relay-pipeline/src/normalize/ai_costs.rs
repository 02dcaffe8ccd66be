//! What calls of AI models cost (step 16).

use relay_protocol::payload::{NodeId, Payload};

use super::place::{filled, is_missing, list, number, object, objects, put_number};
use super::settings::{AiCosts, Settings};

/// Says of every span that tells the tokens of a model with a price what they cost, in the currency of the prices.
pub(super) fn set_costs(event: &mut Payload<'_>, settings: &Settings) {
    if settings.ai_model_metadata.models.is_empty() {
        return;
    }
    let Some(spans) = list(event, event.root(), "spans") else { return };
    for span in objects(event, spans) {
        if let Some(data) = object(event, span, "data")
            && let Some((input, output)) = costs(event, data, settings)
        {
            let total = input + output;
            for (key, cost) in [("input", input), ("output", output), ("total", total)] {
                let key = format!("gen_ai.cost.{key}_tokens");
                if is_missing(event, data, &key) {
                    put_number(event, data, &key, cost);
                }
            }
        }
    }
}

/// What went in and what came out; `None` if nobody knows the model, or it does not tell tokens.
fn costs(event: &Payload<'_>, data: NodeId, settings: &Settings) -> Option<(f64, f64)> {
    let model = ["gen_ai.response.model", "gen_ai.request.model"]
        .into_iter()
        .find_map(|key| filled(event, data, key))?;
    let costs: &AiCosts = settings.ai_model_metadata.costs_of(model)?;
    let tokens = |key: &str| {
        number(event, data, &format!("gen_ai.usage.{key}")).filter(|tokens| *tokens > 0.0)
    };
    let (input, output) = (tokens("input_tokens"), tokens("output_tokens"));
    if input.is_none() && output.is_none() {
        return None;
    }
    let (input, output) = (input.unwrap_or_default(), output.unwrap_or_default());
    // Both are contained in the numbers above, and have prices of their own.
    let cached = tokens("cache_read.input_tokens").unwrap_or_default().min(input);
    let reasoning = tokens("reasoning.output_tokens").unwrap_or_default().min(output);
    // Those written into the cache come on top.
    let written = tokens("cache_creation.input_tokens").unwrap_or_default();
    Some((
        (input - cached) * costs.input_per_token
            + cached * costs.input_cached_per_token
            + written * costs.input_cache_write_per_token,
        (output - reasoning) * costs.output_per_token + reasoning * costs.reasoning_per_token(),
    ))
}
