use super::node::{KEY_IN_TEXT, Kind, NodeData, NodeId, RAW_IN_TEXT, Span, TEXT_IN_TEXT, TRUE};
use super::number;
use super::{BTreeMap, Payload};

/// How much of a body is read. What lies beyond is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadLimits {
    /// How deep objects and lists may stand in each other. 128 by default.
    pub max_depth: usize,
    /// How many values there may be, those inside objects and lists and these themselves counted alike. A value takes
    /// 48 bytes. 1,000,000 by default.
    pub max_nodes: usize,
}

impl Default for PayloadLimits {
    fn default() -> Self {
        Self { max_depth: 128, max_nodes: 1_000_000 }
    }
}

/// The longest body: positions in it, and in the text that edits add, are kept in 32 bits.
const MAX_SIZE: usize = 1 << 30;

/// Why a body is not a payload. No message repeats the body; `offset` counts its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParsePayloadError {
    /// The body is not UTF-8.
    #[error("invalid UTF-8 at byte {offset}")]
    Utf8 {
        /// Where the first byte stands that is not.
        offset: usize,
    },
    /// The body is not one JSON text.
    #[error("invalid JSON at byte {offset}: {expected}")]
    Syntax {
        /// Where it is broken.
        offset: usize,
        /// What would have been right there.
        expected: &'static str,
    },
    /// Objects and lists stand in each other deeper than [`PayloadLimits::max_depth`].
    #[error("nested too deeply at byte {offset}")]
    Depth {
        /// Where the one begins that is too many.
        offset: usize,
    },
    /// There are more values than [`PayloadLimits::max_nodes`].
    #[error("too many values at byte {offset}")]
    Nodes {
        /// Where the one begins that is too many.
        offset: usize,
    },
    /// The body has more than 1 GiB.
    #[error("larger than 1 GiB")]
    Size,
}

pub(super) fn parse(body: &[u8], limits: PayloadLimits) -> Result<Payload<'_>, ParsePayloadError> {
    if body.len() > MAX_SIZE {
        return Err(ParsePayloadError::Size);
    }
    let source = std::str::from_utf8(body)
        .map_err(|error| ParsePayloadError::Utf8 { offset: error.valid_up_to() })?;
    // SDKs write about one value per 25 bytes; what is too little grows.
    let mut nodes = Vec::with_capacity((source.len() / 24).min(limits.max_nodes) + 4);
    nodes.push(NodeData::NOBODY);
    let mut text = String::new();
    Parser { source, bytes: body, at: 0, base: None, limits, nodes: &mut nodes, text: &mut text }
        .document(None)?;
    Ok(Payload {
        source,
        text,
        nodes,
        metas: BTreeMap::new(),
        root: NodeId::ROOT,
        meta_changed: false,
    })
}

/// Reads one JSON text that is in the text buffer from `base` on, too, and appends its nodes under `parent`.
pub(super) fn parse_more(
    payload: &mut Payload<'_>,
    source: &str,
    base: usize,
    limits: PayloadLimits,
) -> Result<NodeId, ParsePayloadError> {
    let before = payload.nodes.len();
    let parsed = Parser {
        source,
        bytes: source.as_bytes(),
        at: 0,
        base: Some(base),
        limits: PayloadLimits {
            max_nodes: limits.max_nodes.saturating_add(before),
            max_depth: limits.max_depth,
        },
        nodes: &mut payload.nodes,
        text: &mut payload.text,
    }
    .document(None);
    if parsed.is_err() {
        payload.nodes.truncate(before);
    }
    parsed
}

struct Parser<'s, 'p> {
    source: &'s str,
    bytes: &'s [u8],
    at: usize,
    /// Where the source begins in the text buffer, if it is a part of that.
    base: Option<usize>,
    limits: PayloadLimits,
    nodes: &'p mut Vec<NodeData>,
    text: &'p mut String,
}

/// Of a string or key: its decoded text.
struct Text {
    span: Span,
    in_text: bool,
}

impl Parser<'_, '_> {
    /// One value with nothing but white space around it. Keeps its place in the tree instead of a stack.
    fn document(mut self, parent: Option<NodeId>) -> Result<NodeId, ParsePayloadError> {
        let root = NodeId::new(self.nodes.len());
        let mut container = parent;
        let mut in_object = false;
        let mut depth = 0;
        let mut key = Text { span: Span::default(), in_text: false };
        loop {
            self.skip_space();
            let start = self.at;
            let mut node = NodeData {
                key: key.span,
                flags: if key.in_text { KEY_IN_TEXT } else { 0 },
                parent: container,
                ..NodeData::NOBODY
            };
            match self.bytes.get(start) {
                Some(b'"') => {
                    node.kind = Kind::String;
                    let text = self.string()?;
                    node.text = text.span;
                    if text.in_text {
                        node.flags |= TEXT_IN_TEXT;
                    }
                }
                Some(b'{' | b'[') => {
                    if depth == self.limits.max_depth {
                        return Err(ParsePayloadError::Depth { offset: start });
                    }
                    let is_object = self.bytes[start] == b'{';
                    node.kind = if is_object { Kind::Object } else { Kind::Array };
                    self.at += 1;
                    self.skip_space();
                    let end = if is_object { b'}' } else { b']' };
                    if self.bytes.get(self.at) == Some(&end) {
                        self.at += 1;
                    } else {
                        depth += 1;
                        container = Some(self.push(node, start)?);
                        in_object = is_object;
                        if is_object {
                            key = self.key()?;
                        } else {
                            key = Text { span: Span::default(), in_text: false };
                        }
                        continue;
                    }
                }
                Some(b'-' | b'0'..=b'9') => {
                    node.kind = Kind::Number;
                    self.number()?;
                    node.text = self.span(start, self.at);
                    if self.base.is_some() {
                        node.flags |= TEXT_IN_TEXT;
                    }
                }
                Some(b't') => {
                    node.kind = Kind::Bool;
                    node.flags |= TRUE;
                    self.literal("true")?;
                }
                Some(b'f') => {
                    node.kind = Kind::Bool;
                    self.literal("false")?;
                }
                Some(b'n') => self.literal("null")?,
                _ => return Err(self.expected("a value")),
            }
            self.push(node, start)?;

            // A value is complete, and with it perhaps what it stands in.
            loop {
                self.skip_space();
                let Some(id) = container else {
                    if self.at < self.bytes.len() {
                        return Err(self.expected("the end"));
                    }
                    return Ok(root);
                };
                match self.bytes.get(self.at) {
                    Some(b',') => {
                        self.at += 1;
                        if in_object {
                            self.skip_space();
                            key = self.key()?;
                        }
                        break;
                    }
                    Some(b'}') if in_object => {}
                    Some(b']') if !in_object => {}
                    _ if in_object => return Err(self.expected("a comma or the end of an object")),
                    _ => return Err(self.expected("a comma or the end of a list")),
                }
                self.at += 1;
                depth -= 1;
                let end = self.span(0, self.at).end;
                let closed = &mut self.nodes[id.index()];
                closed.raw.end = end;
                container = closed.parent;
                in_object = container.is_some_and(|id| self.nodes[id.index()].kind == Kind::Object);
                key = Text { span: Span::default(), in_text: false };
            }
        }
    }

    /// Appends a node to its parent; it reaches from `start` to here.
    fn push(&mut self, mut node: NodeData, start: usize) -> Result<NodeId, ParsePayloadError> {
        if self.nodes.len() > self.limits.max_nodes {
            return Err(ParsePayloadError::Nodes { offset: start });
        }
        let id = NodeId::new(self.nodes.len());
        node.raw = self.span(start, self.at);
        if self.base.is_some() {
            node.flags |= RAW_IN_TEXT;
        }
        if let Some(parent) = node.parent {
            let parent = &mut self.nodes[parent.index()];
            node.previous = parent.last.replace(id);
            match node.previous {
                None => parent.first = Some(id),
                Some(previous) => self.nodes[previous.index()].next = Some(id),
            }
        }
        self.nodes.push(node);
        Ok(id)
    }

    /// A key and the colon after it.
    fn key(&mut self) -> Result<Text, ParsePayloadError> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return Err(self.expected("a key"));
        }
        let key = self.string()?;
        self.skip_space();
        if self.bytes.get(self.at) != Some(&b':') {
            return Err(self.expected("a colon"));
        }
        self.at += 1;
        Ok(key)
    }

    /// A string from its opening quote to behind its closing one.
    fn string(&mut self) -> Result<Text, ParsePayloadError> {
        let start = self.at + 1;
        self.at = skip_plain(self.bytes, start);
        match self.bytes.get(self.at) {
            Some(b'"') => {
                let span = self.span(start, self.at);
                self.at += 1;
                Ok(Text { span, in_text: self.base.is_some() })
            }
            Some(b'\\') => self.decode(start),
            Some(_) => Err(self.expected("no control character")),
            None => Err(self.expected("the end of a string")),
        }
    }

    /// A string that has escapes, the first of them here.
    #[cold]
    fn decode(&mut self, start: usize) -> Result<Text, ParsePayloadError> {
        let decoded = self.text.len();
        let mut plain = start;
        loop {
            self.text.push_str(&self.source[plain..self.at]);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Text { span: Span::new(decoded, self.text.len()), in_text: true });
                }
                Some(b'\\') => {
                    self.at += 1;
                    let char = self.escape()?;
                    self.text.push(char);
                }
                Some(_) => return Err(self.expected("no control character")),
                None => return Err(self.expected("the end of a string")),
            }
            plain = self.at;
            self.at = skip_plain(self.bytes, plain);
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char, ParsePayloadError> {
        let char = match self.bytes.get(self.at) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.expected("an escape")),
        };
        self.at += 1;
        Ok(char)
    }

    fn unicode_escape(&mut self) -> Result<char, ParsePayloadError> {
        let first = self.hex4()?;
        let code = match first {
            0xd800..0xdc00 => {
                if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                    return Err(self.expected("the second half of a surrogate pair"));
                }
                self.at += 2;
                let second = self.hex4()?;
                if !(0xdc00..0xe000).contains(&second) {
                    return Err(self.expected("the second half of a surrogate pair"));
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| self.expected("a character"))
    }

    fn hex4(&mut self) -> Result<u32, ParsePayloadError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.bytes.get(self.at).and_then(|&byte| char::from(byte).to_digit(16));
            code = code << 4 | digit.ok_or_else(|| self.expected("four hex digits"))?;
            self.at += 1;
        }
        Ok(code)
    }

    fn number(&mut self) -> Result<(), ParsePayloadError> {
        let (end, complete) = number::scan(self.bytes, self.at);
        self.at = end;
        if complete { Ok(()) } else { Err(self.expected("a digit")) }
    }

    fn literal(&mut self, literal: &'static str) -> Result<(), ParsePayloadError> {
        if !self.bytes[self.at..].starts_with(literal.as_bytes()) {
            return Err(self.expected("a value"));
        }
        self.at += literal.len();
        Ok(())
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// A range of the source, as a range of the buffer it is in.
    fn span(&self, start: usize, end: usize) -> Span {
        let base = self.base.unwrap_or(0);
        Span::new(base + start, base + end)
    }

    fn expected(&self, expected: &'static str) -> ParsePayloadError {
        ParsePayloadError::Syntax { offset: self.at, expected }
    }
}

/// The first byte from `at` on that is not simply part of a string: a quote, a backslash, a control character, or the
/// end. Eight bytes at a time.
fn skip_plain(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        // Sets the high bit of bytes that are zero (quote, backslash) or below 0x20; a borrow can set one too many
        // behind the first, which alone is looked at.
        let found = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let found = found & HIGH;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_plain_text_is_found_at_every_position() {
        for stop in [b'"', b'\\', 0, 0x1f, b'\n'] {
            for length in 0..24 {
                let mut bytes = vec![0xff; length];
                bytes.extend([stop, b'"', 0x20, 0x7f, 0x80, b'!', b'#', b'[', b']', 0x7f]);
                assert_eq!(skip_plain(&bytes, 0), length, "{stop} at {length}");
            }
        }
        let all: Vec<u8> = (0x20..=0xff).filter(|byte| !b"\"\\".contains(byte)).collect();
        assert_eq!(skip_plain(&all, 0), all.len());
    }
}
