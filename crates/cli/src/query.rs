//! `twinhouse query`: one statement, its rows in a format of choice.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
};

use futures::StreamExt as _;
use twinhouse::{CallOptions, Error, ErrorKind, Result, StatementRequest, Warehouse as _, WarehouseExt as _};

use crate::{
    args::{Format, QueryOptions},
    output::sink,
};

pub(crate) async fn run(options: QueryOptions) -> Result<()> {
    if options.output == Format::Parquet && options.file.is_none() {
        return Err(Error::new(ErrorKind::InvalidInput, "parquet needs a file to write to: add --file NAME.parquet"));
    }
    let mut call = CallOptions::default().with_label("twinhouse query");
    if let Some(limit) = options.timeout {
        call = call.with_timeout(limit);
    }
    let request =
        if options.write { StatementRequest::write(&options.sql) } else { StatementRequest::read(&options.sql) };
    let request = options.params.into_iter().fold(request, |request, (name, value)| request.bind(name, value));

    let warehouse = twinhouse::connect(&options.url).await?;
    let outcome = async {
        let mut rows = warehouse.query(request.with_options(call)).await?;
        let writer: Box<dyn Write + Send> = match &options.file {
            None => Box::new(BufWriter::new(io::stdout())),
            Some(path) => Box::new(BufWriter::new(File::create(path).map_err(|cause| {
                Error::new(ErrorKind::InvalidInput, "cannot write the file")
                    .with_context("file", path.display().to_string())
                    .with_source(cause)
            })?)),
        };
        let mut sink = sink(options.output, writer, rows.schema())?;
        while let Some(batch) = rows.next().await {
            sink.write(&batch?)?;
        }
        sink.finish()?;
        if rows.is_truncated() {
            eprintln!("twinhouse: the server cut the result short");
        }
        if let Some(changed) = rows.rows_affected() {
            eprintln!("{changed} rows affected");
        }
        Ok(())
    }
    .await;
    warehouse.close().await?;
    outcome
}
