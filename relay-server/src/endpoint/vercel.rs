//! Log drains of Vercel (`spec/ingest.md` 3.12).

use super::{Bundle, Request, content_type};
use crate::foreign::Foreign;
use crate::rejection::Rejection;

pub(super) async fn read(mut request: Request<'_>) -> Result<Bundle, Rejection> {
    let media_type = content_type(&request.head.headers).parse().ok();
    let foreign = match media_type.as_ref().map(mime::Mime::essence_str) {
        Some("application/json") => Foreign::VercelLogsJson,
        Some("application/x-ndjson") => Foreign::VercelLogsLines,
        _ => return Err(Rejection::MediaType),
    };
    let received = request.receive(request.relay.config.limits.items.max_container_size).await?;
    Ok(Bundle::of_foreign(received, foreign))
}
