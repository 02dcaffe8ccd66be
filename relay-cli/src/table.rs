//! Tables: aligned columns.

use std::io::{self, Write};

/// Rows under a line of titles; what is printed early does not know how wide later rows are.
pub(crate) struct Table<const N: usize> {
    titles: Option<[&'static str; N]>,
    /// Whether a column is aligned to the right.
    numbers: [bool; N],
    widths: [usize; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A title that ends with `>` is that of a column of numbers.
    pub(crate) fn new(titles: [&'static str; N]) -> Self {
        let numbers = titles.map(|title| title.ends_with('>'));
        let titles = titles.map(|title| title.trim_end_matches('>'));
        let widths = titles.map(|title| title.chars().count());
        Self { titles: Some(titles), numbers, widths, rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: [String; N]) {
        for (width, cell) in self.widths.iter_mut().zip(&row) {
            *width = cell.chars().count().max(*width);
        }
        self.rows.push(row);
    }

    /// Writes the rows there are, the first time with the titles above; nothing if there are none.
    pub(crate) fn write(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        if let Some(titles) = self.titles.take() {
            self.line(out, &titles)?;
        }
        for row in std::mem::take(&mut self.rows) {
            self.line(out, &row.each_ref().map(String::as_str))?;
        }
        Ok(())
    }

    fn line(&self, out: &mut impl Write, cells: &[&str; N]) -> io::Result<()> {
        let mut line = String::new();
        for ((cell, width), is_number) in cells.iter().zip(self.widths).zip(self.numbers) {
            let cell = if is_number { format!("{cell:>width$}") } else { format!("{cell:width$}") };
            line.push_str(&cell);
            line.push_str("  ");
        }
        writeln!(out, "{}", line.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_aligned_to_the_left_and_numbers_to_the_right() {
        let mut table = Table::new(["NAME", "SIZE>", "MORE"]);
        let mut out = Vec::new();
        table.write(&mut out).expect("memory");
        assert!(out.is_empty(), "titles of nothing");
        table.push(["a".to_owned(), "7".to_owned(), String::new()]);
        table.push(["longer".to_owned(), "12345".to_owned(), "x".to_owned()]);
        table.write(&mut out).expect("memory");
        table.push(["é".to_owned(), "1".to_owned(), "y".to_owned()]);
        table.write(&mut out).expect("memory");
        assert_eq!(
            String::from_utf8_lossy(&out),
            "NAME     SIZE  MORE\na           7\nlonger  12345  x\né           1  y\n"
        );
    }
}
