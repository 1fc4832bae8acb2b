//! What can be told from a statement's text before it is sent: its first words, and whether it is one statement.

use std::ops::Range;

use twinhouse_core::{Error, Result};

/// How many words are kept.
const WORDS: usize = 32;

/// The first words of a statement, in capitals, without comments, quotes and what stands in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    words: Vec<String>,
    several: bool,
    temporary: bool,
}

impl Words {
    pub(crate) fn of(sql: &str) -> Self {
        let mut found = Self { words: Vec::new(), several: false, temporary: false };
        let (mut ended, mut after_place) = (false, false);
        let mut rest = sql;
        while let Some((token, length)) = token(rest) {
            let text = &rest[..length];
            rest = &rest[length..];
            match token {
                Token::Nothing => continue,
                Token::End => ended = true,
                _ if ended => found.several = true,
                Token::Word => {
                    let word = text.to_ascii_uppercase();
                    found.temporary |=
                        after_place && (matches!(word.as_str(), "TEMP" | "TEMPORARY") || word.starts_with('#'));
                    after_place = matches!(word.as_str(), "CREATE" | "LOCAL" | "GLOBAL" | "TABLE" | "EXISTS" | "INTO");
                    if found.words.len() < WORDS {
                        found.words.push(word);
                    }
                }
                Token::Other => {
                    found.temporary |= after_place && text.starts_with("\"#");
                    after_place = false;
                }
            }
        }
        found
    }

    /// What it is told to do: `SELECT`, `COPY`; empty if there is nothing.
    pub(crate) fn verb(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Refuses statements that open or end transactions: the session they would do it on goes back to the pool.
    pub(crate) fn refuse_transaction_control(&self) -> Result<()> {
        match self.verb() {
            verb @ ("BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE") => {
                Err(Error::unsupported("redshift", "transactions are opened with `begin`, not with statements")
                    .with_context("statement", verb.to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// Whether more than one statement stands in the text.
    pub(crate) fn is_several(&self) -> bool {
        self.several
    }

    /// Whether it begins with these words.
    pub(crate) fn begins(&self, words: &[&str]) -> bool {
        self.words.len() >= words.len() && self.words.iter().zip(words).all(|(have, want)| have == want)
    }

    /// Whether these words follow in this order after the first `skip`, with others between them or not.
    pub(crate) fn follow(&self, skip: usize, words: &[&str]) -> bool {
        let mut rest = self.words.iter().skip(skip);
        words.iter().all(|want| rest.any(|have| have == want))
    }

    /// Whether it leaves something on the session that no reset undoes: a temporary table, a prepared statement, another
    /// user or database. What a procedure leaves its text does not say.
    pub(crate) fn spoils_session(&self) -> bool {
        match self.verb() {
            "PREPARE" | "CALL" | "USE" => true,
            "SET" => self.begins(&["SET", "SESSION", "AUTHORIZATION"]),
            "CREATE" | "SELECT" | "WITH" => self.temporary,
            _ => false,
        }
    }
}

/// Where the statements of a text stand, in bytes, without what surrounds them.
pub(crate) fn statements(sql: &str) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    let mut current: Option<Range<usize>> = None;
    while let Some((token, length)) = token(&sql[at..]) {
        let end = at + length;
        match token {
            Token::Nothing => {}
            Token::End => found.extend(current.take()),
            Token::Word | Token::Other => current = Some(current.map_or(at, |open| open.start)..end),
        }
        at = end;
    }
    found.extend(current);
    found
}

/// Where `:name` or `$1` markers stand, in bytes.
pub(crate) fn markers(sql: &str, sign: char) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    let mut before = None;
    while let Some((token, length)) = token(&sql[at..]) {
        let text = &sql[at..at + length];
        // `::` is a cast, not a marker behind a colon.
        if let (Token::Word, Some(start)) = (&token, before)
            && !sql[..start].ends_with(sign)
        {
            found.push(start..at + length);
        }
        before = (matches!(token, Token::Other) && text.starts_with(sign) && length == 1).then_some(at);
        at += length;
    }
    found
}

enum Token {
    Nothing,
    Word,
    Other,
    End,
}

/// The token that `rest` begins with, and its length in bytes.
fn token(rest: &str) -> Option<(Token, usize)> {
    let first = rest.chars().next()?;
    let bytes = rest.as_bytes();
    Some(match (first, bytes.get(1)) {
        ('-', Some(b'-')) => (Token::Nothing, rest.find(['\n', '\r']).unwrap_or(rest.len())),
        ('/', Some(b'*')) => (Token::Nothing, comment(bytes)),
        ('\'', _) => (Token::Other, string(bytes)),
        ('"', _) => (Token::Other, rest[1..].find('"').map_or(rest.len(), |end| end + 2)),
        ('$', _) => (Token::Other, dollar(rest)),
        (';', _) => (Token::End, 1),
        // A bracket before the verb changes nothing.
        ('(' | ')', _) => (Token::Other, 1),
        (c, _) if c.is_ascii_whitespace() => (Token::Nothing, 1),
        (c, _) if is_word(c) || c == '#' => {
            let end = rest[c.len_utf8()..].find(|c| !is_word(c)).map_or(rest.len(), |end| end + c.len_utf8());
            (Token::Word, end)
        }
        (c, _) => (Token::Other, c.len_utf8()),
    })
}

fn is_word(c: char) -> bool {
    c == '_' || c == '$' || c.is_ascii_alphanumeric() || !c.is_ascii()
}

/// Comments nest.
fn comment(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

/// A backslash always escapes here.
fn string(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\'' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn dollar(rest: &str) -> usize {
    let inside = &rest[1..];
    let tag = inside.find(|c| c == '$' || !is_word(c)).unwrap_or(inside.len());
    if inside.starts_with(|c: char| c.is_ascii_digit()) || !inside[tag..].starts_with('$') {
        return 1;
    }
    let open = tag + 2;
    rest[open..].find(&rest[..open]).map_or(rest.len(), |end| open + end + open)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_verb_stands_behind_comments_and_brackets() {
        for (sql, verb) in [
            ("select 1", "SELECT"),
            ("  -- x\n/* a /* b */ c */ (( Select 1))", "SELECT"),
            ("copy t from 's3://x'", "COPY"),
            ("", ""),
            ("-- nothing", ""),
            ("'select'", ""),
        ] {
            assert_eq!(Words::of(sql).verb(), verb, "{sql}");
        }
    }

    #[test]
    fn one_statement_is_told_from_several() {
        for (sql, several) in [
            ("select 1;", false),
            ("select 1; -- done\n ;", false),
            ("select ';'; ", false),
            (r"select 'it\'; drop table x; --'", false),
            ("select \";\"", false),
            ("create procedure p() as $$ begin; end; $$ language plpgsql", false),
            ("select $1; select 2", true),
            ("select 1; drop table x", true),
            ("select 'a''b'; select 2", true),
            ("; select 1", true),
        ] {
            assert_eq!(Words::of(sql).is_several(), several, "{sql}");
        }
    }

    #[test]
    fn markers_are_found_where_they_stand_for_values() {
        let sql = "select :a::int, ':b', x::text, /* :c */ (:d)";
        let found: Vec<_> = markers(sql, ':').into_iter().map(|span| &sql[span]).collect();
        assert_eq!(found, [":a", ":d"]);
        let sql = "select $1::int, '$2', $$ $3 $$, $14";
        let found: Vec<_> = markers(sql, '$').into_iter().map(|span| &sql[span]).collect();
        assert_eq!(found, ["$1", "$14"]);
    }

    #[test]
    fn what_a_reset_does_not_undo_is_seen() {
        for sql in [
            "create temp table a (b int)",
            "CREATE LOCAL TEMPORARY TABLE a (b int)",
            "create table #a (b int)",
            "create table if not exists \"#a\" (b int)",
            "select 1 as x, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 into #y",
            "select a into temp b from c",
            "prepare p as select 1",
            "set session authorization bob",
            "call rebuild_totals()",
            "use sales",
        ] {
            assert!(Words::of(sql).spoils_session(), "{sql}");
        }
        for sql in ["create table temp_x (a int)", "select * from temp", "insert into t select 1", "set x to 1"] {
            assert!(!Words::of(sql).spoils_session(), "{sql}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(sql in "\\PC{0,60}") {
            let _ = Words::of(&sql);
        }

        #[test]
        fn nor_one_made_of_quotes(sql in "[-/*'\"$a1;\\\\(\n ]{0,40}") {
            let several = Words::of(&sql).is_several();
            prop_assert!(several || statements(&sql).len() <= 1);
        }
    }
}
