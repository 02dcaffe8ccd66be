use bytes::Bytes;
use relay_compression::ContentEncoding::{self, Br, Deflate, Gzip, Identity, Zstd};
use relay_compression::{DecodeError, Decoder, decode};

use crate::{ALL, COMPRESSED, ENVELOPE, encode, mixed};

fn decoded(encoding: ContentEncoding, body: impl Into<Bytes>) -> Result<Bytes, DecodeError> {
    decode(encoding, body.into(), 1 << 20)
}

/// As [`decoded`], but the body arrives byte by byte.
fn dripped(encoding: ContentEncoding, body: &[u8]) -> Result<Bytes, DecodeError> {
    let mut decoder = Decoder::new(encoding, 1 << 20);
    for byte in body.chunks(1) {
        decoder.write(byte)?;
    }
    decoder.finish()
}

#[test]
fn an_identity_body_is_given_back_without_a_copy() {
    let body = Bytes::from(mixed(1000));
    let decoded = decoded(Identity, body.clone()).unwrap();
    assert_eq!(decoded.as_ptr(), body.as_ptr());
}

#[test]
fn ing_068_every_encoding_is_read() {
    // Written by zlib 1.3, brotli 1.1 and zstd 1.5.
    let gzip =
        b"\x1f\x8b\x08\x00\x1e\xfc\x04\x6b\x00\xff\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00";
    let zlib = b"\x78\x9c\xab\xae\x05\x00\x01\x75\x00\xf9";
    let br = b"\x8b\x00\x80\x7b\x7d\x03";
    let zstd = b"\x28\xb5\x2f\xfd\x04\x58\x11\x00\x00\x7b\x7d\xd1\x94\xf2\x7a";
    for (encoding, body) in [(Gzip, &gzip[..]), (Deflate, zlib), (Br, br), (Zstd, zstd)] {
        assert_eq!(decoded(encoding, body).unwrap(), "{}", "{encoding}");
        assert_eq!(dripped(encoding, body).unwrap(), "{}", "{encoding}");
    }
}

#[test]
fn ing_071_a_plain_body_is_corrupt() {
    let reasons = [
        (Gzip, "invalid gzip header"),
        (Deflate, "invalid zlib header"),
        (Br, "invalid brotli data"),
        (Zstd, "Unknown frame descriptor"),
    ];
    for (encoding, expected) in reasons {
        for error in
            [decoded(encoding, ENVELOPE).unwrap_err(), dripped(encoding, ENVELOPE).unwrap_err()]
        {
            let DecodeError::Corrupt { encoding: named, offset, reason } = error else {
                panic!("{error}")
            };
            assert_eq!((named, reason), (encoding, expected));
            assert!(offset < ENVELOPE.len() as u64);
        }
    }
    let error = decoded(Zstd, ENVELOPE).unwrap_err();
    assert_eq!(error.to_string(), "corrupt zstd stream at byte 0: Unknown frame descriptor");
}

#[test]
fn ing_126_the_first_gzip_member_is_read_and_every_zstd_frame() {
    let [first, second] = [&b"{}\n"[..], b"{\"type\":\"event\"}\n"];
    for encoding in [Gzip, Deflate, Br] {
        let body = [encode(encoding, first), encode(encoding, second)].concat();
        assert_eq!(decoded(encoding, body.clone()).unwrap(), first);
        assert_eq!(dripped(encoding, &body).unwrap(), first);
    }
    let body = [encode(Zstd, first), encode(Zstd, b""), encode(Zstd, second)].concat();
    assert_eq!(decoded(Zstd, body.clone()).unwrap(), [first, second].concat());
    assert_eq!(dripped(Zstd, &body).unwrap(), [first, second].concat());
}

#[test]
fn ing_127_what_follows_a_stream_is_ignored_except_after_zstd() {
    for junk in [&b"x"[..], b"xx", &[0; 100], &mixed(100_000)] {
        for encoding in [Gzip, Deflate, Br] {
            let body = [&encode(encoding, ENVELOPE), junk].concat();
            assert_eq!(decoded(encoding, body).unwrap(), ENVELOPE);
        }
        let body = [&encode(Zstd, ENVELOPE), junk].concat();
        assert!(decoded(Zstd, body.clone()).is_err());
        assert!(dripped(Zstd, &body).is_err());
    }
}

#[test]
fn ing_128_no_bytes_are_no_bytes_in_any_encoding() {
    for encoding in ALL {
        assert_eq!(decoded(encoding, "").unwrap(), "");
        let mut decoder = Decoder::new(encoding, 0);
        decoder.write(b"").unwrap();
        assert_eq!(decoder.finish().unwrap(), "");
    }
}

#[test]
fn a_stream_of_nothing_is_no_bytes() {
    for encoding in COMPRESSED {
        assert_eq!(decode(encoding, encode(encoding, b"").into(), 0).unwrap(), "");
    }
}

#[test]
fn a_body_cut_anywhere_is_truncated_and_says_where() {
    for encoding in COMPRESSED {
        let body = encode(encoding, ENVELOPE);
        for length in 1..body.len() {
            let cut = Bytes::copy_from_slice(&body[..length]);
            let error = DecodeError::Truncated { encoding, offset: length as u64 };
            assert_eq!(decoded(encoding, cut.clone()), Err(error));
            assert_eq!(dripped(encoding, &cut), Err(error));
        }
    }
    let error = decoded(Gzip, &b"\x1f\x8b\x08"[..]).unwrap_err();
    assert_eq!(error.to_string(), "gzip stream ends too early, after 3 bytes");
}

#[test]
fn a_wrong_checksum_is_corrupt() {
    for encoding in [Gzip, Deflate] {
        let mut body = encode(encoding, ENVELOPE);
        let at = body.len() - if encoding == Gzip { 8 } else { 4 };
        body[at] ^= 1;
        let error = decoded(encoding, body).unwrap_err();
        assert!(error.to_string().ends_with("checksum mismatch"), "{error}");
    }
}

#[test]
fn raw_deflate_is_corrupt() {
    assert!(matches!(decoded(Deflate, &b"\xab\xae\x05\x00"[..]), Err(DecodeError::Corrupt { .. })));
}

#[test]
fn a_preset_dictionary_is_corrupt() {
    let error = decoded(Deflate, &b"\x78\xbb\x00\x00\x00\x01\xab\xae\x05\x00"[..]).unwrap_err();
    assert!(error.to_string().ends_with("preset dictionary"), "{error}");
}

#[test]
fn a_gzip_header_may_carry_every_optional_field() {
    let plain = encode(Gzip, ENVELOPE);
    let mut body = plain[..3].to_vec();
    body.push(0b0001_1100);
    body.extend_from_slice(&plain[4..10]);
    body.extend_from_slice(b"\x03\x00abcname\0comment\0");
    body.extend_from_slice(&plain[10..]);
    assert_eq!(decoded(Gzip, body.clone()).unwrap(), ENVELOPE);
    assert_eq!(dripped(Gzip, &body).unwrap(), ENVELOPE);
}

#[test]
fn zstd_frames_may_be_skippable() {
    let body = [b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc", &encode(Zstd, ENVELOPE)[..]].concat();
    assert_eq!(decoded(Zstd, body.clone()).unwrap(), ENVELOPE);
    assert_eq!(dripped(Zstd, &body).unwrap(), ENVELOPE);
}

#[test]
fn zstd_windows_are_read_up_to_eight_mib() {
    // Window descriptor, then one raw block of two bytes, the last.
    let frame = |window| [b"\x28\xb5\x2f\xfd\x00", &[window][..], b"\x11\x00\x00{}"].concat();
    assert_eq!(decoded(Zstd, frame(13 << 3)).unwrap(), "{}");
    let error = decoded(Zstd, frame(14 << 3)).unwrap_err();
    assert!(error.to_string().ends_with("Frame requires too much memory for decoding"), "{error}");
}

#[test]
fn large_window_brotli_is_corrupt() {
    let error = decoded(Br, &b"\x11\x1a\x02\x00\x02\x7b\x7d\x03"[..]).unwrap_err();
    assert!(matches!(error, DecodeError::Corrupt { encoding: Br, .. }));
}

#[test]
fn a_claimed_length_is_not_believed() {
    let mut gzip = encode(Gzip, ENVELOPE);
    let length = gzip.len();
    gzip[length - 1] = 0xff;
    assert!(matches!(decoded(Gzip, gzip), Err(DecodeError::Corrupt { .. })));
    // A frame that declares 2^60 bytes and holds two.
    let zstd = b"\x28\xb5\x2f\xfd\xc0\x00\x00\x00\x00\x00\x00\x00\x00\x10\x11\x00\x00{}";
    assert!(decoded(Zstd, &zstd[..]).is_err());
}

#[test]
fn a_zstd_frame_shorter_than_it_declares_is_corrupt_however_it_arrives() {
    // Found by fuzzing: the library overlooks this one if it arrives in pieces.
    let frame = b"\x28\xb5\x2f\xfd\x60\x5a\x00\x01\x00\x00";
    assert!(matches!(decoded(Zstd, &frame[..]), Err(DecodeError::Corrupt { .. })));
    assert!(matches!(dripped(Zstd, frame), Err(DecodeError::Corrupt { .. })));
}

#[test]
fn a_decoder_after_a_failed_one_starts_afresh() {
    for encoding in COMPRESSED {
        let body = encode(encoding, &mixed(300_000));
        decoded(encoding, ENVELOPE).unwrap_err();
        decoded(encoding, body[..body.len() / 2].to_vec()).unwrap_err();
        Decoder::new(encoding, 10).write(&body).unwrap_err();
        assert_eq!(decoded(encoding, body).unwrap(), mixed(300_000));
    }
}

#[test]
fn pieces_are_taken_as_they_come() {
    let plain = mixed(300_000);
    for encoding in ALL {
        let mut decoder = Decoder::new(encoding, plain.len());
        let mut taken = Vec::new();
        for chunk in encode(encoding, &plain).chunks(5000) {
            let mut rest = chunk;
            while !rest.is_empty() {
                decoder.write_some(&mut rest).unwrap();
                let piece = decoder.take();
                assert!(piece.len() <= 64 * 1024);
                taken.extend_from_slice(&piece);
                assert_eq!(decoder.len(), taken.len());
            }
        }
        assert_eq!(decoder.finish().unwrap(), "");
        assert_eq!(taken, plain);
    }
}

#[test]
fn errors_and_debug_say_nothing_of_the_body() {
    let mut decoder = Decoder::new(Identity, 100);
    decoder.write(b"secret").unwrap();
    let debug = format!("{decoder:?}");
    assert_eq!(debug, "Decoder { encoding: Identity, limit: 100, consumed: 6, len: 6, .. }");
}

#[test]
fn a_decoder_can_move_to_another_thread() {
    fn is_send<T: Send>(_: T) {}
    is_send(Decoder::new(Zstd, 1));
}
