//! Bombs: bodies of a megabyte or less that decode to gigabytes. A test binary of its own with one test,
//! because it measures the memory of its process.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::process::Command;
use std::{env, fs};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use relay_compression::ContentEncoding::{self, Br, Deflate, Gzip, Zstd};
use relay_compression::{DecodeError, Decoder, decode};

const MIB: usize = 1 << 20;
const TEN_GB: usize = 10_000_000_000;

type Bomb = (&'static str, ContentEncoding, fn() -> Vec<u8>);

const CASE: &str = "BOMB_CASE";

#[test]
fn a_bomb_costs_no_more_than_the_limit_and_four_megabytes() {
    let bombs: [Bomb; 6] = [
        ("gzip", Gzip, gzip),
        ("deflate", Deflate, zlib),
        ("br, window 4 MiB", Br, || brotli(22)),
        ("br, window 16 MiB", Br, || brotli(24)),
        ("zstd, window 1 MiB", Zstd, || zstd(20)),
        ("zstd, window 8 MiB", Zstd, || zstd(23)),
    ];
    let cases = bombs.iter().flat_map(|bomb| [MIB, 4 * MIB, 16 * MIB].map(|limit| (bomb, limit)));
    let chosen = env::var(CASE).ok();
    for (number, ((name, encoding, bomb), limit)) in cases.enumerate() {
        match &chosen {
            // Each case in a process of its own: what one leaves in the heap would hide what the next takes.
            None => {
                let this = env::current_exe().expect("a test is a program");
                let mut command = Command::new(this);
                command.arg("--nocapture").env(CASE, number.to_string());
                assert!(
                    command.status().expect("it can be run again").success(),
                    "{name}, limit {limit}"
                );
            }
            Some(chosen) if *chosen == number.to_string() => {
                let more = refuse(*encoding, bomb().into(), limit);
                println!("{name}, limit {} MiB: {:.1} MB more", limit / MIB, more as f64 / 1e6);
                assert!(more <= limit + 4_000_000, "{more} bytes more");
            }
            Some(_) => {}
        }
    }
}

/// How many bytes of memory it took at most.
fn refuse(encoding: ContentEncoding, bomb: Bytes, limit: usize) -> usize {
    assert!(bomb.len() <= MIB);
    // Forgets the highest value so far.
    fs::write("/proc/self/clear_refs", "5").expect("it is our own");
    let before = resident("VmRSS");
    let refused = DecodeError::TooLarge { limit };
    assert_eq!(decode(encoding, bomb.clone(), limit), Err(refused));
    assert_eq!(in_chunks(encoding, &bomb, limit), Err(refused));
    resident("VmHWM") - before
}

fn in_chunks(encoding: ContentEncoding, bomb: &[u8], limit: usize) -> Result<(), DecodeError> {
    let mut decoder = Decoder::new(encoding, limit);
    for chunk in bomb.chunks(16 * 1024) {
        decoder.write(chunk)?;
    }
    decoder.finish().map(drop)
}

/// A size from `/proc/self/status`, in bytes.
fn resident(field: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find(|line| line.starts_with(field)).expect("Linux counts it");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok());
    kib.expect("a number of KiB") * 1024
}

/// A megabyte that decodes to a gigabyte. Deflate spends two bits on 258 bytes at best, so this is as good as bombs
/// get without nesting; ten gigabytes would take ten megabytes.
fn deflate() -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 16 * MIB]).expect("a Vec takes it");
    encoder.flush().expect("a Vec takes it");
    // The flush ends on a byte, and zeroes look back at zeroes: repeating the bytes repeats what they mean.
    let unit = encoder.get_ref().clone();
    unit.repeat(MIB / unit.len())
}

fn gzip() -> Vec<u8> {
    [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", &deflate()[..]].concat()
}

fn zlib() -> Vec<u8> {
    [b"\x78\xda", &deflate()[..]].concat()
}

/// RFC 8878: blocks that repeat one byte, 128 KiB in four bytes.
fn zstd(window_log: u8) -> Vec<u8> {
    const BLOCK: usize = 128 * 1024;
    const RUN: usize = 1 << 1;
    let blocks = TEN_GB.div_ceil(BLOCK);
    let mut bomb = b"\x28\xb5\x2f\xfd\x00".to_vec();
    bomb.push((window_log - 10) << 3);
    for block in 1..=blocks {
        let is_last = usize::from(block == blocks);
        let header = (BLOCK << 3 | RUN | is_last).to_le_bytes();
        bomb.extend_from_slice(&header[..3]);
        bomb.push(b' ');
    }
    bomb
}

/// RFC 7932: meta-blocks of one literal and one copy of it, 16 MiB in thirteen bytes.
fn brotli(window_log: u64) -> Vec<u8> {
    const META_BLOCK: u64 = 1 << 24;
    let mut bits = Bits::default();
    // WBITS for 18 to 24.
    bits.push(1, 1);
    bits.push(window_log - 17, 3);
    for _ in 0..TEN_GB.div_ceil(META_BLOCK as usize) {
        // ISLAST, MNIBBLES (six), MLEN - 1, ISUNCOMPRESSED.
        bits.push(0, 1);
        bits.push(2, 2);
        bits.push(META_BLOCK - 1, 24);
        bits.push(0, 1);
        // One block type each for literals, commands and distances; NPOSTFIX and NDIRECT zero; context mode;
        // one tree each for literals and distances.
        bits.push(0, 3);
        bits.push(0, 6);
        bits.push(0, 2);
        bits.push(0, 2);
        // Three prefix codes of one symbol: the literal; insert one and copy 2118 + 24 bits; distance 1 + 1 bit.
        for (symbol, width) in [(u64::from(b' '), 8), (399, 10), (16, 6)] {
            bits.push(1, 2);
            bits.push(0, 2);
            bits.push(symbol, width);
        }
        // A code of one symbol takes no bits, so only the extra bits follow.
        bits.push(META_BLOCK - 1 - 2118, 24);
        bits.push(0, 1);
    }
    // ISLAST, ISLASTEMPTY.
    bits.push(3, 2);
    bits.bytes
}

/// Bits, least significant first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn push(&mut self, value: u64, width: u32) {
        for bit in 0..width {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> bit & 1) as u8) << (self.used % 8);
            }
            self.used += 1;
        }
    }
}
