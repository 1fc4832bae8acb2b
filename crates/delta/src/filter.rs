//! Conditions that a caller gives, as SQL.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect, Expression};

/// The expression with its values in it. A comment in it ends with it.
pub(crate) fn written(dialect: &dyn Dialect, expression: &Expression) -> Result<String> {
    let sql = expression.sql().trim();
    if sql.is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "an expression is empty; leave it out instead"));
    }
    let sql = dialect.inline(sql, expression.params())?;
    Ok(if sql.contains("--") { format!("\n{sql}\n") } else { sql })
}

/// The expression in brackets. Each has its values put in by itself: the same name may stand for another value in the
/// next one.
pub(crate) fn enclosed(dialect: &dyn Dialect, expression: &Expression) -> Result<String> {
    Ok(format!("({})", written(dialect, expression)?))
}

/// ` WHERE …`, or nothing if there is no condition. All of them must hold.
pub(crate) fn where_clause(dialect: &dyn Dialect, filters: &[Expression]) -> Result<String> {
    if filters.is_empty() {
        return Ok(String::new());
    }
    let filters = filters.iter().map(|filter| enclosed(dialect, filter)).collect::<Result<Vec<_>>>()?;
    Ok(format!(" WHERE {}", filters.join(" AND ")))
}

/// The names, quoted and with commas between them.
pub(crate) fn name_list<'a>(dialect: &dyn Dialect, names: impl IntoIterator<Item = &'a str>) -> Result<String> {
    let names = names.into_iter().map(|name| dialect.quote(name)).collect::<Result<Vec<_>>>()?;
    Ok(names.join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use twinhouse_warehouse_api::DatabricksDialect;

    use super::*;

    #[test]
    fn conditions_stay_in_their_brackets_and_keep_their_own_values() {
        let filters =
            [Expression::new("a = :v or b = 1 -- both").bind("v", 1_i64), Expression::new("c = :v").bind("v", "it's")];
        assert_eq!(
            where_clause(&DatabricksDialect, &filters).unwrap(),
            " WHERE (\na = CAST(1 AS BIGINT) or b = 1 -- both\n) AND (c = 'it\\'s')"
        );
        assert_eq!(where_clause(&DatabricksDialect, &[]).unwrap(), "");
        let empty = where_clause(&DatabricksDialect, &[" ".into()]).unwrap_err();
        assert_eq!(empty.kind(), ErrorKind::InvalidInput);
    }

    proptest! {
        /// A value is one literal: taken out again, nothing but the frame is left.
        #[test]
        fn a_value_never_leaves_its_place(value in ".*") {
            let sql = enclosed(&DatabricksDialect, &Expression::new("c = :v").bind("v", value.as_str())).unwrap();
            let literal = DatabricksDialect.string(&value).unwrap();
            prop_assert!(sql.contains(&literal));
            let frame = sql.replacen(&literal, "", 1);
            prop_assert_eq!(frame.trim_matches(['(', ')', '\n']), "c = ");
        }
    }
}
