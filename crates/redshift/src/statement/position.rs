//! Where in the caller's text the server found a mistake.

use super::text::markers;

/// A statement as its caller wrote it, and as it was sent. Neither is ever printed.
pub(crate) struct Source {
    written: String,
    /// None if it was sent as written.
    sent: Option<String>,
    /// How many characters of ours stand before it.
    skipped: usize,
    /// How many lines stand before it in a longer text, and how many characters in its first line.
    origin: (usize, usize),
}

impl Source {
    pub(crate) fn new(written: &str, sent: &str) -> Self {
        Self {
            written: written.to_owned(),
            sent: (written != sent).then(|| sent.to_owned()),
            skipped: 0,
            origin: (0, 0),
        }
    }

    /// It was sent behind these words of ours.
    pub(crate) fn behind(self, words: &str) -> Self {
        Self { skipped: words.chars().count(), ..self }
    }

    /// It is part of a longer text, which begins with this.
    pub(crate) fn after(self, before: &str) -> Self {
        let last = before.rsplit('\n').next().unwrap_or_default();
        Self { origin: (before.matches('\n').count(), last.chars().count()), ..self }
    }

    /// Line and column, both from 1, of a place in the text as written, for a character of the text as sent, counted from
    /// 1 as the server does. None if that cannot be told.
    pub(crate) fn place(&self, character: &str) -> Option<String> {
        let character = character.parse::<usize>().ok()?.checked_sub(self.skipped + 1)?;
        let at = match &self.sent {
            None => byte_of(&self.written, character)?,
            Some(sent) => self.written_at(sent, byte_of(sent, character)?)?,
        };
        let before = self.written.get(..at)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let column = if line == 1 { column + self.origin.1 } else { column };
        let line = line + self.origin.0;
        Some(format!("line {line}, column {column}"))
    }

    /// What stands between two markers was sent as it was written.
    fn written_at(&self, sent: &str, at: usize) -> Option<usize> {
        let (theirs, ours) = (markers(sent, '$'), markers(&self.written, ':'));
        if theirs.len() != ours.len() {
            return None;
        }
        let passed = theirs.iter().take_while(|marker| marker.start <= at).count();
        let Some(last) = passed.checked_sub(1) else { return Some(at) };
        let (theirs, ours) = (&theirs[last], &ours[last]);
        if at < theirs.end { Some(ours.start) } else { Some((ours.end + (at - theirs.end)).min(self.written.len())) }
    }
}

fn byte_of(text: &str, character: usize) -> Option<usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(character)
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("bytes", &self.written.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_becomes_line_and_column() {
        let source = Source::new("select 'ü',\n  x frm t", "select 'ü',\n  x frm t");
        assert_eq!(source.place("1").as_deref(), Some("line 1, column 1"));
        assert_eq!(source.place("11").as_deref(), Some("line 1, column 11"));
        assert_eq!(source.place("17").as_deref(), Some("line 2, column 5"));
        for none in ["0", "", "x", "999"] {
            assert_eq!(source.place(none), None, "{none}");
        }
    }

    #[test]
    fn a_part_of_a_longer_text_is_found_in_the_whole() {
        let source =
            Source::new("select 1,\n  x", "select 1,\n  x").behind("DECLARE c CURSOR FOR ").after("one;\ntwo; ");
        assert_eq!(source.place("22").as_deref(), Some("line 2, column 6"));
        assert_eq!(source.place("34").as_deref(), Some("line 3, column 3"));
        assert_eq!(source.place("21"), None, "that is ours");
    }

    #[test]
    fn markers_that_were_rewritten_do_not_shift_it() {
        let written = "select :a, ':b', :long_name frm t";
        let sent = "select $1, ':b', $2 frm t";
        let source = Source::new(written, sent);
        let at = |piece: &str| source.place(&(sent.find(piece).unwrap() + 1).to_string()).unwrap();
        assert_eq!(at("$1"), "line 1, column 8");
        assert_eq!(at("':b'"), "line 1, column 12");
        assert_eq!(at("$2"), "line 1, column 18");
        assert_eq!(at("frm"), format!("line 1, column {}", written.find("frm").unwrap() + 1));
    }

    #[test]
    fn where_texts_differ_otherwise_nothing_is_said() {
        assert_eq!(Source::new("copy :a", "copy 'x'").place("3"), None);
    }
}
