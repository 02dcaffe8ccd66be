//! Containers: compressed files that say themselves what they are, as crash reporters upload them.

use std::fmt;
use std::io::Read;

/// A compressed file by its first bytes.
///
/// ```
/// use std::io::Read as _;
///
/// use relay_compression::Container;
///
/// let dump = b"BZh91AY&SY\xe5\x77\x0b\xd9\x00\x00\x00\x86\x00\x04\x02\x40\x00\x20\x00\x30\xcc\x0c\x7a\x98\x71\x77\x24\x53\x85\x09\x0e\x57\x70\xbd\x90";
/// let container = Container::of(dump).expect("a file of bzip2");
/// assert_eq!(container.extension(), ".bz2");
/// let mut content = Vec::new();
/// container.reader(dump)?.take(1024).read_to_end(&mut content)?;
/// assert_eq!(content, b"MDMP");
/// assert_eq!(Container::of(b"MDMP"), None);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Container {
    /// `1f 8b`
    Gzip,
    /// `fd 37 7a 58 5a 00`
    Xz,
    /// `42 5a 68`
    Bzip2,
    /// `28 b5 2f fd`
    Zstd,
}

/// The largest window that a file may ask for: what `xz -7` and `zstd -19` use at most.
const MAX_WINDOW_LOG: u32 = 24;

impl Container {
    const ALL: [Self; 4] = [Self::Gzip, Self::Xz, Self::Bzip2, Self::Zstd];

    /// What begins with `bytes`.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|container| bytes.starts_with(container.magic()))
    }

    fn magic(self) -> &'static [u8] {
        match self {
            Self::Gzip => b"\x1f\x8b",
            Self::Xz => b"\xfd7zXZ\0",
            Self::Bzip2 => b"BZh",
            Self::Zstd => b"\x28\xb5\x2f\xfd",
        }
    }

    /// How the names of such files end.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Xz => ".xz",
            Self::Bzip2 => ".bz2",
            Self::Zstd => ".zst",
        }
    }

    /// What a [`reader`](Self::reader) takes of memory at most, in bytes, whatever the file says.
    pub fn working_memory(self) -> usize {
        const KIB: usize = 1024;
        match self {
            Self::Gzip => 64 * KIB,
            Self::Bzip2 => 4096 * KIB,
            Self::Xz | Self::Zstd => (1 << MAX_WINDOW_LOG) + 512 * KIB,
        }
    }

    /// Reads what is in the file, from its first byte on. Files that ask for more memory than
    /// [`working_memory`](Self::working_memory) are refused; what the content takes is the caller's business, who stops
    /// reading where it is enough.
    ///
    /// # Errors
    ///
    /// Reading fails where the bytes are not what the format prescribes, or end too early. No message repeats bytes.
    pub fn reader<'a>(self, bytes: &'a [u8]) -> std::io::Result<ContainerReader<'a>> {
        let reader: Box<dyn Read + Send + 'a> = match self {
            Self::Gzip => Box::new(flate2::read::GzDecoder::new(bytes)),
            Self::Bzip2 => Box::new(bzip2::read::BzDecoder::new(bytes)),
            Self::Xz => {
                let kib = self.working_memory() / 1024;
                let kib = u32::try_from(kib).unwrap_or(u32::MAX);
                Box::new(lzma_rust2::XzReader::new_mem_limit(bytes, false, kib))
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
                decoder.window_log_max(MAX_WINDOW_LOG)?;
                Box::new(decoder)
            }
        };
        Ok(ContainerReader(reader))
    }
}

/// The content of a [`Container`].
pub struct ContainerReader<'a>(Box<dyn Read + Send + 'a>);

impl Read for ContainerReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl fmt::Debug for ContainerReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContainerReader(..)")
    }
}
