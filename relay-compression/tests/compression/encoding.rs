use relay_compression::{ContentEncoding, UnknownEncoding};

use crate::ALL;

#[test]
fn a_name_is_read_back_as_it_is_written() {
    for encoding in ALL {
        assert_eq!(encoding.as_str().parse(), Ok(encoding));
        assert_eq!(ContentEncoding::from_header(Some(encoding.as_str().as_bytes())), Ok(encoding));
        assert_eq!(encoding.to_string(), encoding.as_str());
    }
}

#[test]
fn ing_069_names_are_exact() {
    let names = [
        "GZIP",
        "Identity",
        "x-gzip",
        "gzip, gzip",
        "gzip,identity",
        "lz4",
        "x-foo",
        " gzip",
        "gzip ",
    ];
    for name in names {
        assert_eq!(
            ContentEncoding::from_header(Some(name.as_bytes())),
            Err(UnknownEncoding),
            "{name}"
        );
        assert_eq!(name.parse::<ContentEncoding>(), Err(UnknownEncoding), "{name}");
    }
    assert_eq!(ContentEncoding::from_header(Some(b"\xffgzip")), Err(UnknownEncoding));
}

#[test]
fn ing_070_a_received_header_may_be_empty_or_name_a_charset() {
    for value in [None, Some(&b""[..]), Some(b"utf-8"), Some(b"UTF-8"), Some(b"identity")] {
        assert_eq!(ContentEncoding::from_header(value), Ok(ContentEncoding::Identity));
    }
}

#[test]
fn a_setting_may_neither_be_empty_nor_name_a_charset() {
    assert_eq!("".parse::<ContentEncoding>(), Err(UnknownEncoding));
    assert_eq!("utf-8".parse::<ContentEncoding>(), Err(UnknownEncoding));
}

#[test]
fn an_unknown_name_is_not_repeated() {
    assert_eq!(UnknownEncoding.to_string(), "unknown content encoding");
}
