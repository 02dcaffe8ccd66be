use std::fmt;
use std::str::FromStr;

use crate::UnknownEncoding;

/// A content encoding that Sentry's ingest endpoints read.
///
/// The names are those of `Content-Encoding`, and of the setting that chooses one. They are exact:
/// `GZIP`, `x-gzip` and lists such as `gzip, br` are [`UnknownEncoding`], which a server answers with
/// `415` (ING-069).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentEncoding {
    /// The body as it is.
    Identity,
    /// RFC 1952. Only the first member is read, what follows it is ignored.
    Gzip,
    /// A zlib stream (RFC 1950), which is what HTTP means by `deflate`; never raw deflate.
    Deflate,
    /// Brotli, RFC 7932, windows up to 16 MiB.
    Br,
    /// Zstandard, RFC 8878, windows up to the 8 MiB of RFC 9659. Concatenated frames are all read.
    Zstd,
}

impl ContentEncoding {
    /// The name, as the header spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Br => "br",
            Self::Zstd => "zstd",
        }
    }

    /// Reads the value of a received `Content-Encoding` header; `None` for a request without one.
    ///
    /// More lenient than [`str::parse`]: old Ruby and Android SDKs send an empty value or `UTF-8` with
    /// a plain body (ING-070). Of several header lines the first counts; choosing it is the caller's part.
    ///
    /// ```
    /// use relay_compression::ContentEncoding;
    ///
    /// assert_eq!(ContentEncoding::from_header(Some(b"br")), Ok(ContentEncoding::Br));
    /// assert_eq!(ContentEncoding::from_header(Some(b"UTF-8")), Ok(ContentEncoding::Identity));
    /// assert_eq!(ContentEncoding::from_header(None), Ok(ContentEncoding::Identity));
    /// assert!(ContentEncoding::from_header(Some(b"GZIP")).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// If the value is no name of an encoding, or of several.
    pub fn from_header(value: Option<&[u8]>) -> Result<Self, UnknownEncoding> {
        match value.unwrap_or_default() {
            b"" => Ok(Self::Identity),
            value if value.eq_ignore_ascii_case(b"utf-8") => Ok(Self::Identity),
            value => std::str::from_utf8(value).map_err(|_| UnknownEncoding)?.parse(),
        }
    }
}

impl fmt::Display for ContentEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ContentEncoding {
    type Err = UnknownEncoding;

    fn from_str(name: &str) -> Result<Self, UnknownEncoding> {
        match name {
            "identity" => Ok(Self::Identity),
            "gzip" => Ok(Self::Gzip),
            "deflate" => Ok(Self::Deflate),
            "br" => Ok(Self::Br),
            "zstd" => Ok(Self::Zstd),
            _ => Err(UnknownEncoding),
        }
    }
}
