//! `information_schema`: what the catalog holds, as relations. `system.information_schema` tells of all catalogs.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use datafusion::{catalog::TableProvider, datasource::MemTable};

use super::{
    Engine, USER,
    catalog::{FullName, Listing, Place},
    ddl::is_missing,
    show::comment,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{ObjectPath, column_type_text},
};

/// The schema of the service's own views.
const INFORMATION_SCHEMA: &str = "information_schema";
/// The catalog that tells of all others.
const SYSTEM: &str = "system";

/// A relation that is being written, column by column.
struct Relation {
    names: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
}

#[derive(Clone)]
enum Cell {
    Text(Option<String>),
    Number(Option<i32>),
    /// Milliseconds since 1970.
    Moment(u64),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<Option<&String>> for Cell {
    fn from(text: Option<&String>) -> Self {
        Self::Text(text.cloned())
    }
}

impl Relation {
    fn into_provider(self, kinds: &[Cell]) -> SqlResult<Arc<dyn TableProvider>> {
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let column = |index: usize, kind: &Cell| -> ArrayRef {
            let cells = self.rows.iter().map(|row| &row[index]);
            match kind {
                Cell::Text(_) => Arc::new(StringArray::from_iter(cells.map(|cell| match cell {
                    Cell::Text(text) => text.clone(),
                    _ => None,
                }))),
                Cell::Number(_) => Arc::new(Int32Array::from_iter(cells.map(|cell| match cell {
                    Cell::Number(number) => *number,
                    _ => None,
                }))),
                Cell::Moment(_) => {
                    let moments = cells.map(|cell| match cell {
                        Cell::Moment(millis) => i64::try_from(*millis).ok().map(|millis| millis * 1000),
                        _ => None,
                    });
                    Arc::new(TimestampMicrosecondArray::from_iter(moments).with_timezone("UTC"))
                }
            }
        };
        let fields: Vec<Field> = self
            .names
            .iter()
            .zip(kinds)
            .map(|(name, kind)| {
                let data_type = match kind {
                    Cell::Text(_) => DataType::Utf8,
                    Cell::Number(_) => DataType::Int32,
                    Cell::Moment(_) => utc.clone(),
                };
                Field::new(*name, data_type, true)
            })
            .collect();
        let columns = kinds.iter().enumerate().map(|(index, kind)| column(index, kind)).collect();
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
    }
}

impl Engine {
    /// The relation of `information_schema` that a name means, if it means one.
    pub(super) async fn information(
        &self,
        path: &ObjectPath,
        place: &Place,
    ) -> SqlResult<Option<Arc<dyn TableProvider>>> {
        let Ok(name) = place.resolve(path) else { return Ok(None) };
        if name.schema != INFORMATION_SCHEMA {
            return Ok(None);
        }
        let catalogs: Vec<String> = self.0.catalog.read(|listing: &Listing| {
            let all = name.catalog == SYSTEM && !listing.contains_key(SYSTEM);
            listing.keys().filter(|catalog| all || **catalog == name.catalog).cloned().collect()
        });
        if catalogs.is_empty() {
            return Err(SqlError::catalog_not_found(&name.catalog));
        }
        let (text, number, moment) = (Cell::Text(None), Cell::Number(None), Cell::Moment(0));
        let relation = match name.name.as_str() {
            "catalogs" => {
                let relation = self.information_catalogs(&catalogs);
                relation.into_provider(&[text.clone(), text.clone(), text, moment])
            }
            "schemata" => {
                let relation = self.information_schemata(&catalogs);
                relation.into_provider(&[text.clone(), text.clone(), text.clone(), text, moment])
            }
            "tables" => {
                let relation = self.information_tables(&catalogs);
                let mut kinds = vec![text; 8];
                kinds.push(moment);
                relation.into_provider(&kinds)
            }
            "views" => self.information_views(&catalogs).into_provider(&vec![text; 6]),
            "volumes" => self.information_volumes(&catalogs).into_provider(&vec![text; 6]),
            "columns" => {
                let relation = self.information_columns(&catalogs).await?;
                let kinds = [text.clone(), text.clone(), text.clone(), text.clone(), number];
                relation.into_provider(&[&kinds[..], &vec![text; 4]].concat())
            }
            _ => return Err(SqlError::table_not_found(&name)),
        };
        relation.map(Some)
    }

    fn information_catalogs(&self, catalogs: &[String]) -> Relation {
        let row = |listing: &Listing, name: &String| {
            let entry = listing.get(name)?;
            Some(vec![name.as_str().into(), USER.into(), entry.comment.as_ref().into(), Cell::Moment(entry.created_at)])
        };
        let rows = self.0.catalog.read(|listing| catalogs.iter().filter_map(|name| row(listing, name)).collect());
        Relation { names: &["catalog_name", "catalog_owner", "comment", "created"], rows }
    }

    fn information_schemata(&self, catalogs: &[String]) -> Relation {
        let mut rows = Vec::new();
        self.0.catalog.read(|listing| {
            for catalog in catalogs {
                for (name, entry) in listing.get(catalog).into_iter().flat_map(|entry| &entry.schemas) {
                    rows.push(vec![
                        catalog.as_str().into(),
                        name.as_str().into(),
                        USER.into(),
                        entry.comment.as_ref().into(),
                        Cell::Moment(entry.created_at),
                    ]);
                }
            }
        });
        Relation { names: &["catalog_name", "schema_name", "schema_owner", "comment", "created"], rows }
    }

    fn information_tables(&self, catalogs: &[String]) -> Relation {
        let mut rows = Vec::new();
        let mut push = |place: [&str; 3], kind: &str, insertable: &str, comment: Option<&String>, format: &str, at| {
            let [catalog, schema, name] = place.map(Cell::from);
            let row =
                [catalog, schema, name, kind.into(), insertable.into(), USER.into(), comment.into(), format.into()];
            rows.push([&row[..], &[Cell::Moment(at)]].concat());
        };
        self.0.catalog.read(|listing| {
            for catalog in catalogs {
                for (schema, entry) in listing.get(catalog).into_iter().flat_map(|entry| &entry.schemas) {
                    for (name, table) in &entry.tables {
                        let kind = if table.is_external() { "EXTERNAL" } else { "MANAGED" };
                        push([catalog, schema, name], kind, "YES", table.comment.as_ref(), "DELTA", table.created_at);
                    }
                    for (name, view) in &entry.views {
                        let comment = view.comment.as_ref();
                        push(
                            [catalog, schema, name],
                            "VIEW",
                            "NO",
                            comment,
                            "UNKNOWN_DATA_SOURCE_FORMAT",
                            view.created_at,
                        );
                    }
                }
            }
        });
        let names = &[
            "table_catalog",
            "table_schema",
            "table_name",
            "table_type",
            "is_insertable_into",
            "table_owner",
            "comment",
            "data_source_format",
            "created",
        ];
        Relation { names, rows }
    }

    fn information_views(&self, catalogs: &[String]) -> Relation {
        let mut rows = Vec::new();
        self.0.catalog.read(|listing| {
            for catalog in catalogs {
                for (schema, entry) in listing.get(catalog).into_iter().flat_map(|entry| &entry.schemas) {
                    for (name, view) in &entry.views {
                        rows.push(vec![
                            catalog.as_str().into(),
                            schema.as_str().into(),
                            name.as_str().into(),
                            view.text.as_str().into(),
                            "NONE".into(),
                            "NO".into(),
                        ]);
                    }
                }
            }
        });
        let names = &["table_catalog", "table_schema", "table_name", "view_definition", "check_option", "is_updatable"];
        Relation { names, rows }
    }

    fn information_volumes(&self, catalogs: &[String]) -> Relation {
        let mut rows = Vec::new();
        self.0.catalog.read(|listing| {
            for catalog in catalogs {
                for (schema, entry) in listing.get(catalog).into_iter().flat_map(|entry| &entry.schemas) {
                    for (name, volume) in &entry.volumes {
                        rows.push(vec![
                            catalog.as_str().into(),
                            schema.as_str().into(),
                            name.as_str().into(),
                            "MANAGED".into(),
                            USER.into(),
                            volume.comment.as_ref().into(),
                        ]);
                    }
                }
            }
        });
        let names = &["volume_catalog", "volume_schema", "volume_name", "volume_type", "volume_owner", "comment"];
        Relation { names, rows }
    }

    async fn information_columns(&self, catalogs: &[String]) -> SqlResult<Relation> {
        let (mut tables, mut rows) = (Vec::new(), Vec::new());
        let mut push =
            |name: &FullName, column: &str, at: usize, nullable: bool, full: &str, comment: Option<&String>| {
                let bare = full.split(['(', '<']).next().unwrap_or_default().to_ascii_uppercase();
                // The standard's word for the kind, not the language's.
                let kind = match bare.as_str() {
                    "TINYINT" => "BYTE",
                    "SMALLINT" => "SHORT",
                    "BIGINT" => "LONG",
                    other => other,
                };
                rows.push(vec![
                    name.catalog.as_str().into(),
                    name.schema.as_str().into(),
                    name.name.as_str().into(),
                    column.into(),
                    Cell::Number(i32::try_from(at).ok()),
                    if nullable { "YES" } else { "NO" }.into(),
                    full.to_lowercase().as_str().into(),
                    kind.into(),
                    comment.into(),
                ]);
            };
        self.0.catalog.read(|listing| {
            for catalog in catalogs {
                for (schema, entry) in listing.get(catalog).into_iter().flat_map(|entry| &entry.schemas) {
                    let full = |name: &String| FullName {
                        catalog: catalog.clone(),
                        schema: schema.clone(),
                        name: name.clone(),
                    };
                    tables.extend(entry.tables.keys().map(full));
                    for (name, view) in &entry.views {
                        for (at, column) in view.columns.iter().enumerate() {
                            let comment = column.comment.as_ref();
                            push(&full(name), &column.name, at, true, &column.type_text, comment);
                        }
                    }
                }
            }
        });
        for name in tables {
            let fields = match self.open_entry(name.clone()).await {
                Ok(opened) => opened.fields()?,
                // What is dropped meanwhile has no columns.
                Err(error) if is_missing(&error) => continue,
                Err(error) => return Err(error),
            };
            for (at, field) in fields.fields().enumerate() {
                let full = column_type_text(field.data_type());
                push(&name, field.name(), at, field.is_nullable(), &full, comment(field).as_ref());
            }
        }
        let names = &[
            "table_catalog",
            "table_schema",
            "table_name",
            "column_name",
            "ordinal_position",
            "is_nullable",
            "full_data_type",
            "data_type",
            "comment",
        ];
        Ok(Relation { names, rows })
    }
}
