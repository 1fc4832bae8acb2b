//! Locks, taken up front and always in one order.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect, StatementRequest, TableRef};

/// A statement that locks these tables against everybody until the transaction ends: writers that would otherwise end in a
/// serialization conflict wait for each other instead.
///
/// The tables are locked in the order of their names, so that two transactions that lock the same ones cannot block each
/// other for good. It belongs at the beginning of a transaction, before anything was read.
///
/// ```
/// use twinhouse_redshift::lock_tables;
///
/// let request = lock_tables(&["sales.stock".parse()?, "sales.orders".parse()?])?;
/// assert_eq!(request.sql(), r#"LOCK TABLE "sales"."orders", "sales"."stock""#);
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] if there are no tables, or one has a name that Redshift does not have.
pub fn lock_tables(tables: &[TableRef]) -> Result<StatementRequest> {
    let mut names = tables.iter().map(|table| RedshiftDialect.table(table)).collect::<Result<Vec<_>>>()?;
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "no table to lock is named"));
    }
    Ok(StatementRequest::write(format!("LOCK TABLE {}", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_locked_in_one_order_and_once() {
        let [a, b]: [TableRef; 2] = ["s.b;drop".parse().unwrap(), "s.a".parse().unwrap()];
        let sql = lock_tables(&[a.clone(), b.clone(), a]).unwrap();
        assert_eq!(sql.sql(), r#"LOCK TABLE "s"."a", "s"."b;drop""#);
        assert_eq!(lock_tables(&[]).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
