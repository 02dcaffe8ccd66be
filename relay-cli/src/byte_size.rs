//! Byte sizes: as `config.yml` spells them (`1048576`, `"1.5 MiB"`, `200kB`), and rounded for people.

use std::fmt;

/// Units in the order in which a size is shown: the largest that divides it wins.
const SHOWN: [(&str, usize); 5] =
    [("MiB", 1 << 20), ("MB", 1_000_000), ("KiB", 1 << 10), ("kB", 1_000), ("B", 1)];

/// The prefixes of 1000 and 1024, by power.
const PREFIXES: &str = "KMGTPEZY";

/// A number of bytes that is shown with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteSize(pub(crate) usize);

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = SHOWN
            .into_iter()
            .find(|(_, factor)| self.0.is_multiple_of(*factor))
            .unwrap_or(("B", 1));
        match self.0 {
            0 => f.write_str("0B"),
            bytes => write!(f, "{}{unit}", bytes / factor),
        }
    }
}

/// A number of bytes for people: three digits or so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rounded(pub(crate) u64);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].into_iter();
        let mut size = self.0 as f64;
        let mut unit = "B";
        // What would be rounded to 1024 belongs to the next unit.
        while size >= 1023.5
            && let Some(next) = units.next()
        {
            size /= 1024.0;
            unit = next;
        }
        let decimals = usize::from(size < 9.95 && unit != "B");
        f.pad(&format!("{size:.decimals$}{unit}"))
    }
}

/// Why a text is not a byte size.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseByteSizeError {
    #[error("a byte size starts with a number, as in 10MiB")]
    NoNumber,
    #[error("unknown unit {0:?}, expected B, kB, MB, GB, … or KiB, MiB, GiB, …")]
    UnknownUnit(String),
    #[error("more bytes than this machine can count")]
    TooLarge,
}

impl std::str::FromStr for ByteSize {
    type Err = ParseByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || fraction.contains('.') || number.ends_with('.') {
            return Err(ParseByteSizeError::NoNumber);
        }
        let factor = factor(unit.trim_start())?;
        let whole: u128 = whole.parse().map_err(|_| ParseByteSizeError::TooLarge)?;
        let bytes = whole.checked_mul(factor).ok_or(ParseByteSizeError::TooLarge)?;
        let bytes =
            bytes.checked_add(part_of(fraction, factor)).ok_or(ParseByteSizeError::TooLarge)?;
        usize::try_from(bytes).map(Self).map_err(|_| ParseByteSizeError::TooLarge)
    }
}

/// Bytes of one unit. Exactly `KB` means 1024, as in the reference; `kB`, `kb` and `Kb` mean 1000.
fn factor(unit: &str) -> Result<u128, ParseByteSizeError> {
    let unknown = || ParseByteSizeError::UnknownUnit(unit.chars().take(16).collect());
    let upper = unit.to_ascii_uppercase();
    let (prefix, base): (&str, u128) = match upper.as_str() {
        "" | "B" => return Ok(1),
        "KB" if unit == "KB" => return Ok(1024),
        upper => match upper.strip_suffix("IB") {
            Some(prefix) => (prefix, 1024),
            None => (upper.strip_suffix('B').ok_or_else(unknown)?, 1000),
        },
    };
    let power = match prefix.len() {
        1 => PREFIXES.find(prefix).ok_or_else(unknown)?,
        _ => return Err(unknown()),
    };
    // 1024^8 has 80 bits.
    (0..power)
        .try_fold(base, |factor, _| factor.checked_mul(base))
        .ok_or(ParseByteSizeError::TooLarge)
}

/// `0.fraction` of `factor`, in whole bytes; digits beyond the 15th change nothing that could be seen.
fn part_of(fraction: &str, factor: u128) -> u128 {
    let digits = fraction.get(..15).unwrap_or(fraction);
    let scale = 10_u128.pow(u32::try_from(digits.len()).unwrap_or_default());
    digits.parse::<u128>().map_or(0, |part| part.saturating_mul(factor) / scale)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(text: &str) -> Result<usize, ParseByteSizeError> {
        text.parse().map(|ByteSize(bytes)| bytes)
    }

    #[test]
    fn units_are_powers_of_1000_and_of_1024_in_any_case() {
        for (text, expected) in [
            ("0", 0),
            ("512", 512),
            ("512B", 512),
            ("512 b", 512),
            ("2MB", 2_000_000),
            ("2 mb", 2_000_000),
            ("2MiB", 2 << 20),
            ("2mib", 2 << 20),
            ("3GB", 3_000_000_000),
            ("1TiB", 1 << 40),
            ("1.5KiB", 1536),
            ("0.5 MB", 500_000),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn only_the_exact_spelling_kb_in_capitals_means_1024() {
        assert_eq!(bytes("1KB"), Ok(1024));
        for text in ["1kB", "1kb", "1Kb"] {
            assert_eq!(bytes(text), Ok(1000), "{text}");
        }
    }

    #[test]
    fn a_size_without_number_or_with_an_unknown_unit_says_so() {
        for text in ["", "MB", "-1", ".5MB", "1.MB", "1.2.3MB"] {
            assert_eq!(bytes(text), Err(ParseByteSizeError::NoNumber), "{text}");
        }
        for (text, unit) in
            [("1foo", "foo"), ("1 XB", "XB"), ("1i", "i"), ("1iB", "iB"), ("1kMB", "kMB")]
        {
            assert_eq!(bytes(text), Err(ParseByteSizeError::UnknownUnit(unit.into())), "{text}");
        }
    }

    #[test]
    fn a_size_nobody_has_is_too_large() {
        for text in
            ["1YiB", "99999999999999999999", &"9".repeat(200), "999999999999999999999999999999ZB"]
        {
            assert_eq!(bytes(text), Err(ParseByteSizeError::TooLarge), "{text}");
        }
    }

    #[test]
    fn the_largest_unit_that_divides_a_size_is_shown() {
        for (size, text) in [
            (0, "0B"),
            (1 << 20, "1MiB"),
            (200 << 20, "200MiB"),
            (2_000_000_000, "2000MB"),
            (10 << 10, "10KiB"),
            (5_000, "5kB"),
            (1_025, "1025B"),
        ] {
            assert_eq!(ByteSize(size).to_string(), text);
        }
    }

    #[test]
    fn a_rounded_size_has_the_digits_that_matter() {
        for (size, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.0KiB"),
            (1500, "1.5KiB"),
            (10 << 10, "10KiB"),
            ((1 << 20) - 1, "1.0MiB"),
            (2_000_000_000, "1.9GiB"),
            (u64::MAX, "16EiB"),
        ] {
            assert_eq!(Rounded(size).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back_as_the_same_size(size: usize) {
            prop_assert_eq!(bytes(&ByteSize(size).to_string()), Ok(size));
        }

        #[test]
        fn no_text_makes_parsing_panic(text in "\\PC*|[0-9.]{0,30} ?[a-zA-Z]{0,4}") {
            let _ = bytes(&text);
        }
    }
}
