//! Earlier versions of a table: by number, and by the time of their commit.

use arrow::{
    array::{ArrayRef, AsArray},
    datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType},
};
use datafusion::{
    prelude::DataFrame,
    sql::{
        parser::Statement as Planned,
        sqlparser::ast::{Expr, Ident, SelectItem, SetExpr, Statement as Ast, TableVersion, Value},
    },
};
use deltalake::{DeltaTable, kernel::Version};

use super::{Engine, USER, catalog::Place, session::session, tables::Opened};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{CallContext, Rewriter, Statement, TableUse, cast_expr, find_tables, lex, parse},
};

/// The versions that the log still has, with the time of each commit in milliseconds since 1970, oldest first.
pub(super) struct Commits(Vec<(Version, i64)>);

/// On which side of a moment a commit is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The last commit at or before it.
    Before,
    /// The first commit at or after it.
    After,
}

impl Commits {
    /// Times never run backwards: a commit counts as one millisecond later than the one before at least.
    pub(super) async fn of(table: &DeltaTable) -> SqlResult<Self> {
        let log = table.log_store();
        let latest = table.version().unwrap_or_default();
        let mut commits: Vec<(Version, i64)> = Vec::new();
        for version in (0..=latest).rev() {
            // What has been cleaned up is the beginning.
            let Some(entry) = log.read_commit_entry(version).await? else { break };
            let time = commit_time(&entry);
            commits.push((version, time));
        }
        commits.reverse();
        for index in 1..commits.len() {
            let before = commits[index - 1].1;
            commits[index].1 = commits[index].1.max(before + 1);
        }
        Ok(Self(commits))
    }

    fn first(&self) -> (Version, i64) {
        self.0.first().copied().unwrap_or_default()
    }

    fn last(&self) -> (Version, i64) {
        self.0.last().copied().unwrap_or_default()
    }

    /// The commit beside a moment, given in microseconds since 1970.
    pub(super) fn beside(&self, micros: i64, side: Side, opened: &Opened) -> SqlResult<Version> {
        let (first, last) = (self.first(), self.last());
        let after_last = micros.div_euclid(1000) > last.1;
        if after_last {
            let text = format!(
                "The provided timestamp ({}) is after the latest version available to this table ({}). Please use a timestamp before or at {}.",
                shown(micros),
                opened.name,
                shown(last.1 * 1000)
            );
            return Err(SqlError::new("DELTA_TIMESTAMP_GREATER_THAN_COMMIT", "42816", text));
        }
        let found = match side {
            Side::Before => self.0.iter().rev().find(|(_, millis)| millis * 1000 <= micros),
            Side::After => self.0.iter().find(|(_, millis)| millis * 1000 >= micros),
        };
        if let (Some((version, _)), true) = (found, micros.div_euclid(1000) >= first.1) {
            return Ok(*version);
        }
        let text = format!(
            "The provided timestamp ({}) is before the earliest version available to this table ({}). Please use a timestamp after {}.",
            shown(micros),
            opened.name,
            shown(first.1 * 1000)
        );
        Err(SqlError::new("DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION", "42816", text))
    }

    /// Refuses a version that the table does not have, or has no more.
    pub(super) fn check(&self, version: Version) -> SqlResult<()> {
        let (first, last) = (self.first().0, self.last().0);
        if (first..=last).contains(&version) {
            return Ok(());
        }
        let text =
            format!("Cannot time travel Delta table to version {version}. Available versions: [{first}, {last}].");
        Err(SqlError::new("DELTA_VERSION_NOT_FOUND", "22003", text))
    }
}

/// The time that a commit says it was made at.
fn commit_time(entry: &[u8]) -> i64 {
    let infos = entry
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .find_map(|action| action.get("commitInfo").cloned());
    let time = |key: &str| infos.as_ref().and_then(|info| info.get(key)?.as_i64());
    time("inCommitTimestamp").or_else(|| time("timestamp")).unwrap_or_default()
}

fn shown(micros: i64) -> String {
    chrono::DateTime::from_timestamp_micros(micros)
        .map(|moment| moment.format("%Y-%m-%d %H:%M:%S%.f").to_string())
        .unwrap_or_default()
}

/// A constant that says which version is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Version(Version),
    /// Microseconds since 1970.
    Micros(i64),
}

impl Engine {
    /// The version of a table that a query asks for.
    pub(super) async fn open_use(&self, used: &TableUse, place: &Place) -> SqlResult<Opened> {
        let mut opened = self.open_table(&used.path, place).await?;
        let version = match &used.version {
            None => return Ok(opened),
            Some(TableVersion::VersionAsOf(expr)) => {
                let version = version_number(expr)?;
                if version > opened.table.version().unwrap_or_default() {
                    Commits::of(&opened.table).await?.check(version)?;
                }
                version
            }
            Some(TableVersion::TimestampAsOf(expr)) => {
                let micros = self.moment(expr, place).await?;
                Commits::of(&opened.table).await?.beside(micros, Side::Before, &opened)?
            }
            Some(other) => return Err(SqlError::unsupported(format_args!("time travel by {other}"))),
        };
        let mut earlier = opened.table.clone();
        if let Err(error) = earlier.load_version(version).await {
            Commits::of(&opened.table).await?.check(version)?;
            return Err(error.into());
        }
        opened.table = earlier;
        Ok(opened)
    }

    /// A boundary of `table_changes`: a number is a version, anything else a moment.
    pub(super) async fn boundary(&self, expr: &Expr, place: &Place) -> SqlResult<Moment> {
        let value = self.constant(expr.clone(), place).await?;
        if value.data_type().is_null() || value.is_null(0) {
            let text = "CDC read start/end parameters cannot be null. Please provide a valid version or timestamp.";
            return Err(SqlError::new("DELTA_CDC_READ_NULL_RANGE_BOUNDARY", "22004", text));
        }
        if value.data_type().is_integer() {
            let number = arrow::compute::cast(&value, &DataType::Int64)?.as_primitive::<Int64Type>().value(0);
            let version = Version::try_from(number).map_err(|_| {
                SqlError::new("DELTA_INVALID_VERSION", "42815", format!("{number} is not a version of a table."))
            })?;
            return Ok(Moment::Version(version));
        }
        Ok(Moment::Micros(self.moment(expr, place).await?))
    }

    /// The value of `TIMESTAMP AS OF`, in microseconds since 1970.
    async fn moment(&self, expr: &Expr, place: &Place) -> SqlResult<i64> {
        let value = self.constant(cast_expr(expr.clone(), "TIMESTAMP"), place).await?;
        let moment = DataType::Timestamp(TimeUnit::Microsecond, Some("Etc/UTC".into()));
        let value = arrow::compute::cast(&value, &moment)?;
        if value.is_null(0) {
            let text = "The time travel timestamp expression is invalid. Cannot be casted to the \"TIMESTAMP\" type.";
            return Err(SqlError::new("INVALID_TIME_TRAVEL_TIMESTAMP_EXPR.INPUT", "42K0E", text));
        }
        Ok(value.as_primitive::<TimestampMicrosecondType>().value(0))
    }

    /// The value of an expression that reads no table.
    pub(super) async fn constant(&self, expr: Expr, place: &Place) -> SqlResult<ArrayRef> {
        let Statement::Query(mut query) = parse(&lex("SELECT 1")?)? else {
            return Err(SqlError::internal("not a query"));
        };
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.projection = vec![SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('`', "value") }];
        }
        if !find_tables(query.as_ref())?.is_empty() {
            let text = "The time travel timestamp expression is invalid. Must be evaluable.";
            return Err(SqlError::new("INVALID_TIME_TRAVEL_TIMESTAMP_EXPR.UNEVALUABLE", "42K0E", text));
        }
        let call = CallContext { catalog: &place.catalog, schema: &place.schema, user: USER };
        Rewriter::new(call).rewrite(query.as_mut())?;
        let state = session(&self.0.base).state();
        let plan = state.statement_to_plan(Planned::Statement(Box::new(Ast::Query(query)))).await?;
        let batches = DataFrame::new(state, plan).collect().await?;
        let first = batches.iter().find(|batch| batch.num_rows() == 1);
        first.map(|batch| batch.column(0).clone()).ok_or_else(|| SqlError::internal("a constant without a value"))
    }
}

fn version_number(expr: &Expr) -> SqlResult<Version> {
    let digits = match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => Some(digits.clone()),
            _ => None,
        },
        _ => None,
    };
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        SqlError::new("INVALID_TIME_TRAVEL_SPEC", "42K0E", "The version of a time travel must be a whole number.")
    })
}
