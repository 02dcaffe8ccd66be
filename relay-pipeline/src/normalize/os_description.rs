//! What the free texts say that SDKs get from the system about itself (spec/processing.md 3.22).

/// An operating system as its description tells.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Os<'t> {
    pub(super) name: &'t str,
    pub(super) version: Option<&'t str>,
    pub(super) build: Option<&'t str>,
    pub(super) kernel_version: Option<&'t str>,
}

/// The longest description that is looked at, in bytes.
const MAX_DESCRIPTION: usize = 512;

/// Reads the description of an operating system.
pub(super) fn parse_os(text: &str) -> Option<Os<'_>> {
    if text.len() > MAX_DESCRIPTION {
        return None;
    }
    // The order counts: the later ones are less picky.
    windows(text)
        .or_else(|| apple(text, "Mac OS X ", "macOS"))
        .or_else(|| apple(text, "iOS ", "iOS"))
        .or_else(|| apple(text, "iPadOS ", "iPadOS"))
        .or_else(|| distribution(text))
        .or_else(|| uname(text))
        .or_else(|| android(text))
        .or_else(|| text.starts_with("Nintendo Switch").then(|| named("Nintendo OS")))
        .or_else(|| marketing(text))
}

/// Reads the description of a runtime: a name and two to four numbers.
pub(super) fn parse_runtime(text: &str) -> Option<(&str, &str)> {
    if text.len() > MAX_DESCRIPTION {
        return None;
    }
    text.match_indices(' ').find_map(|(at, _)| {
        let version = dotted(&text[at + 1..]).filter(|version| version.contains('.'))?;
        (at > 0).then(|| (&text[..at], version))
    })
}

/// The version of the .NET Framework that has this release number.
pub(super) fn dot_net_version(release: &str) -> Option<&'static str> {
    Some(match release {
        "378389" => "4.5",
        "378675" | "378758" => "4.5.1",
        "379893" => "4.5.2",
        "393295" | "393297" => "4.6",
        "394254" | "394271" => "4.6.1",
        "394802" | "394806" => "4.6.2",
        "460798" | "460805" => "4.7",
        "461308" | "461310" => "4.7.1",
        "461808" | "461814" => "4.7.2",
        "528040" | "528049" | "528209" | "528372" | "528449" => "4.8",
        _ => return None,
    })
}

fn named(name: &str) -> Os<'_> {
    Os { name, ..Os::default() }
}

fn windows(text: &str) -> Option<Os<'_>> {
    let rest = text.strip_prefix("Microsoft ").unwrap_or(text).strip_prefix("Windows ")?;
    let start = rest
        .char_indices()
        .map(|(at, _)| at)
        .find(|&at| dotted(&rest[at..]).is_some_and(|version| version.matches('.').count() >= 2))?;
    let full = dotted(&rest[start..])?;
    let build = full.split('.').nth(2)?;
    let version = match build.parse::<u32>() {
        Ok(2600..=3790) => "XP",
        Ok(6002) => "Vista",
        Ok(7601) => "7",
        Ok(9200) => "8",
        Ok(9600) => "8.1",
        Ok(10240..=19044) => "10",
        Ok(22000..=22999) => "11",
        _ => full,
    };
    Some(Os { version: Some(version), build: Some(build), ..named("Windows") })
}

/// A version, perhaps a build in parentheses.
fn apple<'t>(text: &'t str, prefix: &str, name: &'static str) -> Option<Os<'t>> {
    let rest = text.strip_prefix(prefix)?;
    let version = dotted(rest)?;
    let build = rest[version.len()..].strip_prefix(" (").and_then(|rest| rest.split_once(')'));
    Some(Os { version: Some(version), build: build.map(|(build, _)| build), ..named(name) })
}

/// `Linux 5.10.1 Debian 11`
fn distribution(text: &str) -> Option<Os<'_>> {
    let mut words = text.strip_prefix("Linux ")?.split(' ');
    let kernel = dotted(words.next()?)?;
    let name = words.next().filter(|word| is_letters(word))?;
    let version = dotted(words.next()?)?;
    Some(Os { version: Some(version), kernel_version: Some(kernel), ..named(name) })
}

/// `Linux 5.10.1-generic`
fn uname(text: &str) -> Option<Os<'_>> {
    let (name, rest) = text.split_once(' ').filter(|(name, _)| is_letters(name))?;
    let kernel = dotted(rest).filter(|version| version.contains('.'))?;
    Some(Os { kernel_version: Some(kernel), ..named(name) })
}

/// `Android OS 11 / API-30`
fn android(text: &str) -> Option<Os<'_>> {
    let rest = text.strip_prefix("Android OS ").or_else(|| text.strip_prefix("Android "))?;
    let version = dotted(rest)?;
    let is_api = rest[version.len()..].starts_with(" / API-");
    is_api.then(|| Os { version: Some(version), ..named("Android") })
}

/// `Fedora 36`
fn marketing(text: &str) -> Option<Os<'_>> {
    let (name, version) = text.split_once(' ')?;
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    (is_letters(name) && is_version).then(|| Os { version: Some(version), ..named(name) })
}

fn is_letters(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Up to four numbers with dots between, from the beginning of the text.
fn dotted(text: &str) -> Option<&str> {
    let digits =
        |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let mut length = digits(text);
    if length == 0 {
        return None;
    }
    for _ in 1..4 {
        let Some(rest) = text[length..].strip_prefix('.') else { break };
        match digits(rest) {
            0 => break,
            more => length += 1 + more,
        }
    }
    Some(&text[..length])
}

#[cfg(test)]
mod tests {
    use super::{Os, dot_net_version, named, parse_os, parse_runtime};

    #[test]
    fn descriptions_are_taken_apart() {
        let version = |name, version| Os { version: Some(version), ..named(name) };
        let kernel = |name, version| Os { kernel_version: Some(version), ..named(name) };
        let built = |name, number, build| Os { build: Some(build), ..version(name, number) };
        for (text, os) in [
            ("Microsoft Windows 10.0.19044", built("Windows", "10", "19044")),
            ("Windows NT 6.1.7601", built("Windows", "7", "7601")),
            ("Windows 10 (10.0.19045.1)", built("Windows", "10.0.19045.1", "19045")),
            ("Windows 11 (10.0.22621)", built("Windows", "11", "22621")),
            ("Mac OS X 10.15.0 (abc1)", built("macOS", "10.15.0", "abc1")),
            ("iOS 15.2", version("iOS", "15.2")),
            ("iPadOS 15.2", version("iPadOS", "15.2")),
            (
                "Linux 5.10.1 Debian 11",
                Os { kernel_version: Some("5.10.1"), ..version("Debian", "11") },
            ),
            ("Linux 5.10.1-generic", kernel("Linux", "5.10.1")),
            ("Darwin 20.1", kernel("Darwin", "20.1")),
            ("Android OS 11 / API-30", version("Android", "11")),
            ("Android 4.4.2 / API-19", kernel("Android", "4.4.2")),
            ("Nintendo Switch", named("Nintendo OS")),
            ("Fedora 36", version("Fedora", "36")),
        ] {
            assert_eq!(parse_os(text), Some(os), "{text}");
        }
        for text in ["", "Linux", "é 1", "12 13", "Windows ", "Fedora 36 é"] {
            assert_eq!(parse_os(text), None, "{text}");
        }
    }

    #[test]
    fn runtimes_have_a_name_and_a_version() {
        assert_eq!(
            parse_runtime(".NET Framework 4.8.4250.0"),
            Some((".NET Framework", "4.8.4250.0"))
        );
        assert_eq!(parse_runtime(".NET 6.0.1-rc"), Some((".NET", "6.0.1")));
        assert_eq!(parse_runtime("PHP 8"), None);
        assert_eq!(dot_net_version("461814"), Some("4.7.2"));
    }
}
