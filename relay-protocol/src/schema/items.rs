//! Many logs, spans or metrics in one payload (spec/schema.md 13.1).

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Described, ReadError, check};
use crate::payload::{Kind, NodeId, NodeRef, Payload, PayloadLimits};

/// The payload of an item that holds many [`Log`](super::Log)s, [`SpanV2`](super::SpanV2)s or
/// [`TraceMetric`](super::TraceMetric)s. The header of the item has to say how many.
///
/// ```
/// use relay_protocol::schema::{Items, Log};
///
/// let log = Log { level: Some("info".to_owned()), body: Some("ready".to_owned()), ..Log::default() };
/// let json = serde_json::to_string(&Items::from(vec![log.clone()]))?;
/// assert_eq!(json, r#"{"version":2,"items":[{"level":"info","body":"ready"}]}"#);
///
/// let items = Items::<Log>::read(json.as_bytes()).expect("what was written can be read");
/// assert_eq!(items.items, [log]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Items<T> {
    /// What relays may infer: from 2 on what [`ingest_settings`](Self::ingest_settings) say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// What relays are to infer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingest_settings: Option<IngestSettings>,
    /// The logs, spans or metrics.
    pub items: Vec<T>,
}

/// What the first relay is to find out from the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IngestSettings {
    /// The address of the client: `auto` or `never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub infer_ip: Option<String>,
    /// The user agent: `auto` or `never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub infer_user_agent: Option<String>,
}

/// Of version 2, in which relays infer nothing unless told to.
impl<T> From<Vec<T>> for Items<T> {
    fn from(items: Vec<T>) -> Self {
        Self { version: Some(2), ingest_settings: None, items }
    }
}

impl<T: Described + DeserializeOwned> Items<T> {
    /// Reads a payload as [`read`](super::read) does. Elements that are no objects are left out, and settings that cannot
    /// be read as well.
    ///
    /// # Errors
    ///
    /// As `read` has them; [`ReadError::NoObject`] also where there is no list of elements.
    pub fn read(body: &[u8]) -> Result<Self, ReadError> {
        let limits = PayloadLimits { max_depth: 120, ..PayloadLimits::default() };
        let mut payload = Payload::parse_within(body, limits)?;
        let root = payload.root();
        let list = payload.get(root, "items").filter(|&list| payload.kind(list) == Kind::Array);
        let list = list.ok_or(ReadError::NoObject)?;
        let elements: Vec<NodeId> = payload.node(list).children().map(NodeRef::id).collect();
        let mut items = Vec::with_capacity(elements.len());
        for element in elements {
            check(&mut payload, element, T::INTERFACE);
            if payload.kind(element) == Kind::Object {
                let json = payload.node(element).to_json();
                items.push(serde_json::from_str(&json).map_err(ReadError::Value)?);
            }
        }
        let node = payload.node(root);
        let settings = node.get("ingest_settings").filter(|it| it.kind() == Kind::Object);
        let ingest_settings = settings.map(|settings| {
            let text = |key| settings.get(key).and_then(NodeRef::as_str).map(str::to_owned);
            IngestSettings {
                infer_ip: text("infer_ip"),
                infer_user_agent: text("infer_user_agent"),
            }
        });
        Ok(Self { version: node.get("version").and_then(NodeRef::as_u64), ingest_settings, items })
    }
}
