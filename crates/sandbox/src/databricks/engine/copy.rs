//! COPY INTO: files are remembered in the commit that loads them.

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::{
    common::ScalarValue,
    datasource::provider_as_source,
    execution::SessionState,
    logical_expr::{LogicalPlan, LogicalPlanBuilder, ident, lit},
};
use deltalake::{
    kernel::{StructType, Transaction, engine::arrow_conversion::TryIntoKernel as _},
    operations::write::SchemaMode,
    protocol::SaveMode,
};

use super::{
    Engine, Outcome,
    catalog::{Place, now_ms},
    commit::commit_properties,
    files::{SourceFile, path_not_found},
    fit::{Fit, guarded},
    formats::{Format, truth},
    insert::writer,
    prepare::quote,
    result::normal_type,
    session::session,
    tables::Opened,
};
use crate::databricks::{
    error::{SqlError, SqlResult, conflict},
    sql::{CopyInto, CopySource, Lexed, Statement, Wild, cast_to_type, delta_type_text, fits},
};

/// How often a load that lost against another commit is begun anew.
const ATTEMPTS: usize = 10;

#[derive(Clone, Debug)]
struct Options {
    force: bool,
    merge_schema: bool,
    format: Format,
}

impl Engine {
    pub(super) async fn copy_into(
        &self,
        lexed: &Lexed,
        statement: &Statement,
        copy: &CopyInto,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let options = options(copy)?;
        for attempt in 1.. {
            let opened = self.open_table(&copy.table, place).await?;
            let files = self.new_files(copy, &opened, &options).await?;
            if files.is_empty() {
                return counts(0);
            }
            let state = session(&self.0.base).state();
            let (prepared, plan) = match &copy.source {
                CopySource::Directory(_) => {
                    let prepared = self.prepare(lexed, statement, place, &[], Vec::new()).await?;
                    let plan = match copy.by_position || !copy.columns.is_empty() {
                        true => self.by_position(copy, &opened, &files, &state, &options).await?,
                        false => self.union(&opened, &files, &state, &options).await?,
                    };
                    (prepared, plan)
                }
                CopySource::Select { .. } => {
                    let provider = options.format.relation(&files, &state).await?;
                    let known = if copy.columns.is_empty() { vec![opened.arrow_schema()?] } else { Vec::new() };
                    let prepared =
                        self.prepare(lexed, statement, place, &known, vec![(CopyInto::SOURCE, provider)]).await?;
                    let Statement::CopyInto(planned) = &prepared.statement else {
                        return Err(SqlError::internal("no copy"));
                    };
                    let CopySource::Select { query, .. } = &planned.source else {
                        return Err(SqlError::internal("no query"));
                    };
                    let source = prepared.plan(query).await?;
                    let fit = Fit {
                        columns: &copy.columns,
                        by_name: copy.columns.is_empty(),
                        evolve: options.merge_schema,
                        defaults: self.defaults(&opened, place).await?,
                        ..Fit::default()
                    };
                    let plan = self.fit(&opened, source, &fit)?.plan;
                    (prepared, plan)
                }
            };
            let memory =
                files.iter().map(|file| Transaction::new_with_last_update(memory_id(file), 1, Some(now_ms() as i64)));
            let mut write = writer(&opened.table, &prepared, plan)?
                .with_save_mode(SaveMode::Append)
                .with_commit_properties(commit_properties().with_application_transactions(memory.collect()));
            if options.merge_schema {
                write = write.with_schema_mode(SchemaMode::Merge);
            }
            match write.await {
                Ok(table) => return counts(self.rows_of_commit(&opened.entry, &table).await?),
                // Another load was faster, perhaps with the same files: look again at what is left.
                Err(error) if attempt < ATTEMPTS && conflict(&error).is_some() => {
                    tracing::debug!(attempt, "COPY INTO lost against another commit");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(SqlError::internal("COPY INTO gave up"))
    }

    /// The files of the source that this table has not loaded.
    async fn new_files(&self, copy: &CopyInto, opened: &Opened, options: &Options) -> SqlResult<Vec<SourceFile>> {
        let files = self.source_files(copy)?;
        if options.force {
            return Ok(files);
        }
        let (snapshot, log_store) = (opened.table.snapshot()?, opened.table.log_store());
        let mut new = Vec::new();
        for file in files {
            if snapshot.transaction_version(log_store.as_ref(), memory_id(&file)).await?.is_none() {
                new.push(file);
            }
        }
        Ok(new)
    }

    fn source_files(&self, copy: &CopyInto) -> SqlResult<Vec<SourceFile>> {
        let (path, mut files) = self.files_at(copy.path())?;
        let below = |file: &SourceFile| {
            file.memory
                .strip_prefix(&path.text())
                .map(|rest| rest.trim_start_matches('/').to_owned())
                .unwrap_or_default()
        };
        if !copy.files.is_empty() {
            let mut chosen = Vec::new();
            for name in &copy.files {
                let found = files.iter().find(|file| below(file) == *name || file.memory == *name);
                chosen.push(found.cloned().ok_or_else(|| path_not_found(&format!("{}/{name}", path.text())))?);
            }
            return Ok(chosen);
        }
        if let Some(pattern) = &copy.pattern {
            files.retain(|file| glob(&below(file), pattern));
        }
        if files.is_empty() {
            let text = format!(
                "The source directory did not contain any parsable files of type {}. Please check the contents of '{}'.",
                copy.format,
                path.text()
            );
            return Err(SqlError::new("COPY_INTO_SOURCE_SCHEMA_INFERENCE_FAILED", "42KD9", text));
        }
        Ok(files)
    }

    /// CSV without a header: the columns of the files are those of the table, or those that are named, in their order.
    async fn by_position(
        &self,
        copy: &CopyInto,
        opened: &Opened,
        files: &[SourceFile],
        state: &SessionState,
        options: &Options,
    ) -> SqlResult<LogicalPlan> {
        let provider = options.format.relation(files, state).await?;
        let source = LogicalPlanBuilder::scan("__files", provider_as_source(provider), None)?.build()?;
        let fit = Fit { columns: &copy.columns, ..Fit::default() };
        Ok(self.fit(opened, source, &fit)?.plan)
    }

    /// All files in the table's columns, each by its own schema.
    async fn union(
        &self,
        opened: &Opened,
        files: &[SourceFile],
        state: &SessionState,
        options: &Options,
    ) -> SqlResult<LogicalPlan> {
        let fields = opened.fields()?;
        let mut sources = Vec::with_capacity(files.len());
        let mut added: Vec<(String, DataType)> = Vec::new();
        for file in files {
            let provider = options.format.relation(std::slice::from_ref(file), state).await?;
            for field in provider.schema().fields() {
                if find(&fields, field.name()).is_none() {
                    if !options.merge_schema {
                        return Err(schema_mismatch(field.name(), opened));
                    }
                    let data_type = normal_type(field.data_type())?;
                    if !added.iter().any(|(name, _)| name.eq_ignore_ascii_case(field.name())) {
                        added.push((field.name().clone(), data_type));
                    }
                }
            }
            sources.push(provider);
        }
        let mut union: Option<LogicalPlanBuilder> = None;
        for (index, provider) in sources.into_iter().enumerate() {
            let is_csv = matches!(options.format, Format::Csv(_));
            let columns = fit_file(&provider.schema(), &fields, &added, is_csv)?;
            let scan = LogicalPlanBuilder::scan(format!("__file{index}"), provider_as_source(provider), None)?;
            let scan = scan.project(columns)?;
            union = Some(match union {
                None => scan,
                Some(union) => union.union(scan.build()?)?,
            });
        }
        let union = union.ok_or_else(|| SqlError::internal("no files"))?;
        Ok(union.build()?)
    }
}

fn memory_id(file: &SourceFile) -> String {
    format!("copyInto:{}", file.memory)
}

fn counts(rows: u64) -> SqlResult<Outcome> {
    Outcome::counts(&[("num_affected_rows", rows), ("num_inserted_rows", rows), ("num_skipped_corrupt_files", 0)])
}

fn options(copy: &CopyInto) -> SqlResult<Options> {
    let format = Format::new(&copy.format, &copy.format_options)?;
    let headerless = matches!(&format, Format::Csv(csv) if !csv.header);
    let listed = !copy.columns.is_empty() && matches!(copy.source, CopySource::Directory(_));
    if (copy.by_position || listed) && !headerless {
        let text = "COPY INTO … BY POSITION or with a list of columns is only for CSV files without a header.";
        return Err(SqlError::new("COPY_INTO_NON_CSV_BY_POSITION", "42000", text));
    }
    let mut options = Options { force: false, merge_schema: false, format };
    for (key, value) in &copy.copy_options {
        match key.to_ascii_lowercase().as_str() {
            "force" => options.force = truth(key, value)?,
            "mergeschema" => options.merge_schema = truth(key, value)?,
            _ => return Err(SqlError::unsupported(format_args!("the copy option {key}"))),
        }
    }
    Ok(options)
}

/// `*` stays within a folder, `?` is one character.
fn glob(text: &str, pattern: &str) -> bool {
    let wild = |c| match c {
        '*' => Wild::Many,
        '?' => Wild::One,
        c => Wild::This(c),
    };
    fits(text, pattern.chars().map(wild), Some('/'))
}

fn find<'a>(fields: &'a StructType, name: &str) -> Option<&'a deltalake::kernel::StructField> {
    fields.fields().find(|field| field.name().to_lowercase() == name.to_lowercase())
}

/// The columns of one file as the table's.
fn fit_file(
    schema: &SchemaRef,
    fields: &StructType,
    added: &[(String, DataType)],
    is_csv: bool,
) -> SqlResult<Vec<datafusion::logical_expr::Expr>> {
    let given = |name: &str| schema.fields().iter().find(|field| field.name().to_lowercase() == name.to_lowercase());
    let mut columns = Vec::new();
    for field in fields.fields() {
        let value = match given(field.name()) {
            None => cast_to_type(lit(ScalarValue::Null), field.data_type()),
            Some(source) => {
                let from = normal_type(source.data_type())?;
                let to = crate::databricks::sql::arrow_of_delta(field.data_type())?;
                // A number in a text is read as the widest of its kind, and has the type that it fits.
                let narrowed = is_csv && from == DataType::Int64 && to.is_signed_integer();
                if narrowed {
                    columns.push(
                        guarded(cast_to_type(ident(source.name()), field.data_type()), field).alias(field.name()),
                    );
                    continue;
                }
                if !widens(&from, &to) {
                    let text = format!(
                        "Failed to merge fields {} and {}: the file has {}, the table has {}.",
                        quote(source.name()),
                        quote(field.name()),
                        super::type_text_of_arrow(&from)?,
                        delta_type_text(field.data_type())
                    );
                    return Err(SqlError::new("DELTA_FAILED_TO_MERGE_FIELDS", "22005", text));
                }
                let column = ident(source.name());
                if source.data_type() == &to { column } else { datafusion::logical_expr::cast(column, to) }
            }
        };
        columns.push(guarded(value, field).alias(field.name()));
    }
    for (name, data_type) in added {
        let delta: deltalake::kernel::DataType = data_type.try_into_kernel()?;
        let to = crate::databricks::sql::arrow_of_delta(&delta)?;
        let value = match given(name) {
            Some(source) => datafusion::logical_expr::cast(ident(source.name()), to),
            None => datafusion::logical_expr::cast(lit(ScalarValue::Null), to),
        };
        columns.push(value.alias(name));
    }
    Ok(columns)
}

/// What a load may turn into what: COPY INTO widens and never reinterprets.
fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    match (from, to) {
        (T::Null, _) => true,
        (T::Int8, T::Int8 | T::Int16 | T::Int32 | T::Int64)
        | (T::Int16, T::Int16 | T::Int32 | T::Int64)
        | (T::Int32, T::Int32 | T::Int64)
        | (T::Float32, T::Float32 | T::Float64) => true,
        (T::Decimal128(p1, s1), T::Decimal128(p2, s2)) => {
            s2 >= s1 && i16::from(*p2) - i16::from(*s2) >= i16::from(*p1) - i16::from(*s1)
        }
        (T::Timestamp(_, from), T::Timestamp(_, to)) => from.is_some() == to.is_some(),
        (T::List(from), T::List(to)) => widens(from.data_type(), to.data_type()),
        (T::Map(from, _), T::Map(to, _)) => widens(from.data_type(), to.data_type()),
        (T::Struct(from), T::Struct(to)) => {
            from.len() == to.len()
                && from.iter().zip(to).all(|(from, to)| {
                    // The names of a map's entries differ between writers.
                    widens(from.data_type(), to.data_type())
                })
        }
        (from, to) => from == to,
    }
}

fn schema_mismatch(column: &str, opened: &Opened) -> SqlError {
    let text = format!(
        "The schema of the files has a column {} that the table {} lacks. To add it, set the copy option 'mergeSchema' = 'true'.",
        quote(column),
        opened.name
    );
    SqlError::new("COPY_INTO_SCHEMA_MISMATCH_WITH_TARGET_TABLE", "42KDG", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_widens_and_never_reinterprets() {
        use arrow::datatypes::TimeUnit::Microsecond;
        assert!(widens(&DataType::Int8, &DataType::Int64));
        assert!(!widens(&DataType::Int64, &DataType::Int32));
        assert!(!widens(&DataType::Utf8, &DataType::Int32));
        assert!(widens(&DataType::Decimal128(10, 2), &DataType::Decimal128(12, 4)));
        assert!(!widens(&DataType::Decimal128(10, 2), &DataType::Decimal128(10, 4)));
        assert!(!widens(
            &DataType::Timestamp(Microsecond, None),
            &DataType::Timestamp(Microsecond, Some("UTC".into()))
        ));
    }

    #[test]
    fn a_pattern_does_not_cross_folders() {
        assert!(glob("a/b.parquet", "*/b.*") && !glob("a/b.parquet", "*.parquet") && glob("b1", "b?"));
    }
}
