//! SHOW of databases, schemas, tables, columns and keys: what Redshift's own drivers look around with.

use super::lexer::{Kind, Lexed, quote_literal};

/// What can be shown: its words, the words before the object it is in, the object's depth, the view that has the answer,
/// the column that LIKE looks at, the order.
const SHOWN: &[(&[&str], &[&str], usize, &str, &str, &str)] = &[
    (&["databases"], &[], 0, "show_databases", "database_name", "database_name"),
    (&["schemas"], &["from", "database"], 1, "show_schemas", "schema_name", "schema_name"),
    (&["tables"], &["from", "schema"], 2, "show_tables", "table_name", "table_name"),
    (&["columns"], &["from", "table"], 3, "show_columns", "column_name", "ordinal_position"),
    (&["constraints", "primary", "keys"], &["from", "table"], 3, "show_primary_keys", "", "key_seq"),
    (&["constraints", "foreign", "keys", "exported"], &["from", "table"], 3, "show_foreign_keys", "", EXPORTED),
    (&["constraints", "foreign", "keys"], &["from", "table"], 3, "show_foreign_keys", "", IMPORTED),
];
const EXPORTED: &str = "fk_schema_name, fk_table_name, fk_name, key_seq";
const IMPORTED: &str = "pk_schema_name, pk_table_name, fk_name, key_seq";

/// The query that answers; `None` for what is not such a statement.
pub(super) fn query(s: &Lexed<'_>) -> Option<String> {
    let fits = |words: &&[&str]| s.are(1, words);
    let (words, place, depth, view, like, order) = SHOWN.iter().find(|(words, ..)| fits(words))?;
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
        let side = match *order {
            EXPORTED => "pk_",
            IMPORTED => "fk_",
            _ => "",
        };
        let columns = &["database_name", "schema_name", "table_name"][..*depth];
        let named = columns[depth - parts.len()..].iter().zip(&parts);
        conditions.extend(named.map(|(column, name)| format!("{side}{column} = {}", quote_literal(name))));
        at = end;
    }
    if s.is(at, "like") && s.kind(at + 1) == Some(Kind::Literal) && !like.is_empty() {
        conditions.push(format!("{like} LIKE {}", quote_literal(&s.value(at + 1))));
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
