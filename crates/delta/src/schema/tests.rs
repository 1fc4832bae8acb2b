use proptest::prelude::*;
use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::{
    ColumnInfo, TableInfo, TableKind, TableRef,
    arrow::datatypes::{DataType, Field, Schema, TimeUnit},
};

use super::{
    generate::{any_scalar, hostile_name, nested, schema, stored_scalar},
    *,
};

fn read(text: &str) -> DeltaType {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_spelling_has_its_type() {
    for (spellings, printed) in [
        ("boolean|BOOLEAN", "BOOLEAN"),
        ("byte|tinyint", "TINYINT"),
        ("short|smallint", "SMALLINT"),
        ("int|integer|INTEGER", "INT"),
        ("long|bigint", "BIGINT"),
        ("real|float", "FLOAT"),
        ("double", "DOUBLE"),
        ("decimal|dec|numeric|decimal(10)|numeric( 10 , 0 )", "DECIMAL(10,0)"),
        ("dec(38,38)", "DECIMAL(38,38)"),
        ("string", "STRING"),
        ("char(3)|character(3)", "CHAR(3)"),
        ("varchar(300)", "VARCHAR(300)"),
        ("binary", "BINARY"),
        ("date", "DATE"),
        ("timestamp|timestamp_ltz", "TIMESTAMP"),
        ("timestamp_ntz", "TIMESTAMP_NTZ"),
        ("interval year", "INTERVAL YEAR"),
        ("interval year to month", "INTERVAL YEAR TO MONTH"),
        ("interval month", "INTERVAL MONTH"),
        ("interval day to hour", "INTERVAL DAY TO HOUR"),
        ("interval day to second", "INTERVAL DAY TO SECOND"),
        ("interval minute to second", "INTERVAL MINUTE TO SECOND"),
        ("void|null", "VOID"),
        ("variant", "VARIANT"),
        ("array<array<int>>", "ARRAY<ARRAY<INT>>"),
        ("map<string,array<int>>", "MAP<STRING, ARRAY<INT>>"),
        ("struct<>|STRUCT< >", "STRUCT<>"),
        (
            "struct<a int, B : string NOT NULL comment 'it\\'s', `c``d e`:date>",
            "STRUCT<a: INT, B: STRING NOT NULL COMMENT 'it\\'s', `c``d e`: DATE>",
        ),
    ] {
        for spelling in spellings.split('|') {
            assert_eq!(read(spelling).to_string(), printed, "{spelling}");
        }
    }
}

#[test]
fn literals_of_comments_are_read_as_the_service_reads_them() {
    for (literal, text) in [
        (r"'a' 'b'", "ab"),
        (r#""it's""#, "it's"),
        (r"r'\n'", r"\n"),
        (r"'\t\\\'\u0041\U0001F600\101\0\%\q'", "\t\\'A\u{1F600}A\0\\%q"),
    ] {
        let DeltaType::Struct(fields) = read(&format!("struct<a: int comment {literal}>")) else { panic!() };
        assert_eq!(fields[0].comment.as_deref(), Some(text), "{literal}");
    }
}

#[test]
fn a_wrong_type_is_refused_with_its_place() {
    for (text, place, why) in [
        ("", 1, "expected"),
        ("inte", 1, "not known"),
        ("decimal(39,0)", 9, "38"),
        ("decimal(5,6)", 11, "behind the point"),
        ("decimal(0,0)", 9, "38"),
        ("varchar", 8, "`(`"),
        ("varchar(0)", 9, "above 0"),
        ("array<int", 10, "`>`"),
        ("array<int>>", 11, "nothing more"),
        ("map<int>", 8, "`,`"),
        ("struct<a int, A int>", 15, "already"),
        ("struct<a int comment b>", 22, "quotes"),
        ("interval month to year", 19, "larger"),
        ("interval month to day", 19, "larger"),
        ("interval week", 10, "YEAR"),
        ("int; drop table t", 4, "character"),
        ("struct<`a int>", 8, "character"),
    ] {
        let error = text.parse::<DeltaType>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
        assert_eq!(error.context("position"), Some(place.to_string().as_str()), "{text}: {error}");
        assert!(error.message().contains(why), "{text}: {error}");
    }
    for text in ["object", "GEOGRAPHY(4326)", "array<geometry>", "string collate UTF8_LCASE"] {
        assert_eq!(text.parse::<DeltaType>().unwrap_err().kind(), ErrorKind::Unsupported, "{text}");
    }
    let deep = "array<".repeat(5000) + "int" + &">".repeat(5000);
    assert_eq!(deep.parse::<DeltaType>().unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn the_widening_matrix_is_deltas() {
    let scalars: Vec<_> = "byte short int long float double date timestamp timestamp_ntz string boolean binary"
        .split(' ')
        .map(read)
        .collect();
    let widens = |from: &DeltaType| -> String {
        let to = scalars.iter().filter(|to| from.widening(to).is_some());
        to.map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    for (from, to) in [
        ("byte", "SMALLINT INT BIGINT DOUBLE"),
        ("short", "INT BIGINT DOUBLE"),
        ("int", "BIGINT DOUBLE"),
        ("long", ""),
        ("float", "DOUBLE"),
        ("double", ""),
        ("date", "TIMESTAMP_NTZ"),
        ("timestamp", ""),
        ("timestamp_ntz", ""),
        ("string", ""),
        ("boolean", ""),
        ("binary", ""),
        ("char(4)", "STRING"),
    ] {
        assert_eq!(widens(&read(from)), to, "{from}");
    }
    for (from, to, automatic) in [
        ("byte", "decimal(10,0)", Some(false)),
        ("int", "decimal(11,1)", Some(false)),
        ("int", "decimal(10,1)", None),
        ("long", "decimal(20,0)", Some(false)),
        ("long", "decimal(19,0)", None),
        ("decimal(10,2)", "decimal(12,4)", Some(true)),
        ("decimal(10,2)", "decimal(12,2)", Some(true)),
        ("decimal(10,2)", "decimal(12,5)", None),
        ("decimal(10,2)", "decimal(9,1)", None),
        ("int", "long", Some(true)),
        ("int", "double", Some(false)),
        ("long", "int", None),
        ("varchar(3)", "varchar(4)", Some(false)),
        ("varchar(4)", "varchar(3)", None),
        ("char(3)", "varchar(3)", Some(false)),
        ("varchar(3)", "char(3)", None),
        ("void", "array<int>", Some(false)),
        ("int", "int", None),
    ] {
        assert_eq!(read(from).widening(&read(to)).map(|widening| widening.automatic), automatic, "{from} to {to}");
    }
    assert!(!read("varchar(3)").widening(&DeltaType::String).unwrap().needs_feature);
}

#[test]
fn every_difference_is_found_with_its_path() {
    let present = TableSchema::new([
        Column::new("id", DeltaType::Int).not_null(),
        Column::new("gone", DeltaType::Int),
        Column::new("items", read("array<struct<n: int not null, m: map<date, struct<x: int>>>>")).with_comment("old"),
    ]);
    let wanted = TableSchema::new([
        Column::new(
            "Items",
            read("array<struct<n: bigint, m: map<timestamp_ntz, struct<x: string, y: int not null>>>>"),
        ),
        Column::new("id", DeltaType::Int),
        Column::new("a b", DeltaType::Date),
    ]);
    let diff = SchemaDiff::between(&present, &wanted);
    let said: Vec<_> = diff.differences().iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "id: nulls allowed",
            "id: from place 0 to 1",
            "gone: removed",
            "items.element.n: INT to BIGINT",
            "items.element.n: nulls allowed",
            "items.element.m.key: DATE to TIMESTAMP_NTZ",
            "items.element.m.value.x: INT to STRING",
            "items.element.m.value.y: added, INT NOT NULL",
            "items: another comment",
            "items: spelled Items",
            "items: from place 1 to 0",
            "`a b`: added, DATE",
        ]
    );
    assert_eq!(diff.compatibility(), Compatibility::Incompatible);
}

#[test]
fn names_are_refused_by_deltas_rules() {
    let check = |name: &str, mapping| TableSchema::new([Column::new(name, DeltaType::Int)]).check(mapping);
    for name in ["a b", "a,b", "a;b", "a{b", "a}b", "a(b", "a)b", "a\nb", "a\tb", "a=b"] {
        let error = check(name, ColumnMapping::Off).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.message().contains("columnMapping"), "{error}");
        check(name, ColumnMapping::On).unwrap();
    }
    for name in ["a.b", "a`b", "a'b", "select", "é\u{1F600}", "-- x".trim_end_matches(" x"), "a%b"] {
        check(name, ColumnMapping::Off).unwrap();
    }
    for name in ["", "a\0", &"x".repeat(256), "_Change_Type"] {
        assert_eq!(check(name, ColumnMapping::On).unwrap_err().kind(), ErrorKind::InvalidInput, "{name}");
    }
    let refused = |columns: Vec<Column>| TableSchema::new(columns).check(ColumnMapping::On).unwrap_err().kind();
    assert_eq!(refused(vec![]), ErrorKind::InvalidInput);
    let twice = vec![Column::new("é", DeltaType::Int), Column::new("É", DeltaType::Int)];
    assert_eq!(refused(twice), ErrorKind::InvalidInput);
    let inner = DeltaType::Struct(vec![StructField::new("a", DeltaType::Int), StructField::new("A", DeltaType::Int)]);
    assert_eq!(refused(vec![Column::new("s", DeltaType::array_of(inner))]), ErrorKind::InvalidInput);
    assert_eq!(refused(vec![Column::new("i", read("interval day"))]), ErrorKind::Unsupported);
    let both = Column::new("c", DeltaType::Int).with_default("1").generated_as("2");
    assert_eq!(refused(vec![both]), ErrorKind::InvalidInput);
    assert!(is_reserved_word("Select") && is_reserved_word("WITH") && !is_reserved_word("id"));
}

#[test]
fn a_described_table_gives_its_schema_or_names_the_column() {
    let column = |native: &str| ColumnInfo::new("c", DataType::Utf8, native).with_nullable(false);
    let info = |native: &str| TableInfo::new(TableRef::new("t"), TableKind::Managed, vec![column(native)]);
    let schema = TableSchema::of_table(&info("array<struct<a:int>>")).unwrap();
    assert_eq!(schema.columns(), [Column::new("c", read("array<struct<a int>>")).not_null()]);
    let error = TableSchema::of_table(&info("hologram")).unwrap_err();
    assert_eq!((error.kind(), error.context("column")), (ErrorKind::Protocol, Some("c")));
    assert_eq!(TableSchema::of_table(&info("geometry(0)")).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn arrow_types_are_taken_exactly_or_refused_by_name() {
    let of = |data_type: DataType| TableSchema::from_arrow(&Schema::new(vec![Field::new("c", data_type, true)]));
    for (data_type, printed) in [
        (DataType::UInt64, "DECIMAL(20,0)"),
        (DataType::LargeUtf8, "STRING"),
        (DataType::Timestamp(TimeUnit::Millisecond, Some("Europe/Rome".into())), "TIMESTAMP"),
        (DataType::Duration(TimeUnit::Microsecond), "INTERVAL DAY TO SECOND"),
        (DataType::Null, "VOID"),
    ] {
        assert_eq!(of(data_type).unwrap().columns()[0].data_type.to_string(), printed);
    }
    for data_type in [DataType::Duration(TimeUnit::Second), DataType::Time64(TimeUnit::Microsecond)] {
        let error = of(data_type).unwrap_err();
        assert_eq!((error.kind(), error.context("column")), (ErrorKind::Unsupported, Some("c")));
    }
    assert_eq!(DeltaType::Variant.to_arrow().unwrap_err().kind(), ErrorKind::Unsupported);
}

/// A type without lengths, units and comments, which Arrow does not have.
fn as_arrow_keeps(data_type: &DeltaType) -> DeltaType {
    match data_type {
        DeltaType::Char(_) | DeltaType::Varchar(_) => DeltaType::String,
        DeltaType::Array(element) => DeltaType::array_of(as_arrow_keeps(element)),
        DeltaType::Map(key, value) => DeltaType::map_of(as_arrow_keeps(key), as_arrow_keeps(value)),
        DeltaType::Struct(fields) => {
            let fields = fields.iter().map(|field| StructField {
                data_type: as_arrow_keeps(&field.data_type),
                comment: None,
                ..field.clone()
            });
            DeltaType::Struct(fields.collect())
        }
        other => other.clone(),
    }
}

/// The columns without their order and the case of their names.
fn sorted(schema: &TableSchema) -> Vec<String> {
    let mut columns: Vec<_> = schema.columns().iter().map(|column| format!("{column:?}").to_lowercase()).collect();
    columns.sort();
    columns
}

proptest! {
    #[test]
    fn a_type_reads_back_as_it_was_printed(data_type in nested(any_scalar().boxed(), hostile_name().boxed())) {
        for text in [data_type.to_string(), data_type.sql().unwrap(), format!("  {}  ", data_type)] {
            prop_assert_eq!(text.parse::<DeltaType>().map_err(|error| error.to_string()), Ok(data_type.clone()), "{}", text);
        }
    }

    #[test]
    fn no_text_is_too_odd_to_be_refused(text in ".{0,60}", tail in "[a-z<>(),:`'0-9 ]{0,40}") {
        let _ = text.parse::<DeltaType>();
        if let Ok(data_type) = tail.parse::<DeltaType>() {
            prop_assert_eq!(data_type.to_string().parse::<DeltaType>().unwrap(), data_type);
        }
    }

    #[test]
    fn what_arrow_keeps_comes_back(data_type in nested(stored_scalar().boxed(), "[a-e]".boxed())) {
        let kept = as_arrow_keeps(&data_type);
        prop_assert_eq!(DeltaType::from_arrow(&data_type.to_arrow().unwrap()).unwrap(), kept);
    }

    #[test]
    fn widening_is_transitive_and_never_goes_back(a in any_scalar(), b in any_scalar(), c in any_scalar()) {
        if a.widening(&b).is_some() && b.widening(&c).is_some() {
            prop_assert!(a.widening(&c).is_some(), "{} to {} to {}", a, b, c);
        }
        prop_assert!(a.widening(&a).is_none());
        prop_assert!(a.widening(&b).is_none() || b.widening(&a).is_none());
    }

    #[test]
    fn automatic_widening_is_transitive_too(a in stored_scalar(), b in stored_scalar(), c in stored_scalar()) {
        let automatic = |from: &DeltaType, to: &DeltaType| from.widening(to).is_some_and(|widening| widening.automatic);
        if automatic(&a, &b) && automatic(&b, &c) {
            prop_assert!(automatic(&a, &c), "{} to {} to {}", a, b, c);
        }
    }

    #[test]
    fn a_schema_is_identical_to_itself_alone(a in schema(), b in schema()) {
        prop_assert!(SchemaDiff::between(&a, &a).differences().is_empty());
        let same = SchemaDiff::between(&a, &b).compatibility() == Compatibility::Identical;
        if sorted(&a) == sorted(&b) {
            prop_assert!(same);
        }
        // Both ways or neither.
        prop_assert_eq!(same, SchemaDiff::between(&b, &a).compatibility() == Compatibility::Identical);
    }

    #[test]
    fn what_one_way_adds_the_other_removes(a in schema(), b in schema()) {
        let count = |from: &TableSchema, to: &TableSchema, removed: bool| {
            let diff = SchemaDiff::between(from, to);
            diff.differences().iter().filter(|difference| match difference.change {
                Change::Removed => removed,
                Change::Added { .. } => !removed,
                _ => false,
            }).count()
        };
        prop_assert_eq!(count(&a, &b, true), count(&b, &a, false));
    }
}
