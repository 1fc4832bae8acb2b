//! SHOW and DESCRIBE.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use deltalake::kernel::{MetadataValue, StructField};

use super::{
    Engine, Outcome,
    catalog::{FullName, Place, schema_of},
    describe::described,
    result::type_text_of_arrow,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{Lexed, SchemaFilter, Show, Statement, TableFilter, delta_type_text},
};

impl Engine {
    pub(super) async fn show(&self, show: &Show, place: &Place) -> SqlResult<Outcome> {
        match show {
            Show::Catalogs { like } => {
                let names = self.0.catalog.read(|listing| listing.keys().cloned().collect::<Vec<_>>());
                texts(
                    &["catalog"],
                    names.into_iter().filter(|name| matches(name, like.as_deref())).map(|name| vec![name]),
                )
            }
            Show::Schemas { catalog, like } => {
                let schemas = self.schemas(catalog.as_deref(), &SchemaFilter::All, place)?.1;
                texts(
                    &["databaseName"],
                    schemas.into_iter().filter(|name| matches(name, like.as_deref())).map(|name| vec![name]),
                )
            }
            Show::Tables { catalog, schema, like } => {
                self.show_tables(catalog.as_deref(), schema, like.as_deref(), place)
            }
            Show::Columns { catalog, schema, table, like } => {
                self.show_columns(catalog.as_deref(), schema, table, like.as_deref(), place).await
            }
            Show::Properties { table, key } => self.show_properties(table, key.as_deref(), place).await,
            Show::CreateTable { table } => self.show_create_table(table, place).await,
            Show::Volumes { schema } => {
                let (catalog, schema) = match schema {
                    Some(path) => place.resolve_schema(path)?,
                    None => (place.catalog.clone(), place.schema.clone()),
                };
                let names = self.0.catalog.read(|listing| {
                    schema_of(listing, &catalog, &schema)
                        .map(|schema| schema.volumes.keys().cloned().collect::<Vec<_>>())
                })?;
                texts(&["database", "volume_name"], names.into_iter().map(|name| vec![schema.clone(), name]))
            }
        }
    }

    fn schemas(&self, catalog: Option<&str>, filter: &SchemaFilter, place: &Place) -> SqlResult<(String, Vec<String>)> {
        let catalog = catalog.map_or_else(|| place.catalog.clone(), str::to_lowercase);
        let names = self.0.catalog.read(|listing| {
            let entry = listing.get(&catalog).ok_or_else(|| SqlError::catalog_not_found(&catalog))?;
            match filter {
                SchemaFilter::Current => {
                    schema_of(listing, &catalog, &place.schema).map(|_| vec![place.schema.clone()])
                }
                SchemaFilter::Named(name) => {
                    let name = name.to_lowercase();
                    schema_of(listing, &catalog, &name).map(|_| vec![name])
                }
                SchemaFilter::Like(pattern) => {
                    Ok(entry.schemas.keys().filter(|name| matches(name, Some(pattern))).cloned().collect())
                }
                SchemaFilter::All => Ok(entry.schemas.keys().cloned().collect()),
            }
        })?;
        Ok((catalog, names))
    }

    fn tables(&self, catalog: &str, schema: &str) -> Vec<String> {
        self.0.catalog.read(|listing| {
            schema_of(listing, catalog, schema).map(|entry| entry.tables.keys().cloned().collect()).unwrap_or_default()
        })
    }

    fn show_tables(
        &self,
        catalog: Option<&str>,
        filter: &SchemaFilter,
        like: Option<&str>,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let (catalog, schemas) = self.schemas(catalog, filter, place)?;
        let (mut namespaces, mut names) = (Vec::new(), Vec::new());
        for schema in schemas {
            for table in self.tables(&catalog, &schema).into_iter().filter(|name| matches(name, like)) {
                namespaces.push(schema.clone());
                names.push(table);
            }
        }
        let count = names.len();
        let text = |values: Vec<String>| Arc::new(StringArray::from(values)) as ArrayRef;
        let none = || Arc::new(StringArray::from(vec![None::<&str>; count])) as ArrayRef;
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("namespace", text(namespaces)),
            ("tableName", text(names)),
            ("isTemporary", Arc::new(BooleanArray::from(vec![false; count]))),
            ("information", none()),
            ("catalogName", text(vec![catalog; count])),
            ("tableType", text(vec!["TABLE".to_owned(); count])),
            ("remarks", none()),
        ];
        batch(columns)
    }

    async fn show_columns(
        &self,
        catalog: Option<&str>,
        filter: &SchemaFilter,
        tables: &TableFilter,
        like: Option<&str>,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let (catalog, schemas) = self.schemas(catalog, filter, place)?;
        let mut rows = Vec::new();
        for schema in schemas {
            let names = match tables {
                TableFilter::Named(name) => vec![name.to_lowercase()],
                TableFilter::Like(pattern) => {
                    self.tables(&catalog, &schema).into_iter().filter(|name| matches(name, Some(pattern))).collect()
                }
                TableFilter::All => self.tables(&catalog, &schema),
            };
            for name in names {
                let full = FullName { catalog: catalog.clone(), schema: schema.clone(), name };
                let opened = self.open_entry(full.clone()).await?;
                for field in opened.fields()?.fields().filter(|field| matches(field.name(), like)) {
                    let data_type = delta_type_text(field.data_type());
                    rows.push(vec![
                        catalog.clone(),
                        schema.clone(),
                        full.name.clone(),
                        field.name().clone(),
                        data_type,
                    ]);
                }
            }
        }
        texts(&["catalogName", "namespace", "tableName", "col_name", "columnType"], rows.into_iter())
    }

    pub(super) async fn describe_query(
        &self,
        lexed: &Lexed,
        statement: &Statement,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let schema = self.query_schema(lexed, statement, place).await?;
        let rows = schema
            .fields()
            .iter()
            .map(|field| Ok((field.name().clone(), type_text_of_arrow(field.data_type())?.to_lowercase(), None)))
            .collect::<SqlResult<Vec<_>>>()?;
        described(rows)
    }
}

/// The comment of a column.
pub(crate) fn comment(field: &StructField) -> Option<String> {
    match field.metadata.get("comment") {
        Some(MetadataValue::String(comment)) => Some(comment.clone()),
        _ => None,
    }
}

fn texts(names: &[&str], rows: impl Iterator<Item = Vec<String>>) -> SqlResult<Outcome> {
    let rows: Vec<Vec<String>> = rows.collect();
    let column = |index: usize| {
        let values: Vec<&str> = rows.iter().map(|row| row[index].as_str()).collect();
        Arc::new(StringArray::from(values)) as ArrayRef
    };
    batch(names.iter().enumerate().map(|(index, name)| (*name, column(index))).collect())
}

pub(super) fn batch(columns: Vec<(&str, ArrayRef)>) -> SqlResult<Outcome> {
    let field = |(name, column): &(&str, ArrayRef)| Field::new(*name, DataType::clone(column.data_type()), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    Ok(Outcome::of(RecordBatch::try_new(Arc::new(schema), columns)?))
}

/// Hive's patterns: `*` many, `.` one, `|` or; case does not matter. `%` is taken for `*` as the service does in LIKE.
fn matches(name: &str, pattern: Option<&str>) -> bool {
    let Some(pattern) = pattern else { return true };
    let name: Vec<char> = name.to_lowercase().chars().collect();
    pattern.to_lowercase().split('|').any(|pattern| {
        let pattern: Vec<char> = pattern.chars().collect();
        glob(&name, &pattern)
    })
}

fn glob(name: &[char], pattern: &[char]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some(('*' | '%', rest)) => (0..=name.len()).any(|skip| glob(&name[skip..], rest)),
        Some(('.', rest)) => !name.is_empty() && glob(&name[1..], rest),
        Some((c, rest)) => name.first() == Some(c) && glob(&name[1..], rest),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_are_hives() {
        assert!(matches("Orders", Some("ord*")) && matches("orders", Some("x|o.ders")));
        assert!(!matches("orders", Some("order")) && matches("orders", None));
    }
}
