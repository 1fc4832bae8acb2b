//! Just enough of an engine, in memory, to run most of the suite against itself.

use std::sync::Arc;

use arrow::{
    array::{
        Array as _, ArrayRef, AsArray as _, Decimal128Array, Int64Array, RecordBatch, StringArray, new_null_array,
    },
    compute::{SortOptions, concat_batches, sort_to_indices, take},
    datatypes::{DataType, Field, Int64Type, Schema},
    error::ArrowError,
};
use async_trait::async_trait;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_testkit::{
    Reply, ScriptedWarehouse, Sql,
    conformance::{Fixture, Scratch, column, table_batch},
};
use twinhouse_warehouse_api::{Params, StatementRequest, TableRef, Value, Warehouse};

use crate::{
    literal::{Reader, bad},
    mutant::{Mutant, Mutation},
};

/// The engine, honest or not.
#[derive(Debug)]
pub(crate) struct Engine {
    warehouse: ScriptedWarehouse,
    mutation: Mutation,
}

impl Engine {
    pub(crate) fn new(mutation: Mutation) -> Self {
        Self { warehouse: answering(ScriptedWarehouse::new()), mutation }
    }

    /// Over a warehouse of the caller's.
    pub(crate) fn over(warehouse: ScriptedWarehouse, mutation: Mutation) -> Self {
        Self { warehouse: answering(warehouse), mutation }
    }
}

fn answering(warehouse: ScriptedWarehouse) -> ScriptedWarehouse {
    let tables = warehouse.clone();
    warehouse.always(Sql::any(), Reply::computed(move |request| answer(&tables, request)));
    warehouse
}

#[async_trait]
impl Fixture for Engine {
    fn name(&self) -> &str {
        "engine"
    }

    /// Tables outlive a connection, its closing does not outlive it.
    async fn warehouse(&self) -> Result<Arc<dyn Warehouse>> {
        Ok(Arc::new(Mutant::new(self.warehouse.clone(), self.mutation)))
    }

    fn scratch(&self) -> Scratch {
        Scratch::new(None, Some("scratch"))
    }

    fn rows_query(&self, rows: u64) -> String {
        format!("rows {rows}")
    }

    fn slow_query(&self, marker: &str) -> String {
        format!("hang {marker}")
    }

    async fn is_running(&self, marker: &str) -> Option<bool> {
        Some(self.warehouse.running().iter().any(|statement| statement.sql().contains(marker)))
    }

    fn unload_prefix(&self) -> Option<String> {
        Some("memory://unloaded".to_owned())
    }

    fn secrets(&self) -> Vec<String> {
        vec![crate::mutant::SECRET.to_owned()]
    }
}

fn answer(warehouse: &ScriptedWarehouse, request: &StatementRequest) -> Result<Reply> {
    let sql = request.sql();
    let sql = sql.strip_prefix("/*").and_then(|rest| rest.split_once("*/")).map_or(sql, |(_, rest)| rest);
    let mut reader = Reader::new(sql, request.params());
    if reader.take("hang ") {
        return Ok(Reply::hang());
    }
    if reader.take("rows ") {
        return rows(reader.rest().parse().map_err(|_| bad("a number"))?);
    }
    if reader.take("create table ") {
        return create(warehouse, &mut reader);
    }
    if reader.take("drop table if exists ") {
        warehouse.remove_table(&table(&mut reader)?);
        return Ok(Reply::affected(0));
    }
    if reader.take("insert into ") {
        return insert(warehouse, &mut reader);
    }
    if reader.take("select count(*) as n from ") {
        let rows = known(warehouse, &mut reader)?.num_rows() as i64;
        return one_row(vec![("n".to_owned(), Arc::new(Int64Array::from(vec![rows])) as ArrayRef)]);
    }
    if reader.take("select * from ") {
        let batch = known(warehouse, &mut reader)?;
        let batch = if reader.take("order by ") { ordered(&batch, &reader.name()?)? } else { batch };
        return Ok(Reply::rows(if reader.take("where 1 = 0") { batch.slice(0, 0) } else { batch }));
    }
    reader.want("select ")?;
    select(&mut reader)
}

fn defect(error: ArrowError) -> Error {
    Error::new(ErrorKind::Internal, error.to_string())
}

fn rows(count: i64) -> Result<Reply> {
    let batch = |from: i64, to: i64| {
        let hundredths = Decimal128Array::from_iter_values((from..to).map(i128::from));
        RecordBatch::try_from_iter([
            ("i", Arc::new(Int64Array::from_iter_values(from..to)) as ArrayRef),
            ("t", Arc::new(StringArray::from_iter_values((from..to).map(|i| format!("row {i}")))) as ArrayRef),
            ("d", Arc::new(hundredths.with_precision_and_scale(20, 2)?) as ArrayRef),
        ])
    };
    let parts = (0..=count / 50_000).map(|part| batch(part * 50_000, count.min((part + 1) * 50_000)));
    let batches = parts.collect::<Result<Vec<_>, _>>().map_err(defect)?;
    Ok(Reply::batches(batches[0].schema(), batches))
}

fn table(reader: &mut Reader<'_>) -> Result<TableRef> {
    if !reader.rest().starts_with('`') {
        return Ok(TableRef::new(plain_name(reader)));
    }
    let mut parts = vec![reader.name()?];
    while reader.take(".") {
        parts.push(reader.name()?);
    }
    let name = parts.pop().unwrap_or_default();
    let table = TableRef::new(name);
    Ok(parts.pop().map_or(table.clone(), |schema| table.with_schema(schema)))
}

fn known(warehouse: &ScriptedWarehouse, reader: &mut Reader<'_>) -> Result<RecordBatch> {
    let table = table(reader)?;
    let schema = warehouse.declared(&table).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "no such table").with_sqlstate("42P01").with_context("table", table.to_string())
    })?;
    concat_batches(&schema, &warehouse.rows(&table)).map_err(defect)
}

fn ordered(batch: &RecordBatch, by: &str) -> Result<RecordBatch> {
    let Some(key) = batch.column_by_name(by) else { return Err(bad(by)) };
    let nulls_last = SortOptions { descending: false, nulls_first: false };
    let order = sort_to_indices(key, Some(nulls_last), None).map_err(defect)?;
    let columns = batch.columns().iter().map(|column| take(column, &order, None)).collect::<Result<Vec<_>, _>>();
    RecordBatch::try_new(batch.schema(), columns.map_err(defect)?).map_err(defect)
}

fn create(warehouse: &ScriptedWarehouse, reader: &mut Reader<'_>) -> Result<Reply> {
    let table = table(reader)?;
    if warehouse.declared(&table).is_some() {
        return Err(Error::new(ErrorKind::AlreadyExists, "there is such a table"));
    }
    reader.want("(")?;
    let mut fields = Vec::new();
    loop {
        let name = reader.name()?;
        let data_type = reader.data_type()?;
        fields.push(Field::new(name, data_type, !reader.take("NOT NULL")));
        if !reader.take(",") {
            break;
        }
    }
    reader.want(")")?;
    warehouse.add_table(table, &Schema::new(fields));
    Ok(Reply::affected(0))
}

fn insert(warehouse: &ScriptedWarehouse, reader: &mut Reader<'_>) -> Result<Reply> {
    let table = table(reader)?;
    let schema = warehouse.declared(&table).ok_or_else(|| bad("an unknown table"))?;
    reader.want("values")?;
    let mut rows: Vec<Vec<Value>> = Vec::new();
    loop {
        reader.want("(")?;
        let mut row = Vec::new();
        loop {
            row.push(reader.value()?.1);
            if !reader.take(",") {
                break;
            }
        }
        reader.want(")")?;
        rows.push(row);
        if !reader.take(",") {
            break;
        }
    }
    let fields: Vec<_> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    warehouse.add_rows(&table, &table_batch(&fields, &rows).map_err(defect)?)?;
    Ok(Reply::affected(rows.len() as u64))
}

fn select(reader: &mut Reader<'_>) -> Result<Reply> {
    let mut columns = Vec::new();
    loop {
        let (data_type, value) = reader.value()?;
        reader.want("as ")?;
        let name = if reader.rest().starts_with('`') { reader.name()? } else { plain_name(reader) };
        let array = match value {
            Value::Null => new_null_array(&data_type, 1),
            value => column(&data_type, &[value]).map_err(defect)?,
        };
        columns.push((name, array));
        if !reader.take(",") {
            break;
        }
    }
    if reader.rest().is_empty() { one_row(columns) } else { Err(bad(reader.rest())) }
}

fn plain_name(reader: &mut Reader<'_>) -> String {
    let rest = reader.rest();
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    reader.take(&rest[..end]);
    rest[..end].to_owned()
}

fn one_row(columns: Vec<(String, ArrayRef)>) -> Result<Reply> {
    let fields: Vec<_> =
        columns.iter().map(|(name, array)| Field::new(name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    Ok(Reply::rows(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(defect)?))
}

#[test]
fn the_engine_reads_what_the_dialect_writes() {
    let dialect = twinhouse_warehouse_api::DatabricksDialect;
    use twinhouse_warehouse_api::Dialect as _;
    for value in [Value::Long(i64::MIN), Value::Text("it's \\ 🦀".into()), Value::Bytes(vec![0, 255]), Value::Null] {
        let literal = dialect.literal(&value).unwrap();
        let params = Params::new();
        let mut reader = Reader::new(&literal, &params);
        assert_eq!((reader.value().unwrap().1, reader.rest()), (value, ""));
    }
    let batch = rows_of(rows(3).unwrap());
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[0, 1, 2]);
    assert_eq!(batch.column(2).data_type(), &DataType::Decimal128(20, 2));
}

#[cfg(test)]
fn rows_of(reply: Reply) -> RecordBatch {
    let warehouse = ScriptedWarehouse::new();
    warehouse.always(Sql::any(), reply);
    let rows = async {
        use twinhouse_warehouse_api::WarehouseExt as _;
        warehouse.query("rows").await?.collect_batches().await
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(rows).unwrap().remove(0)
}
