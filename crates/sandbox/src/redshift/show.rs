//! SHOW of databases, schemas, tables, columns and keys: what Redshift's own drivers look around with.

use super::lexer::{Kind, Lexed, quote_literal};

/// Something that can be shown.
struct Shown {
    words: &'static [&'static str],
    /// The words before the object that it is in.
    place: &'static [&'static str],
    /// How many parts the object's name has at the most.
    depth: usize,
    /// The view that has the answer.
    view: &'static str,
    /// The column that LIKE looks at.
    like: Option<&'static str>,
    order: &'static str,
    /// How the object's columns begin in the view.
    side: &'static str,
}

const PLAIN: Shown = Shown { words: &[], place: &[], depth: 0, view: "", like: None, order: "", side: "" };
const TABLE: Shown = Shown { place: &["from", "table"], depth: 3, ..PLAIN };

const SHOWN: &[Shown] = &[
    Shown {
        words: &["databases"],
        view: "show_databases",
        like: Some("database_name"),
        order: "database_name",
        ..PLAIN
    },
    Shown {
        words: &["schemas"],
        place: &["from", "database"],
        depth: 1,
        view: "show_schemas",
        like: Some("schema_name"),
        order: "schema_name",
        ..PLAIN
    },
    Shown {
        words: &["tables"],
        place: &["from", "schema"],
        depth: 2,
        view: "show_tables",
        like: Some("table_name"),
        order: "table_name",
        ..PLAIN
    },
    Shown { words: &["columns"], view: "show_columns", like: Some("column_name"), order: "ordinal_position", ..TABLE },
    Shown { words: &["constraints", "primary", "keys"], view: "show_primary_keys", order: "key_seq", ..TABLE },
    Shown {
        words: &["constraints", "foreign", "keys", "exported"],
        view: "show_foreign_keys",
        order: "fk_schema_name, fk_table_name, fk_name, key_seq",
        side: "pk_",
        ..TABLE
    },
    Shown {
        words: &["constraints", "foreign", "keys"],
        view: "show_foreign_keys",
        order: "pk_schema_name, pk_table_name, fk_name, key_seq",
        side: "fk_",
        ..TABLE
    },
];

/// The query that answers; `None` for what is not such a statement.
pub(super) fn query(s: &Lexed<'_>) -> Option<String> {
    let Shown { words, place, depth, view, like, order, side } = SHOWN.iter().find(|shown| s.are(1, shown.words))?;
    let mut at = 1 + words.len();
    let mut conditions = vec!["true".to_owned()];
    if !place.is_empty() {
        if !s.are(at, place) {
            return None;
        }
        at += place.len();
        let end = s.after_name(at);
        let parts: Vec<String> = (at..end).step_by(2).map(|i| s.name(i)).collect();
        if parts.is_empty() || parts.len() > *depth || (*depth == 3 && parts.len() == 1) {
            return None;
        }
        // The database may be left out: then it is the one that is connected.
        let columns = &["database_name", "schema_name", "table_name"][..*depth];
        let named = columns[depth - parts.len()..].iter().zip(&parts);
        conditions.extend(named.map(|(column, name)| format!("{side}{column} = {}", quote_literal(name))));
        at = end;
    }
    if let Some(column) = like
        && s.is(at, "like")
        && s.kind(at + 1) == Some(Kind::Literal)
    {
        conditions.push(format!("{column} LIKE {}", quote_literal(&s.value(at + 1))));
        at += 2;
    }
    let conditions = conditions.join(" AND ");
    (at == s.len()).then(|| format!("SELECT * FROM twinhouse.{view} WHERE {conditions} ORDER BY {order}"))
}

#[cfg(test)]
mod tests {
    use super::{super::lexer::tokens, *};

    fn read(sql: &str) -> Option<String> {
        let tokens = tokens(sql);
        query(&Lexed::new(sql, &tokens))
    }

    #[test]
    fn what_is_shown_is_asked_of_its_view() {
        for (sql, expected) in [
            ("show databases", "SELECT * FROM twinhouse.show_databases WHERE true ORDER BY database_name"),
            (
                "SHOW SCHEMAS FROM DATABASE \"dev\" LIKE 'p%'",
                "SELECT * FROM twinhouse.show_schemas WHERE true AND database_name = 'dev' AND schema_name LIKE 'p%' \
                 ORDER BY schema_name",
            ),
            (
                "show columns from table dev.s.\"T\"",
                "SELECT * FROM twinhouse.show_columns WHERE true AND database_name = 'dev' AND schema_name = 's' \
                 AND table_name = 't' ORDER BY ordinal_position",
            ),
            (
                "show constraints foreign keys exported from table s.t",
                "SELECT * FROM twinhouse.show_foreign_keys WHERE true AND pk_schema_name = 's' AND pk_table_name = 't' \
                 ORDER BY fk_schema_name, fk_table_name, fk_name, key_seq",
            ),
        ] {
            assert_eq!(read(sql).as_deref(), Some(expected), "{sql}");
        }
        for sql in
            ["show tables", "show schemas from x", "show columns from table t", "show grants on table s.t", "show x"]
        {
            assert_eq!(read(sql), None, "{sql}");
        }
    }
}
