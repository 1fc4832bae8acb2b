//! `twinhouse query`: one statement, its rows in a format of choice.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use futures::StreamExt as _;
use twinhouse::{CallOptions, Error, ErrorKind, Result, StatementHandle, StatementRequest, Warehouse as _};

use crate::{
    args::{Format, QueryOptions},
    output::sink,
    stop,
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

    let stopped = stop::asked();
    tokio::pin!(stopped);
    let warehouse = twinhouse::connect(&options.url).await?;
    let submission = warehouse.submit(request.with_options(call));
    tokio::pin!(submission);
    let outcome = tokio::select! {
        handle = &mut submission => match handle {
            Ok(handle) => tokio::select! {
                read = print(handle, options.output, options.file.as_deref()) => read,
                () = &mut stopped => Err(interrupted()),
            },
            Err(error) => Err(error),
        },
        () = &mut stopped => {
            eprintln!("twinhouse: cancelling, as soon as the server has given the statement a name; Ctrl-C leaves it");
            tokio::select! {
                handle = submission => handle.and(Err(interrupted())),
                () = stop::asked() => return Err(interrupted()),
            }
        }
    };
    // What was dropped is cancelled on the server before this is over.
    warehouse.close().await?;
    outcome
}

async fn print(handle: StatementHandle, format: Format, file: Option<&Path>) -> Result<()> {
    let mut rows = handle.stream().await?;
    let writer: Box<dyn Write + Send> = match file {
        None => Box::new(BufWriter::new(io::stdout())),
        Some(path) => Box::new(BufWriter::new(File::create(path).map_err(|cause| {
            Error::new(ErrorKind::InvalidInput, "cannot write the file")
                .with_context("file", path.display().to_string())
                .with_source(cause)
        })?)),
    };
    let mut sink = sink(format, writer, rows.schema())?;
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

fn interrupted() -> Error {
    Error::new(ErrorKind::Cancelled, "interrupted")
}
