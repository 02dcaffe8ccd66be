//! Minidumps: what crash reporters upload of a process that died (`spec/ingest.md` 3.8).

use std::io::{ErrorKind, Read as _};

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use memchr::memmem;
use relay_compression::Container;
use relay_envelope::{AttachmentType, Envelope};
use relay_pipeline::ItemTooLarge;
use relay_protocol::{EventId, ItemKind};
use serde::Deserialize;

use super::attachments::{file, form_data, read_form};
use super::{Bundle, Request};
use crate::body::BodyError;
use crate::budget::{OverBudget, Reservation};
use crate::multipart::{Form, MAX_BOUNDARY, MAX_HEAD, MAX_PARTS, Part, WhenLarge};
use crate::record::Items;
use crate::rejection::{DumpError, Rejection};

/// The field of the dump.
const DUMP: &str = "upload_file_minidump";

/// What an uploaded dump is called that has no name.
const NAMELESS: &str = "Minidump";

pub(super) async fn read(request: Request<'_>) -> Result<Bundle, Rejection> {
    let media_type = request.head.headers.get(CONTENT_TYPE);
    let is_dump =
        media_type.is_some_and(|ty| ty == "application/octet-stream" || ty == "application/x-dmp");
    let max_dump = request.relay.config.limits.items.max_attachment_size;
    let Form { mut parts, mut memory, skipped_files: (files, bytes) } =
        if is_dump { read_raw(request, max_dump).await? } else { read_parts(request).await? };
    let dump = parts.iter_mut().find(|part| is_dump_part(part)).ok_or(DumpError::Missing)?;
    dump.content = inner_part(&dump.content).await;
    (dump.content, memory) = unpack(dump, memory, max_dump).await?;
    if ![&b"MDMP"[..], b"PMDM"].iter().any(|magic| dump.content.starts_with(magic)) {
        return Err(DumpError::Invalid.into());
    }
    Ok(Bundle {
        envelopes: vec![envelope(parts)?],
        memory,
        left_out: Items::attachments(files, bytes),
    })
}

fn is_dump_part(part: &Part) -> bool {
    part.filename.is_some() && part.name.as_deref() == Some(DUMP)
}

/// The whole body is the dump.
async fn read_raw(mut request: Request<'_>, max_dump: usize) -> Result<Form, Rejection> {
    let received = request.receive(max_dump).await.map_err(|rejection| match rejection {
        Rejection::Body(BodyError::TooLong) => too_large(),
        Rejection::Body(error @ (BodyError::Broken(_) | BodyError::Decode(_))) => {
            DumpError::Body(error).into()
        }
        rejection => rejection,
    })?;
    let part = Part {
        name: Some(DUMP.to_owned()),
        filename: Some(NAMELESS.to_owned()),
        media_type: None,
        content: received.bytes,
    };
    Ok(Form { parts: vec![part], memory: received.memory, skipped_files: (0, 0) })
}

fn too_large() -> Rejection {
    Rejection::TooLarge(ItemTooLarge { kind: ItemKind::Minidump })
}

async fn read_parts(request: Request<'_>) -> Result<Form, Rejection> {
    let limits = request.form_limits(request.max_minidump_body());
    let max_fields = request.relay.config.limits.items.max_event_size;
    let when_large = |name: &str| if name == DUMP { WhenLarge::Refuse } else { WhenLarge::Skip };
    let form = read_form(request, &limits, when_large).await?;
    let fields = form.parts.iter().filter(|part| part.filename.is_none());
    let size: usize = fields.map(|part| part.content.len()).sum();
    if size > max_fields {
        return Err(Rejection::TooLarge(ItemTooLarge { kind: ItemKind::FormData }));
    }
    Ok(form)
}

/// Old Electron puts a form into the part of the dump: its first line with anything on it begins with `--`, and the rest of
/// that line is the boundary. What is no such form stays what it is.
///
/// The parser reads the heads alone: it would copy the contents, and they are here already.
async fn inner_part(content: &Bytes) -> Bytes {
    let mut lines = content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    // A dump has no lines.
    let first = lines.by_ref().take(4).find(|line| !line.is_empty()).unwrap_or_default();
    let boundary = first.strip_prefix(b"--").and_then(|rest| std::str::from_utf8(rest).ok());
    let Some(boundary) = boundary.filter(|name| (1..=MAX_BOUNDARY).contains(&name.len())) else {
        return content.clone();
    };
    let delimiter = format!("\r\n--{boundary}");
    let is_delimiter = memmem::Finder::new(&delimiter);
    let mut rest = content.clone();
    for _ in 0..MAX_PARTS {
        let end_of_head = memmem::find(rest.get(..MAX_HEAD).unwrap_or(&rest), b"\r\n\r\n");
        let Some(end_of_head) = end_of_head else { return content.clone() };
        let head = rest.split_to(end_of_head + 2);
        // With the line break at the end of the head: a part may be empty.
        let Some(end) = is_delimiter.find(&rest) else { return content.clone() };
        if is_head_of_dump(head, boundary).await {
            return rest.slice(2.min(end)..end);
        }
        // The next head begins with the boundary, as the first one did.
        rest.advance(end + 2);
    }
    content.clone()
}

async fn is_head_of_dump(head: Bytes, boundary: &str) -> bool {
    let head = [&head[..], b"\r\n"].concat();
    let mut form = multer::Multipart::new(Once(Some(head.into())), boundary);
    matches!(form.next_field().await, Ok(Some(field)) if field.name() == Some(DUMP))
}

/// A body that is there already.
struct Once(Option<Bytes>);

impl futures_core::Stream for Once {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.take().map(Ok))
    }
}

/// Takes a dump out of its container, once; the container's name loses its ending.
///
/// Beside the sockets: however little comes out of a container, to find that out can take seconds.
async fn unpack(
    dump: &mut Part,
    memory: Reservation,
    max_dump: usize,
) -> Result<(Bytes, Reservation), Rejection> {
    let Some(container) = Container::of(&dump.content) else {
        return Ok((dump.content.clone(), memory));
    };
    let packed = std::mem::take(&mut dump.content);
    let unpacked =
        tokio::task::spawn_blocking(move || unpacked(container, packed, memory, max_dump));
    let unpacked = unpacked.await.map_err(|_| DumpError::Container(ErrorKind::Other.into()))??;
    if let Some(name) = &mut dump.filename
        && let Some(bare) = name.strip_suffix(container.extension())
    {
        *name = bare.to_owned();
    }
    Ok(unpacked)
}

/// Decoded bytes between two looks at the budget.
const STEP: usize = 256 * 1024;

/// The content of a container, paid for while it grows.
fn unpacked(
    container: Container,
    packed: Bytes,
    mut memory: Reservation,
    max_dump: usize,
) -> Result<(Bytes, Reservation), Rejection> {
    let over = |over| match over {
        OverBudget::Ever => too_large(),
        OverBudget::Now => BodyError::from(over).into(),
    };
    memory.grow(container.working_memory()).map_err(over)?;
    let mut content = BytesMut::new();
    let mut step = vec![0; STEP];
    let mut reader = container.reader(&packed).map_err(DumpError::Container)?;
    loop {
        let read = reader.read(&mut step).map_err(DumpError::Container)?;
        if read == 0 {
            break;
        }
        if content.len() + read > max_dump {
            return Err(too_large());
        }
        memory.grow(read).map_err(over)?;
        content.extend_from_slice(step.get(..read).unwrap_or_default());
    }
    drop(reader);
    // The container is gone with this.
    memory.shrink_by(container.working_memory() + packed.len());
    Ok((content.freeze(), memory))
}

/// Files in their order, and then the fields.
fn envelope(parts: Vec<Part>) -> Result<Envelope, Rejection> {
    let event_id = event_id(&parts)?.unwrap_or_else(EventId::random);
    let mut envelope = Envelope::new();
    envelope.header_mut().event_id = Some(event_id.into());
    let (files, fields): (Vec<Part>, Vec<Part>) =
        parts.into_iter().partition(|part| part.filename.is_some());
    let mut is_first = true;
    for part in files {
        let ty = attachment_type(&part);
        let is_the_dump = is_dump_part(&part) && std::mem::take(&mut is_first);
        let mut item = file(part, &ty);
        if is_the_dump {
            item.set_attachment_type(&AttachmentType::Minidump);
            item.set_content_type("application/x-dmp");
        }
        envelope.push(item);
    }
    if let Some(fields) = form_data(&fields) {
        envelope.push(fields);
    }
    Ok(envelope)
}

fn attachment_type(part: &Part) -> AttachmentType {
    let filename = part.filename.as_deref().unwrap_or_default();
    if filename.ends_with(".nv-gpudmp") {
        return AttachmentType::NvGpuDump;
    }
    if filename.ends_with(".nvdbg") {
        return AttachmentType::NvShaderDebug;
    }
    match part.name.as_deref().unwrap_or_default() {
        DUMP => AttachmentType::Minidump,
        "__sentry-event" => AttachmentType::EventPayload,
        "__sentry-breadcrumb1" | "__sentry-breadcrumb2" => AttachmentType::Breadcrumbs,
        "view-hierarchy.json" => AttachmentType::ViewHierarchy,
        _ => AttachmentType::Attachment,
    }
}

/// The part of an event that says which one it is.
#[derive(Deserialize)]
struct EventHead {
    #[serde(default)]
    event_id: Option<EventId>,
}

/// The id of the event as the crash reporter knows it: in its MessagePack, or else in the first field that says so.
fn event_id(parts: &[Part]) -> Result<Option<EventId>, Rejection> {
    for part in parts.iter().filter(|part| part.filename.is_some()) {
        if attachment_type(part) == AttachmentType::EventPayload {
            let head: EventHead = rmp_serde::from_slice(&part.content)
                .map_err(|error| Rejection::MessagePack(error.to_string()))?;
            if head.event_id.is_some() {
                return Ok(head.event_id);
            }
        }
    }
    let fields = parts.iter().filter(|part| part.filename.is_none());
    // What is no id says nothing.
    let ids = fields.map(|field| match field.name.as_deref() {
        Some("sentry") => serde_json::from_slice::<EventHead>(&field.content).ok()?.event_id,
        Some("sentry[event_id]") => std::str::from_utf8(&field.content).ok()?.parse().ok(),
        _ => None,
    });
    Ok(ids.flatten().next())
}
