use std::marker::PhantomData;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeSeed;

use crate::error::{DecodeError, Position};
use crate::header::{EnvelopeHeader, HeaderLine, OwnedHeaderLine};
use crate::item::Item;
use crate::item_header::ItemHead;
use crate::plain;

/// What SDKs send: a header and any number of items.
///
/// Source of the rules: <https://develop.sentry.dev/sdk/data-model/envelopes/>, and the behaviour of
/// the reference where that page is silent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Envelope {
    /// On the heap: it is large, and envelopes are handed on a dozen times.
    header: Box<EnvelopeHeader>,
    items: Vec<Item>,
}

/// How much [`Envelope::decode`] takes. What is exactly at a limit passes.
///
/// # Deviation
///
/// The limit for headers is our own: honest ones have a few hundred bytes, and reading one costs some
/// twenty times its size in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Items per envelope; 500 by default.
    pub max_items: usize,
    /// Bytes of the envelope header, and of each item's; 128 KiB by default.
    pub max_header_size: usize,
    /// Bytes of the whole envelope; 200 MiB by default.
    pub max_size: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_items: 500, max_header_size: 128 * 1024, max_size: 200 * 1024 * 1024 }
    }
}

impl Envelope {
    /// An envelope without items, and with a header that says nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// An envelope of parts made elsewhere; the way back from [`into_parts`](Self::into_parts).
    pub fn from_parts(header: EnvelopeHeader, items: Vec<Item>) -> Self {
        Self { header: Box::new(header), items }
    }

    /// Splits `bytes` into header and items. Payloads stay slices of `bytes`.
    ///
    /// # Errors
    ///
    /// If anything at all is malformed: a bad item fails the whole envelope.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use relay_envelope::{Envelope, Limits};
    ///
    /// let bytes = Bytes::from_static(b"{}\n{\"type\":\"session\"}\n{\"sid\":1}\n");
    /// let envelope = Envelope::decode(bytes.clone(), &Limits::default())?;
    /// assert_eq!(envelope.items().len(), 1);
    /// assert_eq!(envelope.encode(), bytes);
    /// # Ok::<(), relay_envelope::DecodeError>(())
    /// ```
    pub fn decode(bytes: Bytes, limits: &Limits) -> Result<Self, DecodeError> {
        if bytes.len() > limits.max_size {
            return Err(DecodeError::TooLarge { limit: limits.max_size });
        }
        let mut envelope = Self::default();
        let mut reader = Reader { bytes, offset: 0, limits };
        reader.envelope_header(&mut envelope.header)?;
        while reader.offset < reader.bytes.len() {
            envelope.items.push(reader.item(envelope.items.len())?);
        }
        Ok(envelope)
    }

    /// The first line.
    pub fn header(&self) -> &EnvelopeHeader {
        &self.header
    }

    /// The first line, to fill in.
    pub fn header_mut(&mut self) -> &mut EnvelopeHeader {
        &mut self.header
    }

    /// The items in their order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The items, to change one by one.
    pub fn items_mut(&mut self) -> &mut [Item] {
        &mut self.items
    }

    /// Appends an item.
    pub fn push(&mut self, item: Item) {
        self.items.push(item);
    }

    /// Keeps the items for which `keep` says so.
    pub fn retain(&mut self, keep: impl FnMut(&Item) -> bool) {
        self.items.retain(keep);
    }

    /// Takes the envelope apart.
    pub fn into_parts(self) -> (EnvelopeHeader, Vec<Item>) {
        (*self.header, self.items)
    }

    /// The envelope as it goes over the wire.
    ///
    /// Each line and each payload ends in a line feed, the last included. Envelopes that were written
    /// by this function decode and encode to the same bytes.
    pub fn encode(&self) -> Bytes {
        let parts = self.encode_parts();
        let mut bytes = Vec::with_capacity(parts.len());
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        bytes.into()
    }

    /// The same bytes as [`encode`](Self::encode), as slices that follow each other: payloads are not
    /// copied, for whoever compresses or writes them anyway.
    pub fn encode_parts(&self) -> EncodedParts<'_> {
        let mut parts = EncodedParts {
            text: Vec::with_capacity(512 + 128 * self.items.len()),
            payloads: Vec::with_capacity(self.items.len()),
        };
        self.header.write(&mut parts.text);
        parts.text.push(b'\n');
        for item in &self.items {
            item.write_header(&mut parts.text);
            parts.text.push(b'\n');
            parts.payloads.push((parts.text.len(), item.payload()));
            parts.text.push(b'\n');
        }
        parts
    }
}

/// An encoded envelope in slices; see [`Envelope::encode_parts`].
#[derive(Clone)]
pub struct EncodedParts<'a> {
    /// Everything but the payloads.
    text: Vec<u8>,
    /// Each payload, and where in `text` it belongs.
    payloads: Vec<(usize, &'a [u8])>,
}

impl EncodedParts<'_> {
    /// The slices in their order. Some may be empty.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let starts = std::iter::once(0).chain(self.payloads.iter().map(|&(end, _)| end));
        let rest = self.payloads.last().map_or(0, |&(end, _)| end);
        starts
            .zip(&self.payloads)
            .flat_map(|(start, &(end, payload))| {
                [self.text.get(start..end).unwrap_or_default(), payload]
            })
            .chain(self.text.get(rest..))
    }

    /// Bytes in all.
    #[expect(clippy::len_without_is_empty, reason = "there is always a header")]
    pub fn len(&self) -> usize {
        self.text.len() + self.payloads.iter().map(|(_, payload)| payload.len()).sum::<usize>()
    }
}

/// Goes through an envelope from front to back.
struct Reader<'a> {
    bytes: Bytes,
    offset: usize,
    limits: &'a Limits,
}

impl Reader<'_> {
    fn envelope_header(&mut self, header: &mut EnvelopeHeader) -> Result<(), DecodeError> {
        self.skip_white_space();
        if self.rest().is_empty() {
            return Err(DecodeError::MissingHeader);
        }
        let at = Position { item: None, offset: self.offset };
        if self.plain(HeaderLine(header)).is_none() {
            let OwnedHeaderLine(read) = self.json(at, |_, source| DecodeError::Header(source))?;
            *header = read;
        }
        self.line_feed(at)
    }

    fn item(&mut self, index: usize) -> Result<Item, DecodeError> {
        self.skip_white_space();
        let at = Position { item: Some(index), offset: self.offset };
        if self.rest().is_empty() {
            return Err(DecodeError::UnexpectedEof { at });
        }
        if index >= self.limits.max_items {
            return Err(DecodeError::TooManyItems { at });
        }
        let item_header = |at, source| DecodeError::ItemHeader { at, source };
        let (head, header): (ItemHead, _) = match self.plain(PhantomData) {
            Some(head) => (head, self.bytes.slice(at.offset..self.offset)),
            None => {
                let head = self.json(at, item_header)?;
                (head, on_one_line(self.bytes.slice(at.offset..self.offset)))
            }
        };
        self.line_feed(at)?;

        let rest = self.rest();
        let length = match &head.length {
            None => memchr::memchr(b'\n', rest).unwrap_or(rest.len()),
            Some(Ok(length)) if *length > rest.len() => {
                return Err(DecodeError::UnexpectedEof { at });
            }
            Some(Ok(length)) => *length,
            Some(Err(text)) => return Err(item_header(at, serde::de::Error::custom(text))),
        };
        let payload = self.bytes.slice(self.offset..self.offset + length);
        self.offset += length;
        self.line_feed(at)?;
        Ok(Item::received(head, header, payload))
    }

    /// Reads a header that is plain, as most are, and stops behind it.
    fn plain<T, S: for<'de> DeserializeSeed<'de, Value = T>>(&mut self, seed: S) -> Option<T> {
        let text = self.header_text();
        let line = memchr::memchr(b'\n', text).and_then(|end| text.get(..end)).unwrap_or(text);
        let (value, length) = plain::read(str::from_utf8(line).ok()?, seed)?;
        self.offset += length;
        Some(value)
    }

    /// Reads any header and stops behind it.
    fn json<T: for<'de> Deserialize<'de>>(
        &mut self,
        at: Position,
        error: fn(Position, serde_json::Error) -> DecodeError,
    ) -> Result<T, DecodeError> {
        let limit = self.limits.max_header_size;
        let text = self.header_text();
        let mut values = serde_json::Deserializer::from_slice(text).into_iter();
        match values.next() {
            Some(Ok(value)) => {
                let length = values.byte_offset();
                self.offset += length;
                Ok(value)
            }
            Some(Err(source)) if source.is_eof() && text.len() < self.rest().len() => {
                Err(DecodeError::HeaderTooLarge { at, limit })
            }
            Some(Err(source)) => Err(error(at, source)),
            None => Err(DecodeError::HeaderTooLarge { at, limit }),
        }
    }

    /// Takes the line feed that ends a header or a payload, and that the end of all may stand for.
    fn line_feed(&mut self, at: Position) -> Result<(), DecodeError> {
        match self.rest().first() {
            None => Ok(()),
            Some(b'\n') => {
                self.offset += 1;
                Ok(())
            }
            Some(_) => Err(DecodeError::MissingNewline { at }),
        }
    }

    fn skip_white_space(&mut self) {
        let is_white_space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        self.offset += self.rest().iter().take_while(is_white_space).count();
    }

    /// As much of the rest as may be a header.
    fn header_text(&self) -> &[u8] {
        let rest = self.rest();
        rest.get(..self.limits.max_header_size).unwrap_or(rest)
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.offset..).unwrap_or_default()
    }
}

/// Drops the line breaks inside of a header: they are white space, and it has to fit on one line.
fn on_one_line(header: Bytes) -> Bytes {
    match memchr::memchr(b'\n', &header) {
        None => header,
        Some(_) => header.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect(),
    }
}
