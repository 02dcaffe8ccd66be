//! The JSON that headers are nearly always made of, read in a fraction of the time.
//!
//! Plain is an object without white space between its tokens, without escapes in its strings, with no
//! numbers but short unsigned integers, and not deeply nested. Anything else is not refused here but
//! left to `serde_json`, which therefore alone decides what is an error, and words it.

use std::fmt::{self, Display};

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;

/// Reads a plain value from the start of `text`, and tells its length.
pub(crate) fn read<'de, S: DeserializeSeed<'de>>(
    text: &'de str,
    seed: S,
) -> Option<(S::Value, usize)> {
    let mut plain = Plain::new(text);
    let value = seed.deserialize(&mut plain).ok()?;
    Some((value, plain.offset))
}

/// Reads an object that is all of `text`, plain or not.
pub(crate) fn from_str<'de, V>(text: &'de str, visitor: V) -> Result<V::Value, serde_json::Error>
where
    V: Visitor<'de> + Copy,
{
    let mut plain = Plain::new(text);
    match plain.deserialize_map(visitor) {
        Ok(value) if plain.offset == text.len() => Ok(value),
        _ => serde_json::Deserializer::from_str(text).deserialize_map(visitor),
    }
}

/// A value as JSON text: for both readers what [`RawValue`] is for `serde_json`.
#[derive(Clone, Copy)]
pub(crate) struct Raw<'de>(pub(crate) &'de str);

impl<'de> Deserialize<'de> for Raw<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RawVisitor;

        impl<'de> Visitor<'de> for RawVisitor {
            type Value = Raw<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any valid JSON value")
            }

            // What `serde_json` does with such a type. The plain reader hands out the text itself.
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                json: D,
            ) -> Result<Raw<'de>, D::Error> {
                <&RawValue>::deserialize(json).map(|value| Raw(value.get()))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Raw<'de>, E> {
                Ok(Raw(text))
            }
        }

        deserializer.deserialize_newtype_struct(RAW, RawVisitor)
    }
}

/// The type name that makes [`Plain`] hand out the text of a value.
const RAW: &str = "relay_envelope::Raw";

/// How deep values may nest to be plain.
const DEPTH: u32 = 8;

struct Plain<'de> {
    text: &'de str,
    offset: usize,
    /// How many objects and arrays are open.
    depth: u32,
}

impl<'de> Plain<'de> {
    fn new(text: &'de str) -> Self {
        Self { text, offset: 0, depth: 0 }
    }

    fn rest(&self) -> &'de str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    fn take(&mut self, byte: u8) -> Result<(), NotPlain> {
        if self.peek() != Some(byte) {
            return Err(NotPlain);
        }
        self.offset += 1;
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), NotPlain> {
        if !self.rest().starts_with(word) {
            return Err(NotPlain);
        }
        self.offset += word.len();
        Ok(())
    }

    fn string(&mut self) -> Result<&'de str, NotPlain> {
        self.take(b'"')?;
        let start = self.offset;
        self.offset += unescaped(self.text.as_bytes().get(start..).unwrap_or_default());
        let end = self.offset;
        self.take(b'"')?;
        self.text.get(start..end).ok_or(NotPlain)
    }

    fn number(&mut self) -> Result<u64, NotPlain> {
        let rest = self.rest();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest.get(..digits).unwrap_or_default();
        // What follows may still belong to the number, or be no JSON at all.
        let ends = matches!(rest.as_bytes().get(digits), Some(b',' | b'}' | b']'));
        if !ends || (digits > 1 && number.starts_with('0')) {
            return Err(NotPlain);
        }
        self.offset += digits;
        number.parse().map_err(|_| NotPlain)
    }

    /// Moves on to the next element of an array or object, if there is one.
    fn next(&mut self, first: &mut bool, end: u8) -> Result<bool, NotPlain> {
        match self.peek() {
            Some(byte) if byte == end => {
                self.offset += 1;
                Ok(false)
            }
            _ if *first => {
                *first = false;
                Ok(true)
            }
            _ => self.take(b',').map(|()| true),
        }
    }

    fn key(&mut self) -> Result<&'de str, NotPlain> {
        let key = self.string()?;
        self.take(b':')?;
        Ok(key)
    }

    /// Reads what is in an object or array, of which the opening bracket is next.
    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, NotPlain>,
    ) -> Result<T, NotPlain> {
        if self.depth == DEPTH {
            return Err(NotPlain);
        }
        self.depth += 1;
        self.offset += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn skip(&mut self) -> Result<(), NotPlain> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => self.nested(|plain| {
                let mut first = true;
                while plain.next(&mut first, b'}')? {
                    plain.key()?;
                    plain.skip()?;
                }
                Ok(())
            }),
            Some(b'[') => self.nested(|plain| {
                let mut first = true;
                while plain.next(&mut first, b']')? {
                    plain.skip()?;
                }
                Ok(())
            }),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => self.number().map(drop),
        }
    }
}

/// How many bytes at the start of `bytes` a string holds before it ends or something is escaped.
pub(crate) fn unescaped(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHS: u64 = ONES << 7;
    let mut rest = bytes;
    while let Some((chunk, tail)) = rest.split_first_chunk() {
        // Of each byte the high bit, if it is one to stop at; exact for the first of them.
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * u64::from(b'"'));
        let backslash = word ^ (ONES * u64::from(b'\\'));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let stops = control
            | (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash);
        let stops = stops & HIGHS;
        if stops != 0 {
            return bytes.len() - rest.len() + stops.trailing_zeros() as usize / 8;
        }
        rest = tail;
    }
    let is_stop = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    bytes.len() - rest.len() + rest.iter().position(is_stop).unwrap_or(rest.len())
}

impl<'de> Deserializer<'de> for &mut Plain<'de> {
    type Error = NotPlain;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        match self.peek() {
            Some(b'"') => visitor.visit_borrowed_str(self.string()?),
            Some(b'{') => self.nested(|plain| visitor.visit_map(Members { plain, first: true })),
            Some(b't') => self.word("true").and_then(|()| visitor.visit_bool(true)),
            Some(b'f') => self.word("false").and_then(|()| visitor.visit_bool(false)),
            Some(b'n') => self.word("null").and_then(|()| visitor.visit_unit()),
            // The few arrays that are looked into are not worth the code.
            _ => visitor.visit_u64(self.number()?),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        match self.peek() {
            Some(b'n') => self.word("null").and_then(|()| visitor.visit_none()),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, NotPlain> {
        if name != RAW {
            return self.deserialize_any(visitor);
        }
        let text = self.rest();
        let start = self.offset;
        self.skip()?;
        visitor.visit_borrowed_str(text.get(..self.offset - start).ok_or(NotPlain)?)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Members<'a, 'de> {
    plain: &'a mut Plain<'de>,
    first: bool,
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = NotPlain;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, NotPlain> {
        if !self.plain.next(&mut self.first, b'}')? {
            return Ok(None);
        }
        let key = self.plain.key()?;
        seed.deserialize(de::value::BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, NotPlain> {
        seed.deserialize(&mut *self.plain)
    }
}

/// It may be right all the same.
#[derive(Debug)]
struct NotPlain;

impl de::Error for NotPlain {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

impl std::error::Error for NotPlain {}

impl Display for NotPlain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not plain JSON")
    }
}

#[cfg(test)]
mod tests {
    use std::marker::PhantomData;

    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    #[test]
    fn what_is_not_plain_is_left_to_the_other_reader() {
        for text in [
            "",
            "{",
            "{}x",
            "[]",
            "{ }",
            "{\"a\" :1}",
            "{\"a\":1.0}",
            "{\"a\":-1}",
            "{\"a\":1e1}",
            "{\"a\":01}",
            "{\"a\":\"\\n\"}",
            "{\"a\":\"\n\"}",
            "{\"a\":1,}",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":nul}",
            "{\"a\":truex}",
            "{\"a\":1 }",
            "{\"a\":[1,]}",
            "{\"a\":\"",
            "{\"a\":18446744073709551616}",
            "{\"a\":[[[[[[[[[1]]]]]]]]]}",
        ] {
            let read =
                read(text, PhantomData::<Raw<'_>>).filter(|(_, length)| *length == text.len());
            assert!(read.is_none_or(|_| text == "[]"), "{text}");
        }
    }

    #[test]
    fn strings_end_at_the_first_byte_that_ends_them_wherever_it_is() {
        for stop in [b'"', b'\\', b'\n', 0, 0x1f] {
            for length in 0..40 {
                let mut bytes = "é\u{7f} !zé".repeat(6).into_bytes();
                bytes.truncate(length);
                bytes.push(stop);
                bytes.extend_from_slice(b"\"\\\0abcdefgh");
                assert_eq!(unescaped(&bytes), length);
            }
        }
        assert_eq!(unescaped(b"abcdefghij"), 10);
    }

    proptest! {
        #[test]
        fn what_is_plain_is_read_as_the_other_reader_does(text in "(\\{(\"[a\\\\é]{0,9}\":([{\\[]|\"[^\"]{0,9}\"|[0-9.]{1,3}|true|null)[]},]?){0,3}\\}?){1,3}") {
            if let Some((Raw(raw), length)) = read(&text, PhantomData) {
                let mut values = serde_json::Deserializer::from_str(&text).into_iter::<Map<String, Value>>();
                prop_assert!(values.next().is_some_and(|value| value.is_ok()), "{}", text);
                prop_assert_eq!(values.byte_offset(), length);
                prop_assert_eq!(raw, &text[..length]);
            }
        }
    }
}
