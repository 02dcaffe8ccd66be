use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde_json::Value;

use crate::fields::Fields;
use crate::item_header::{self, ItemHead, key};
use crate::item_type::{AttachmentType, ItemType};
use crate::scalar::Scalar;

/// One item of an envelope: a type, a header with further fields, and a payload.
///
/// An item that was decoded keeps its header as it came, and is written back byte for byte unless
/// something about it is set. An item that was built or changed says its `length`.
///
/// The typed getters read the fields servers know (a value of the wrong type counts as absent, but is
/// written back all the same); [`field`](Self::field) reads any.
///
/// ```
/// use relay_envelope::{Item, ItemType};
///
/// let mut item = Item::new(ItemType::Event, r#"{"message":"hello"}"#);
/// item.set_content_type("application/json");
/// assert_eq!(item.content_type().as_deref(), Some("application/json"));
/// ```
#[derive(Clone)]
pub struct Item {
    ty: ItemType,
    /// The header's JSON text on one line, as long as nothing was set.
    received: Option<Bytes>,
    /// From then on, the header but for `type` and `length`, which follow from the item.
    fields: Fields,
    payload: Bytes,
}

impl Item {
    /// An item with nothing but a type and a payload.
    pub fn new(ty: ItemType, payload: impl Into<Bytes>) -> Self {
        Self { ty, received: None, fields: Fields::default(), payload: payload.into() }
    }

    /// A file to go with an event.
    pub fn attachment(filename: &str, payload: impl Into<Bytes>) -> Self {
        let mut item = Self::new(ItemType::Attachment, payload);
        item.set_field(key::FILENAME, filename);
        item
    }

    /// An item as it was received. `header` is the JSON text `head` was read from, on one line.
    pub(crate) fn received(head: ItemHead, header: Bytes, payload: Bytes) -> Self {
        let mut item =
            Self { ty: head.ty, received: Some(header), fields: Fields::default(), payload };
        if head.alias {
            item.edit();
        }
        item
    }

    /// What this item is.
    pub fn ty(&self) -> &ItemType {
        &self.ty
    }

    /// The payload, never interpreted here.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Replaces the payload.
    pub fn set_payload(&mut self, payload: impl Into<Bytes>) {
        self.payload = payload.into();
        self.edit();
    }

    /// The value of any header key but `type` and `length`, as JSON text.
    pub fn field(&self, key: &str) -> Option<&str> {
        match &self.received {
            Some(json) => item_header::find(json, key),
            None => self.fields.get(key),
        }
    }

    /// Sets any header key but `type` and `length`, which follow from the item itself.
    pub fn set_field(&mut self, key: &str, value: impl Into<Value>) {
        if !item_header::is_derived(key) {
            self.edit().insert(key, value);
        }
    }

    /// The media type of the payload.
    pub fn content_type(&self) -> Option<Cow<'_, str>> {
        self.text(key::CONTENT_TYPE)
    }

    /// Sets the media type of the payload.
    pub fn set_content_type(&mut self, content_type: &str) {
        self.set_field(key::CONTENT_TYPE, content_type);
    }

    /// The name of the file an attachment was.
    pub fn filename(&self) -> Option<Cow<'_, str>> {
        self.text(key::FILENAME)
    }

    /// What kind of attachment this is.
    ///
    /// Items of other types have one only if they say so. An attachment that does not say is an
    /// [`AttachmentType::Attachment`], unless it looks like the dying message of a Nintendo Switch.
    pub fn attachment_type(&self) -> Option<AttachmentType> {
        match self.scalar(key::ATTACHMENT_TYPE) {
            Some(Scalar::Text(name)) => Some(AttachmentType::from(&*name)),
            None | Some(Scalar::Null) => match self.ty {
                ItemType::Attachment if self.is_dying_message() => {
                    Some(AttachmentType::NintendoSwitchDyingMessage)
                }
                ItemType::Attachment => Some(AttachmentType::Attachment),
                _ => None,
            },
            // Alone among the optional keys, this one makes the item an unknown one.
            Some(_) => self.field(key::ATTACHMENT_TYPE).map(AttachmentType::from),
        }
    }

    /// Sets what kind of attachment this is.
    pub fn set_attachment_type(&mut self, attachment_type: &AttachmentType) {
        self.set_field(key::ATTACHMENT_TYPE, attachment_type.as_str());
    }

    /// How many elements a container holds.
    pub fn item_count(&self) -> Option<u32> {
        self.number(key::ITEM_COUNT)
    }

    /// Sets how many elements a container holds.
    pub fn set_item_count(&mut self, count: u32) {
        self.set_field(key::ITEM_COUNT, count);
    }

    /// The platform of a profile.
    pub fn platform(&self) -> Option<Cow<'_, str>> {
        self.text(key::PLATFORM)
    }

    /// How many child spans a transaction has.
    pub fn span_count(&self) -> Option<u32> {
        self.number(key::SPAN_COUNT)
    }

    /// Whether the transaction of a profile was sampled, as it is when nothing is said.
    pub fn sampled(&self) -> bool {
        self.flag(key::SAMPLED).unwrap_or(true)
    }

    /// Whether the event went through all of normalisation. To be believed of trusted relays only.
    pub fn fully_normalized(&self) -> bool {
        self.flag(key::FULLY_NORMALIZED).unwrap_or(false)
    }

    /// How many bytes at the start of the payload of a trace attachment describe it.
    pub fn meta_length(&self) -> Option<u32> {
        self.number(key::META_LENGTH)
    }

    /// Whether this is the attachment of a span: there is a `span_id`, and be it `null`.
    pub fn has_span_id(&self) -> bool {
        self.field(key::SPAN_ID).is_some()
    }

    /// How many bytes the attachment has that this item refers to.
    pub fn attachment_length(&self) -> Option<u64> {
        self.number(key::ATTACHMENT_LENGTH)
    }

    /// The release a raw security report belongs to.
    pub fn release(&self) -> Option<Cow<'_, str>> {
        self.text(key::SENTRY_RELEASE)
    }

    /// The environment a raw security report belongs to.
    pub fn environment(&self) -> Option<Cow<'_, str>> {
        self.text(key::SENTRY_ENVIRONMENT)
    }

    /// Whether this item makes an event of the envelope, which then needs an event id.
    pub fn creates_event(&self) -> bool {
        match self.ty {
            ItemType::Event
            | ItemType::Transaction
            | ItemType::Security
            | ItemType::RawSecurity
            | ItemType::UnrealReport
            | ItemType::Feedback => true,
            ItemType::Attachment => {
                self.attachment_type().is_some_and(|attachment| attachment.creates_event())
            }
            _ => false,
        }
    }

    /// The header as it goes over the wire: JSON on one line, without the line feed.
    pub fn header_json(&self) -> Bytes {
        match &self.received {
            Some(json) => json.clone(),
            None => {
                let mut json = Vec::with_capacity(128);
                self.write_header(&mut json);
                json.into()
            }
        }
    }

    /// Appends the header as JSON on one line, without the line feed.
    pub(crate) fn write_header(&self, out: &mut Vec<u8>) {
        match &self.received {
            Some(json) => out.extend_from_slice(json),
            None => item_header::write(&self.ty, self.payload.len(), &self.fields, out),
        }
    }

    fn is_dying_message(&self) -> bool {
        self.payload.starts_with(b"sntr") && self.filename().as_deref() == Some("dying_message.dat")
    }

    fn scalar(&self, key: &str) -> Option<Scalar<'_>> {
        serde_json::from_str(self.field(key)?).ok()
    }

    fn text(&self, key: &str) -> Option<Cow<'_, str>> {
        self.scalar(key)?.text().ok()
    }

    fn number<T: TryFrom<u64>>(&self, key: &str) -> Option<T> {
        match self.scalar(key)? {
            Scalar::Unsigned(number) => T::try_from(number).ok(),
            _ => None,
        }
    }

    fn flag(&self, key: &str) -> Option<bool> {
        match self.scalar(key)? {
            Scalar::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    /// The fields to change; from here on the header is written anew.
    fn edit(&mut self) -> &mut Fields {
        if let Some(json) = self.received.take() {
            self.fields = item_header::collect(&json);
        }
        &mut self.fields
    }
}

impl PartialEq for Item {
    /// Items are equal if they say the same, however their headers are written.
    fn eq(&self, other: &Self) -> bool {
        fn fields(item: &Item) -> Cow<'_, Fields> {
            match &item.received {
                Some(json) => Cow::Owned(item_header::collect(json)),
                None => Cow::Borrowed(&item.fields),
            }
        }
        self.ty == other.ty && self.payload == other.payload && fields(self) == fields(other)
    }
}

impl fmt::Debug for Item {
    /// Tells the size of the payload, and nothing of its content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item")
            .field("type", &self.ty)
            .field("payload_bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}
