//! Patterns with wildcards. No pattern takes longer than its length times that of the text.

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wild {
    /// Any text.
    Many,
    /// Any character.
    One,
    This(char),
}

/// Whether the whole text fits. Wildcards do not stand for the `barrier`.
pub(crate) fn fits(text: &str, pattern: impl Iterator<Item = Wild>, barrier: Option<char>) -> bool {
    let (text, pattern): (Vec<char>, Vec<Wild>) = (text.chars().collect(), pattern.collect());
    let free = |at: usize| text.get(at).is_some_and(|c| Some(*c) != barrier);
    let (mut at, mut part) = (0, 0);
    // What follows the last `Many`, and where it was tried: the next try is one character later.
    let mut last = None;
    loop {
        let fitting = match pattern.get(part) {
            None if at == text.len() => return true,
            None => false,
            Some(Wild::Many) => {
                part += 1;
                last = Some((part, at));
                continue;
            }
            Some(Wild::One) => free(at),
            Some(Wild::This(wanted)) => text.get(at) == Some(wanted),
        };
        (part, at) = match last {
            _ if fitting => (part + 1, at + 1),
            Some((part, tried)) if free(tried) => {
                last = Some((part, tried + 1));
                (part, tried + 1)
            }
            _ => return false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str, pattern: &str, barrier: Option<char>) -> bool {
        let parts = pattern.chars().map(|c| match c {
            '*' => Wild::Many,
            '?' => Wild::One,
            c => Wild::This(c),
        });
        fits(text, parts, barrier)
    }

    #[test]
    fn wildcards_stand_for_what_they_should() {
        for (text, pattern, whole, within) in [
            ("", "", true, true),
            ("", "*", true, true),
            ("", "?", false, false),
            ("abc", "a*c", true, true),
            ("abcbc", "a*bc", true, true),
            ("aab", "*ab*", true, true),
            ("é", "?", true, true),
            ("ab", "a", false, false),
            ("a/b", "a*", true, false),
            ("a/b", "a?b", true, false),
            ("a/b", "*/*", true, true),
            ("xa/ab", "*a*b", true, false),
            ("a/bb/c", "*/b*/c", true, true),
        ] {
            assert_eq!(
                (glob(text, pattern, None), glob(text, pattern, Some('/'))),
                (whole, within),
                "{text} {pattern}"
            );
        }
    }

    #[test]
    fn no_pattern_takes_for_ever() {
        assert!(!glob(&"a".repeat(255), &"*a".repeat(100).replace("*a*a*a", "*a*a*?"), Some('a')));
        assert!(!glob(&"a".repeat(10_000), &format!("{}b", "*a".repeat(60)), None));
    }
}
