//! What the relay sends upstream, read by a parser of its own: sharing the codec would hide its faults.

use serde_json::{Map, Value};

/// An envelope as forwarded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Envelope {
    pub(crate) header: Map<String, Value>,
    pub(crate) items: Vec<Item>,
}

/// One item of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) header: Map<String, Value>,
    pub(crate) payload: Vec<u8>,
}

impl Envelope {
    /// Reads the canonical form only: one line per header, a line feed after each payload.
    pub(crate) fn parse(mut bytes: &[u8]) -> Result<Self, String> {
        let header = header_line(&mut bytes)?;
        let mut items = Vec::new();
        while !bytes.is_empty() {
            let header = header_line(&mut bytes)?;
            let payload = match header.get("length") {
                Some(length) => {
                    let length = length.as_u64().ok_or("a length that is no number")?;
                    let length = usize::try_from(length).map_err(|e| e.to_string())?;
                    let (payload, rest) =
                        bytes.split_at_checked(length).ok_or("a payload that is cut off")?;
                    bytes = rest.strip_prefix(b"\n").ok_or("no line feed after a payload")?;
                    payload
                }
                None => line(&mut bytes)?,
            };
            items.push(Item { header, payload: payload.to_vec() });
        }
        Ok(Self { header, items })
    }

    /// Text of an envelope header, empty when absent.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.header.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The item types in order.
    pub(crate) fn types(&self) -> Vec<&str> {
        self.items.iter().map(|item| item.text("type")).collect()
    }
}

impl Item {
    /// Text of an item header, empty when absent.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.header.get(key).and_then(Value::as_str).unwrap_or_default()
    }
}

fn header_line(bytes: &mut &[u8]) -> Result<Map<String, Value>, String> {
    serde_json::from_slice(line(bytes)?).map_err(|error| format!("a header: {error}"))
}

fn line<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], String> {
    let end = bytes.iter().position(|&byte| byte == b'\n').ok_or("a line without its end")?;
    let line = &bytes[..end];
    *bytes = &bytes[end + 1..];
    Ok(line)
}
