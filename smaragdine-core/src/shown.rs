//! Text that is not ours, where a person reads it: what would move a cursor, colour a screen or turn the direction of
//! reading is shown as `\x1b` or `\u{202e}`, never sent.

use std::io::{self, Write};

/// The text in one line, without anything that is not seen.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => line.push_str("\\n"),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => line.push_str(&format!("\\x{:02x}", u32::from(character))),
            unseen if is_format(unseen) => line.extend(unseen.escape_unicode()),
            seen => line.push(seen),
        }
    }
    line
}

/// A message of several lines; what it quotes makes no lines of its own but hints.
#[must_use]
pub fn shown_lines(text: &str) -> String {
    text.split("\nhint: ").map(shown).collect::<Vec<_>>().join("\nhint: ")
}

/// Unicode's format characters, and its separators of lines and paragraphs.
fn is_format(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

/// A log that shows what it is told; each write is one entry.
#[derive(Debug)]
pub struct Shown<W>(pub W);

impl<W: Write> Write for Shown<W> {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(entry);
        let ended = text.ends_with('\n');
        let line = shown_lines(text.strip_suffix('\n').unwrap_or(&text));
        self.0.write_all(line.as_bytes())?;
        if ended {
            self.0.write_all(b"\n")?;
        }
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_shown_and_not_sent() {
        for (text, told) in [
            ("net/dense", "net/dense"),
            ("Größe × 层", "Größe × 层"),
            ("\u{1b}]52;c;ZXZpbA==\u{7}", "\\x1b]52;c;ZXZpbA==\\x07"),
            ("a\u{9b}31m", "a\\x9b31m"),
            ("a\rb\nc\td", "a\\x0db\\nc\\x09d"),
            ("\u{202e}cod.exe\u{2066}", "\\u{202e}cod.exe\\u{2066}"),
            ("\u{2028}\u{feff}\u{e0041}", "\\u{2028}\\u{feff}\\u{e0041}"),
        ] {
            assert_eq!(shown(text), told);
        }
    }

    #[test]
    fn a_log_shows_what_it_is_told_one_entry_a_line() {
        let mut log = Shown(Vec::new());
        log.write_all(b"cannot read x\x1b[2J\nINFO serving\n").unwrap();
        log.write_all(b"no end\nhint: wait\n").unwrap();
        assert_eq!(log.0, b"cannot read x\\x1b[2J\\nINFO serving\nno end\nhint: wait\n");
    }
}
