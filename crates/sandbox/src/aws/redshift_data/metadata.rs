//! Databases, schemas, tables and columns: queries that are answered at once.

use std::{io, sync::Arc};

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    super::{Aws, answer::Failure, call::Call},
    page,
    submit::{login, target, words},
};
use crate::redshift::{Column, Receiver, Visitor, quote_literal};

/// The most entries of one answer, and how many there are unless asked.
const MOST: u64 = 1000;

/// The rows of an answer that is never long.
#[derive(Default)]
struct Rows(Vec<Vec<Option<String>>>);

impl Receiver for Rows {
    fn columns(&mut self, _: Vec<Column>) -> io::Result<()> {
        Ok(())
    }

    fn row(&mut self, values: Vec<Option<String>>) -> io::Result<()> {
        self.0.push(values);
        Ok(())
    }

    fn done(&mut self, _: &str) {}
}

/// The names and types of an answer's columns.
#[derive(Default)]
struct Shape(Vec<Column>);

impl Receiver for Shape {
    fn columns(&mut self, columns: Vec<Column>) -> io::Result<()> {
        self.0 = columns;
        Ok(())
    }

    fn row(&mut self, _: Vec<Option<String>>) -> io::Result<()> {
        Ok(())
    }

    fn done(&mut self, _: &str) {}
}

pub(super) async fn databases(aws: &Arc<Aws>, call: &Call) -> Result<Value, Failure> {
    let sql = "SELECT database_name FROM svv_redshift_databases ORDER BY 1";
    list(aws, call, "Databases", sql, |row| json!(row[0])).await
}

pub(super) async fn schemas(aws: &Arc<Aws>, call: &Call) -> Result<Value, Failure> {
    let own = like(call, "schema_name", "SchemaPattern");
    let sql = format!(
        "SELECT schema_name FROM (SELECT schema_name FROM svv_all_schemas UNION SELECT 'pg_catalog' \
         UNION SELECT 'information_schema') s WHERE {own} ORDER BY 1"
    );
    list(aws, call, "Schemas", &sql, |row| json!(row[0])).await
}

pub(super) async fn tables(aws: &Arc<Aws>, call: &Call) -> Result<Value, Failure> {
    let (schema, table) = (like(call, "schema_name", "SchemaPattern"), like(call, "table_name", "TablePattern"));
    let sql = format!(
        "SELECT table_name, schema_name, table_type FROM svv_all_tables WHERE {schema} AND {table} ORDER BY 2, 1"
    );
    list(aws, call, "Tables", &sql, |row| json!({ "name": row[0], "schema": row[1], "type": row[2] })).await
}

pub(super) async fn table(aws: &Arc<Aws>, call: &Call) -> Result<Value, Failure> {
    let (schema, table) = (call.text("Schema").unwrap_or("public"), call.required("Table")?);
    let (from, most) = range(call)?;
    let mut visitor = enter(aws, call).await?;
    let mut about = Rows::default();
    let sql = format!(
        "SELECT column_name, column_default, is_nullable FROM svv_all_columns WHERE schema_name = {} AND table_name = {} \
         ORDER BY ordinal_position",
        quote_literal(schema),
        quote_literal(table)
    );
    run(&mut visitor, &sql, &mut about).await?;
    if about.0.is_empty() {
        // The service answers with an empty list for what it does not find.
        return Ok(json!({ "TableName": table, "ColumnList": [] }));
    }
    let mut shape = Shape::default();
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let sql = format!("SELECT * FROM {}.{} LIMIT 0", quoted(schema), quoted(table));
    run(&mut visitor, &sql, &mut shape).await?;
    let columns = shape.0.iter().zip(&about.0).skip(from).take(most);
    let columns: Vec<_> = columns
        .map(|(column, about)| {
            let mut described = page::column(column);
            described["nullable"] = json!(i32::from(about[2].as_deref() == Some("YES")));
            (described["schemaName"], described["tableName"]) = (json!(schema), json!(table));
            if let Some(preset) = &about[1] {
                described["columnDefault"] = json!(preset);
            }
            described
        })
        .collect();
    let mut answer = json!({ "TableName": table });
    if from + columns.len() < about.0.len() {
        answer["NextToken"] = json!((from + columns.len()).to_string());
    }
    answer["ColumnList"] = json!(columns);
    Ok(answer)
}

/// A condition on a column; everything fits where no pattern is given.
fn like(call: &Call, column: &str, parameter: &str) -> String {
    match call.text(parameter) {
        Some(pattern) => format!("{column} LIKE {}", quote_literal(pattern)),
        None => "true".to_owned(),
    }
}

/// From which entry on, and how many.
fn range(call: &Call) -> Result<(usize, usize), Failure> {
    let most = match call.number("MaxResults")? {
        None | Some(0) => MOST,
        Some(most) if most <= MOST => most,
        Some(_) => return Err(Failure::invalid(format!("MaxResults must be between 0 and {MOST}."))),
    };
    let from = call.text("NextToken").map_or(Ok(0), str::parse);
    let from = from.map_err(|_| Failure::invalid("The token NextToken is not valid."))?;
    Ok((from, usize::try_from(most).unwrap_or(1)))
}

async fn list(
    aws: &Arc<Aws>,
    call: &Call,
    key: &str,
    sql: &str,
    entry: impl Fn(&[Option<String>]) -> Value,
) -> Result<Value, Failure> {
    let (from, most) = range(call)?;
    let mut visitor = enter(aws, call).await?;
    let mut rows = Rows::default();
    // One more than wanted tells whether there are more.
    run(&mut visitor, &format!("{sql} LIMIT {} OFFSET {from}", most + 1), &mut rows).await?;
    let mut answer = json!({ key: rows.0.iter().take(most).map(|row| entry(row)).collect::<Vec<_>>() });
    if rows.0.len() > most {
        answer["NextToken"] = json!((from + most).to_string());
    }
    Ok(answer)
}

async fn enter(aws: &Arc<Aws>, call: &Call) -> Result<Visitor, Failure> {
    let database = call.required("Database")?.to_owned();
    let target = target(call)?;
    let (user, password) = login(aws, call, &target)?;
    let entered = Visitor::enter(&aws.door, &user, &password, &database).await;
    entered.map_err(|refusal| {
        let message = format!("FATAL: {}", refusal.message);
        Failure::new("DatabaseConnectionException", StatusCode::INTERNAL_SERVER_ERROR, message)
    })
}

async fn run(visitor: &mut Visitor, sql: &str, to: &mut dyn Receiver) -> Result<(), Failure> {
    visitor.run(sql, to).await.map_err(|refusal| Failure::invalid(words(&refusal)))
}
