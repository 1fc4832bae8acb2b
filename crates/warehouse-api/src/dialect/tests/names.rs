use proptest::prelude::*;
use sqlparser::ast::Expr;
use twinhouse_core::ErrorKind;

use super::{BOTH, DatabricksDialect, Dialect, RedshiftDialect, hostile, parsed};
use crate::table::TableRef;

proptest! {
    #[test]
    fn a_quoted_name_reads_back_as_one_name(name in hostile()) {
        for dialect in BOTH {
            let legal = !name.is_empty() && !name.contains('\0') && match dialect.name() {
                "redshift" => name.len() <= 127,
                _ => name.chars().count() <= 255,
            };
            match dialect.quote(&name) {
                Ok(quoted) => {
                    prop_assert!(legal);
                    let Expr::Identifier(read) = parsed(dialect, &quoted) else { panic!("not a name: {quoted}") };
                    prop_assert_eq!(read.value, name.as_str());
                    prop_assert!(read.quote_style.is_some());
                }
                Err(error) => {
                    prop_assert!(!legal);
                    prop_assert_eq!(error.kind(), ErrorKind::InvalidInput);
                }
            }
        }
    }

    #[test]
    fn a_table_reads_back_part_by_part(parts in prop::collection::vec(hostile(), 3)) {
        for dialect in BOTH {
            let table = TableRef::new(&parts[2]).with_schema(&parts[1]).with_catalog(&parts[0]);
            let Ok(quoted) = dialect.table(&table) else { continue };
            let Expr::CompoundIdentifier(read) = parsed(dialect, &quoted) else { panic!("not a name: {quoted}") };
            prop_assert_eq!(read.into_iter().map(|part| part.value).collect::<Vec<_>>(), parts.clone());
        }
    }
}

#[test]
fn names_are_measured_as_the_service_measures_them() {
    assert!(RedshiftDialect.quote(&"a".repeat(127)).is_ok());
    assert!(RedshiftDialect.quote(&"a".repeat(128)).is_err());
    assert!(RedshiftDialect.quote(&"é".repeat(64)).is_err(), "64 characters, 128 bytes");
    assert!(DatabricksDialect.quote(&"é".repeat(255)).is_ok(), "255 characters, 510 bytes");
    assert!(DatabricksDialect.quote(&"a".repeat(256)).is_err());
}

#[test]
fn what_the_catalog_would_refuse_is_quoted_all_the_same() {
    assert_eq!(DatabricksDialect.quote("a b/c.d").unwrap(), "`a b/c.d`");
}

#[test]
fn a_catalog_without_a_schema_is_refused() {
    for dialect in BOTH {
        let error = dialect.table(&TableRef::new("t").with_catalog("c")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(RedshiftDialect.table(&TableRef::new("T").with_schema("s")).unwrap(), r#""s"."T""#);
}
