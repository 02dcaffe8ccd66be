//! Network errors that browsers report (`spec/ingest.md` 3.12).

use super::{Bundle, Request, mime};
use crate::foreign::Foreign;
use crate::rejection::Rejection;

pub(super) async fn read(mut request: Request<'_>) -> Result<Bundle, Rejection> {
    let media_type = mime(&request.head.headers)?;
    if !["application/json", "application/reports+json"].contains(&media_type.essence_str()) {
        return Err(Rejection::MediaType);
    }
    let received = request.receive(request.relay.config.limits.items.max_container_size).await?;
    Ok(Bundle::of_foreign(received, Foreign::NetworkErrors))
}
