//! Replacements in a statement's text, and the way back from a position in the new text to one in the old.

use std::ops::Range;

/// Replacements in one text; the untouched parts stay as they are, byte for byte.
#[derive(Clone, Debug, Default)]
pub(super) struct Edits(Vec<Edit>);

#[derive(Clone, Debug)]
struct Edit {
    at: Range<usize>,
    with: String,
}

impl Edits {
    pub(super) fn replace(&mut self, at: Range<usize>, with: impl Into<String>) {
        self.0.push(Edit { at, with: with.into() });
    }

    pub(super) fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.replace(at..at, text);
    }

    pub(super) fn remove(&mut self, at: Range<usize>) {
        self.replace(at, "");
    }

    pub(super) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Carries them out on `text[part]`. An edit inside one that was made first is dropped.
    pub(super) fn apply(mut self, text: &str, part: Range<usize>) -> (String, Shifts) {
        // Stable: insertions at one place keep their order, and come before a replacement there.
        self.0.sort_by_key(|edit| (edit.at.start, edit.at.end));
        let mut out = String::with_capacity(part.len() + 64);
        let mut shifts = vec![(0, part.start)];
        let mut done = part.start;
        for edit in self.0 {
            if edit.at.start < done || edit.at.end > part.end {
                continue;
            }
            out.push_str(&text[done..edit.at.start]);
            shifts.push((out.len(), edit.at.start));
            out.push_str(&edit.with);
            done = edit.at.end;
            shifts.push((out.len(), done));
        }
        out.push_str(&text[done..part.end]);
        (out, Shifts(shifts))
    }
}

/// Where parts of the new text came from: (byte in the new, byte in the old), in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Shifts(Vec<(usize, usize)>);

impl Shifts {
    /// The position, in characters from 1, in `old` for one in `new`.
    pub(super) fn original(&self, position: usize, new: &str, old: &str) -> usize {
        let byte = new.char_indices().nth(position.saturating_sub(1)).map_or(new.len(), |(at, _)| at);
        let known = self.0.partition_point(|(at, _)| *at <= byte);
        let Some((new_start, old_start)) = known.checked_sub(1).map(|i| self.0[i]) else { return position };
        let limit = self.0.get(known).map_or(old.len(), |(_, old)| *old);
        let mut there = (old_start + (byte - new_start)).min(limit).min(old.len());
        while !old.is_char_boundary(there) {
            there -= 1;
        }
        old[..there].chars().count() + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_lead_back_across_edits() {
        let old = "select nvl(ä, 1), wrong from t";
        let mut edits = Edits::default();
        edits.replace(7..10, "coalesce");
        edits.insert(0, "/**/");
        let (new, shifts) = edits.apply(old, 0..old.len());
        assert_eq!(new, "/**/select coalesce(ä, 1), wrong from t");
        let position = new.chars().position(|c| c == 'w').expect("there") + 1;
        let there = shifts.original(position, &new, old);
        assert_eq!(old.chars().nth(there - 1), Some('w'));
    }

    #[test]
    fn the_first_of_two_overlapping_edits_wins_and_the_rest_is_untouched() {
        let old = "a b c d";
        let mut edits = Edits::default();
        edits.replace(2..5, "X");
        edits.replace(4..5, "Y");
        assert_eq!(edits.apply(old, 2..7).0, "X d");
    }
}
