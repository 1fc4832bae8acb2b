//! OPTIMIZE: compaction and Z-order.

use arrow::array::{ArrayRef, AsArray as _};
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};
use deltalake::{
    FilterLiteral, FilterOp, FilterValue,
    kernel::{DataType, PrimitiveType},
    operations::optimize::{MetricDetails, Metrics, OptimizeType},
};
use serde_json::json;

use super::{
    super::{
        Engine, Outcome,
        catalog::{Place, now_ms},
        ddl::MAPPING,
        metadata::Definition,
        prepare::{find_column, quote},
        tables::Opened,
    },
    answer::{answer, booleans, double, long, longs, nulls, structure, text},
    log::worded,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{ObjectPath, delta_type_text},
};

/// What one literal of a predicate picks: a partition column, a comparison, the values as the log writes them.
type Literal = (String, FilterOp, Vec<String>);

impl Engine {
    pub(super) async fn optimize(
        &self,
        table: &ObjectPath,
        full: bool,
        predicate: Option<&Expr>,
        z_order: &[String],
        place: &Place,
    ) -> SqlResult<Outcome> {
        let opened = self.open_table(table, place).await?;
        let clustering = Definition::of(&opened)?.clustering();
        if full && clustering.is_empty() {
            let text = "OPTIMIZE FULL is only supported for clustered tables with non-empty clustering columns.";
            return Err(SqlError::new("DELTA_OPTIMIZE_FULL_NOT_SUPPORTED", "42601", text));
        }
        let metadata = opened.table.snapshot()?.metadata().clone();
        if metadata.configuration().get(MAPPING).is_some_and(|mode| mode != "none") {
            return Err(SqlError::unsupported("OPTIMIZE of a table with column mapping"));
        }
        let clustered = !clustering.is_empty();
        if clustered && !z_order.is_empty() {
            let text = "OPTIMIZE command for Delta table with clustering doesn't support ZORDER BY.";
            return Err(SqlError::new("DELTA_CLUSTERING_WITH_ZORDER_BY", "42613", text));
        }
        if clustered && predicate.is_some() {
            let text = "OPTIMIZE command for Delta table with clustering doesn't support partition predicates.";
            return Err(SqlError::new("DELTA_CLUSTERING_WITH_PARTITION_PREDICATE", "0A000", text));
        }
        // Clustering sorts along a curve through the columns, as Z-ordering does; here it is the same one.
        let clustering: Vec<String> = clustering.iter().map(|path| path.join(".")).collect();
        let columns = match clustered {
            true => clustering,
            false => z_columns(&opened, metadata.partition_columns(), z_order)?,
        };
        let mut literals = Vec::new();
        if let Some(predicate) = predicate {
            self.literals(&opened, metadata.partition_columns(), predicate, place, &mut literals).await?;
        }
        let filters: Vec<FilterLiteral<'_>> = literals.iter().map(filter).collect();
        let shown: Vec<String> = predicate.map(|predicate| format!("({predicate})")).into_iter().collect();
        let (z_order, cluster) = if clustered { (&[][..], &columns[..]) } else { (&columns[..], &[][..]) };
        let parameters = json!({
            "predicate": json!(shown).to_string(),
            "zOrderBy": json!(z_order).to_string(),
            "clusterBy": json!(cluster).to_string(),
            "auto": "false",
            "batchId": "0",
        });
        let began = now_ms();
        let kind = if columns.is_empty() { OptimizeType::Compact } else { OptimizeType::ZOrder(columns.clone()) };
        let builder = opened.table.clone().optimize().with_type(kind).with_filters(&filters);
        let (_, metrics) = builder.with_commit_properties(worded("OPTIMIZE", parameters, json!({}))).await?;
        let metrics = self.optimize_metrics(&opened, &metrics, !z_order.is_empty(), clustered, began)?;
        answer(vec![("path", text(self.location(&opened)?)), ("metrics", metrics)])
    }

    fn optimize_metrics(
        &self,
        opened: &Opened,
        metrics: &Metrics,
        z_ordered: bool,
        clustered: bool,
        began: u64,
    ) -> SqlResult<ArrayRef> {
        let group = |count: u64, size: i64| structure(vec![("num", long(count)), ("size", long(size))]);
        let removed = &metrics.files_removed;
        let z_stats = if z_ordered {
            structure(vec![
                ("strategyName", text("all")),
                ("inputCubeFiles", group(0, 0)),
                ("inputOtherFiles", group(metrics.num_files_removed, removed.total_size)),
                ("inputNumCubes", long(0)),
                ("mergedFiles", group(metrics.num_files_removed, removed.total_size)),
                ("numOutputCubes", long(metrics.partitions_optimized)),
            ])
        } else {
            nulls(&["strategyName"], 1)
        };
        let files = |count: u64, size: i64| structure(vec![("numFiles", long(count)), ("size", long(size))]);
        let clustering_stats = if clustered {
            structure(vec![
                ("inputZCubeFiles", files(0, 0)),
                ("inputOtherFiles", files(metrics.num_files_removed, removed.total_size)),
                ("inputNumZCubes", long(0)),
                ("mergedFiles", files(metrics.num_files_removed, removed.total_size)),
                ("numOutputZCubes", long(metrics.partitions_optimized)),
            ])
        } else {
            nulls(&["inputZCubeFiles"], 1)
        };
        let columns = opened.fields()?.fields().count();
        let (none, unknown) = (|| long(0), || longs([None]));
        Ok(structure(vec![
            ("numFilesAdded", long(metrics.num_files_added)),
            ("numFilesRemoved", long(metrics.num_files_removed)),
            ("filesAdded", sizes(&metrics.files_added)),
            ("filesRemoved", sizes(removed)),
            ("partitionsOptimized", long(metrics.partitions_optimized)),
            ("zOrderStats", z_stats),
            ("clusteringStats", clustering_stats),
            ("numBins", unknown()),
            ("numBatches", long(i64::from(metrics.num_files_added > 0))),
            ("totalConsideredFiles", long(metrics.total_considered_files)),
            ("totalFilesSkipped", long(metrics.total_files_skipped)),
            ("preserveInsertionOrder", booleans([Some(metrics.preserve_insertion_order)])),
            ("numFilesSkippedToReduceWriteAmplification", none()),
            ("numBytesSkippedToReduceWriteAmplification", none()),
            ("startTimeMs", long(began)),
            ("endTimeMs", long(now_ms())),
            ("totalClusterParallelism", unknown()),
            ("totalScheduledTasks", unknown()),
            ("autoCompactParallelismStats", nulls(&["maxClusterActiveParallelism"], 1)),
            (
                "deletionVectorStats",
                structure(vec![("numDeletionVectorsRemoved", none()), ("numDeletionVectorRowsRemoved", none())]),
            ),
            ("numTableColumns", long(columns as u64)),
            ("numTableColumnsWithStats", unknown()),
        ]))
    }

    /// The predicate as a conjunction of comparisons, which is what the engine takes.
    async fn literals(
        &self,
        opened: &Opened,
        partitions: &[String],
        predicate: &Expr,
        place: &Place,
        out: &mut Vec<Literal>,
    ) -> SqlResult<()> {
        let (column, op, values) = match predicate {
            Expr::Nested(inner) => return Box::pin(self.literals(opened, partitions, inner, place, out)).await,
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                Box::pin(self.literals(opened, partitions, left, place, out)).await?;
                return Box::pin(self.literals(opened, partitions, right, place, out)).await;
            }
            Expr::Between { expr, negated: false, low, high } => {
                for (op, value) in [(FilterOp::Ge, low), (FilterOp::Le, high)] {
                    let literal =
                        self.literal(opened, partitions, expr, op, std::slice::from_ref(value.as_ref()), place);
                    out.push(literal.await?);
                }
                return Ok(());
            }
            Expr::InList { expr, list, negated } => {
                (expr, if *negated { FilterOp::NotIn } else { FilterOp::In }, list.as_slice())
            }
            Expr::BinaryOp { left, op, right } => {
                let op = match op {
                    BinaryOperator::Eq => FilterOp::Eq,
                    BinaryOperator::NotEq => FilterOp::Ne,
                    BinaryOperator::Lt => FilterOp::Lt,
                    BinaryOperator::LtEq => FilterOp::Le,
                    BinaryOperator::Gt => FilterOp::Gt,
                    BinaryOperator::GtEq => FilterOp::Ge,
                    _ => return Err(refused(predicate)),
                };
                (left, op, std::slice::from_ref(right.as_ref()))
            }
            _ => return Err(refused(predicate)),
        };
        out.push(self.literal(opened, partitions, column, op, values, place).await?);
        Ok(())
    }

    async fn literal(
        &self,
        opened: &Opened,
        partitions: &[String],
        column: &Expr,
        op: FilterOp,
        values: &[Expr],
        place: &Place,
    ) -> SqlResult<Literal> {
        let name = match column {
            Expr::Identifier(name) => name.value.as_str(),
            Expr::CompoundIdentifier(parts) => parts.last().map(|part| part.value.as_str()).unwrap_or_default(),
            other => return Err(refused(other)),
        };
        let column = find_column(opened, name)?;
        if !partitions.contains(&column) {
            let text = format!(
                "Predicate references non-partition column '{column}'. Only the partition columns may be referenced: [{}].",
                partitions.join(", ")
            );
            return Err(SqlError::new("DELTA_NON_PARTITION_COLUMN_REFERENCE", "42P10", text));
        }
        let fields = opened.fields()?;
        let data_type = fields.field(&column).map(|field| field.data_type().clone());
        let Some(data_type) = data_type.filter(written_as_cast) else {
            return Err(SqlError::unsupported("OPTIMIZE … WHERE on a partition column of this type"));
        };
        let mut written = Vec::with_capacity(values.len());
        for value in values {
            let sql = format!("SELECT CAST(CAST({value} AS {}) AS STRING) AS v", delta_type_text(&data_type));
            let value = Box::pin(self.scalar(&sql, place)).await?;
            let value = arrow::compute::cast(&value, &arrow::datatypes::DataType::Utf8)?;
            let value = value.as_string_opt::<i32>().filter(|value| value.iter().next().flatten().is_some());
            let value = value.ok_or_else(|| SqlError::unsupported("OPTIMIZE … WHERE with NULL"))?;
            written.push(value.value(0).to_owned());
        }
        Ok((column, op, written))
    }
}

fn refused(predicate: &Expr) -> SqlError {
    SqlError::unsupported(format_args!(
        "OPTIMIZE … WHERE {predicate}: only comparisons of partition columns with constants, joined by AND"
    ))
}

/// Whether the log writes a partition value of this type as a cast to STRING does.
fn written_as_cast(data_type: &DataType) -> bool {
    use PrimitiveType as P;
    matches!(
        data_type,
        DataType::Primitive(P::String | P::Byte | P::Short | P::Integer | P::Long | P::Date | P::Boolean)
    )
}

fn filter((column, op, values): &Literal) -> FilterLiteral<'_> {
    let set = || FilterValue::Set(values.iter().map(String::as_str).collect());
    match (op, values.as_slice()) {
        (FilterOp::In | FilterOp::NotIn, _) => (column, *op, set()),
        (_, [value]) => (column, *op, FilterValue::Scalar(value)),
        _ => (column, *op, set()),
    }
}

fn z_columns(opened: &Opened, partitions: &[String], z_order: &[String]) -> SqlResult<Vec<String>> {
    let mut columns = Vec::with_capacity(z_order.len());
    for name in z_order {
        let Ok(column) = find_column(opened, name) else {
            let text = format!("Z-Ordering column {} does not exist in data schema.", quote(name));
            return Err(SqlError::new("DELTA_ZORDERING_COLUMN_DOES_NOT_EXIST", "42703", text));
        };
        if partitions.contains(&column) {
            let text = format!("{column} is a partition column. Z-Ordering can only be performed on data columns.");
            return Err(SqlError::new("DELTA_ZORDERING_ON_PARTITION_COLUMN", "42P10", text));
        }
        // The engine reads a period as a step into a structure.
        if column.contains('.') {
            return Err(SqlError::unsupported("Z-ordering by a column with a period in its name"));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn sizes(details: &MetricDetails) -> ArrayRef {
    let some = details.total_files > 0;
    let known = |value: i64| longs([some.then_some(value)]);
    let average = if some { details.total_size as f64 / details.total_files as f64 } else { 0.0 };
    structure(vec![
        ("min", known(details.min)),
        ("max", known(details.max)),
        ("avg", double(average)),
        ("totalFiles", long(details.total_files as u64)),
        ("totalSize", long(details.total_size)),
    ])
}
