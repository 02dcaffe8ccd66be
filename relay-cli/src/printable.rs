//! Words of others, for the terminal.

/// These words without what would steer the terminal, and not too many of them.
pub(crate) fn printable(text: &str) -> String {
    let replace = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(replace).take(400).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_steer_the_terminal_or_flood_it() {
        assert_eq!(printable("\x1b[2Jgone\r\n"), "[2Jgone");
        assert_eq!(printable(&"x".repeat(10_000)).len(), 400);
    }
}
