//! Carrying out an UNLOAD inside the client's session.

use std::{io, sync::Arc};

use bytes::BytesMut;
use tokio::sync::mpsc;

use super::{
    super::{
        bulk::Bulk,
        copy::Compression,
        record::now,
        report::Report,
        result::{NUMERIC, Shape, Size},
        session::Session,
        wire::{put, put_cstr, query},
    },
    cells::{Field, cells},
    files::{Files, Written, prefix},
    manifest::manifest,
    options::{Format, UnloadStatement},
    parquet,
};

/// Rows that wait to be written.
const AHEAD: usize = 256;

impl Session {
    /// Carries out an UNLOAD and tells the client how it went, up to but not including ReadyForQuery.
    pub(in super::super) async fn unload(
        &mut self,
        unload: &UnloadStatement,
        query_id: i64,
    ) -> io::Result<Result<i64, Report>> {
        if self.status() == b'E' {
            // The engine says that nothing runs in a failed transaction.
            return self.exchange("SELECT 1", true).await;
        }
        if let Err(report) = self.shared.grant.check(&unload.authorization) {
            return self.fail(report).await;
        }
        let fields = match self.fields(unload).await? {
            Ok(fields) => fields,
            Err(report) => {
                self.tell(std::slice::from_ref(&report)).await?;
                return Ok(Err(report));
            }
        };
        let files = match self.prepare(unload, fields).await {
            Ok(files) => files,
            Err(report) => return self.fail(report).await,
        };
        self.ids.unload = query_id;
        self.ids.unloaded = 0;
        let mut doer = self.doer(query_id);
        let fields = files.kept();
        let outcome = self.drain(unload, files).await?;
        let outcome = match outcome {
            Ok((rows, written)) => self.publish(unload, &fields, written).await.map(|written| (rows, written)),
            Err(report) => Err(report),
        };
        doer.end_time = now();
        let record = |status, rows, written: &[Placed], error_message: String| Bulk::Unload {
            doer: doer.clone(),
            status,
            file_format: unload.format.as_str(),
            compression_type: match unload.compression {
                Compression::None => "",
                Compression::Gzip => "gzip",
                Compression::Bzip2 => "bzip2",
                Compression::Zstd => "zstd",
            },
            location: unload.destination.url(),
            rows,
            files: i64::try_from(written.len()).unwrap_or(i64::MAX),
            bytes: written.iter().map(|file| file.bytes).sum(),
            error_message,
        };
        match outcome {
            Ok((rows, written)) => {
                for file in &written {
                    self.shared.record.bulk(Bulk::UnloadFile {
                        doer: doer.clone(),
                        path: file.url.clone(),
                        slice: file.slice,
                        lines: file.lines,
                        bytes: file.bytes,
                        file_format: unload.format.as_str(),
                    });
                }
                self.shared.record.bulk(record("completed", rows, &written, String::new()));
                self.ids.unloaded = rows;
                let mut out = BytesMut::new();
                Report::info(format!("UNLOAD completed, {rows} record(s) unloaded successfully.")).put(&mut out);
                put(&mut out, b'C', |out| put_cstr(out, "UNLOAD"));
                self.write(&out).await?;
                Ok(Ok(rows))
            }
            Err(report) => {
                self.shared.record.bulk(record("aborted", 0, &[], report.message.clone()));
                self.fail(report).await
            }
        }
    }

    /// The columns of the query. A number of no stated digits gets those of its values.
    async fn fields(&mut self, unload: &UnloadStatement) -> io::Result<Result<Vec<Field>, Report>> {
        let mut shape = Shape::default();
        let mut outcome = Ok(());
        self.send(&query(&format!("SELECT * FROM (\n{}\n) AS u LIMIT 0", unload.sql))).await?;
        loop {
            let message = self.receive().await?;
            match message.tag() {
                b'Z' => break,
                b'T' => shape = Shape::parse(message.body()),
                b'E' => {
                    let mut report = Report::parse(message.body()).translated(self.ids.query);
                    report.position = None;
                    outcome = Err(report);
                }
                _ => {}
            }
        }
        if let Err(report) = outcome {
            return Ok(Err(report));
        }
        let mut fields: Vec<Field> = shape.0.iter().map(Field::of).collect();
        let open: Vec<usize> =
            (0..fields.len()).filter(|i| fields[*i].oid == NUMERIC && fields[*i].size.is_none()).collect();
        if !open.is_empty() && unload.format == Format::Parquet {
            let names: Vec<_> = (0..fields.len()).map(|i| format!("c{i}")).collect();
            let scales: Vec<_> = open.iter().map(|i| format!("coalesce(max(pg_catalog.scale(c{i})), 0)")).collect();
            let sql = format!("SELECT {} FROM (\n{}\n) AS u ({})", scales.join(", "), unload.sql, names.join(", "));
            let rows = match self.rows(&sql).await? {
                Ok(rows) => rows,
                Err(report) => return Ok(Err(report)),
            };
            for (i, scale) in open.iter().zip(rows.into_iter().flatten()) {
                let scale = scale.and_then(|text| text.parse().ok()).unwrap_or_default();
                fields[*i].size = Some(Size { precision: 38, scale });
            }
        }
        Ok(Ok(fields))
    }

    /// Refuses what cannot be written, and makes room at the destination.
    async fn prepare(&self, unload: &UnloadStatement, fields: Vec<Field>) -> Result<Files, Report> {
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        if let Some(missing) = unload.partitions.iter().find(|name| !names.contains(&name.as_str())) {
            return Err(Report::error("42703", format!("Partition column \"{missing}\" is not in the SELECT list")));
        }
        if !unload.include && !fields.is_empty() && unload.partitions.len() >= fields.len() {
            return Err(Report::unsupported("UNLOAD needs a column that is not a partition column"));
        }
        let twice = (1..names.len()).find(|i| names[..*i].contains(&names[*i]));
        if let (Some(twice), Format::Json | Format::Parquet) = (twice, &unload.format) {
            return Err(Report::error("42701", format!("column name \"{}\" is duplicated", names[twice])));
        }
        let files = Files::new(unload.clone(), Arc::clone(&self.shared.storage), fields);
        let files = match unload.format {
            Format::Parquet => {
                let schema = parquet::schema(&files.kept())?;
                files.with_schema(schema)
            }
            _ => files,
        };
        let bucket = &unload.destination.bucket;
        let there = self.shared.storage.list(bucket, &prefix(unload)).await.map_err(|_| no_bucket())?;
        if unload.clean_path {
            for object in there {
                self.shared.storage.delete(bucket, &object.key).await.map_err(|error| unwritable(&error))?;
            }
        } else if !there.is_empty() && !unload.allow_overwrite {
            return Err(Report::internal(
                "Specified unload destination on S3 is not empty. Consider using a different bucket / prefix, manually \
                 removing the target files in S3, or using the ALLOWOVERWRITE option.",
            ));
        }
        Ok(files)
    }

    /// Has the engine send the rows, and writes them as they come.
    async fn drain(
        &mut self,
        unload: &UnloadStatement,
        mut files: Files,
    ) -> io::Result<Result<(i64, Vec<Written>), Report>> {
        let (sender, mut lines) = mpsc::channel::<BytesMut>(AHEAD);
        let fields = files.all();
        let writing = tokio::task::spawn_blocking(move || {
            let mut rows = 0_i64;
            while let Some(line) = lines.blocking_recv() {
                files.push(cells(&line, &fields))?;
                rows += 1;
            }
            files.finish().map(|written| (rows, written))
        });
        self.send(&query(&format!("COPY (\n{}\n) TO STDOUT", unload.sql))).await?;
        let mut refused = None;
        let mut sender = Some(sender);
        loop {
            let message = self.receive().await?;
            match message.tag() {
                b'Z' => break,
                b'd' => {
                    let gone = match &sender {
                        Some(open) => open.send(message.body().into()).await.is_err(),
                        None => false,
                    };
                    // The writer has failed: the engine is read to its end all the same.
                    if gone {
                        sender = None;
                    }
                }
                b'E' => refused = Some(Report::parse(message.body()).translated(self.ids.query)),
                _ => {}
            }
        }
        drop(sender);
        let written = writing.await.map_err(io::Error::other)?;
        Ok(match (refused, written) {
            (Some(report), _) => Err(report),
            (None, Err(error)) => Err(Report::internal(format!("UNLOAD failed: {error}"))),
            (None, Ok(all)) => Ok(all),
        })
    }

    /// Puts the files into their places, and the manifest last.
    async fn publish(
        &self,
        unload: &UnloadStatement,
        fields: &[Field],
        written: Vec<Written>,
    ) -> Result<Vec<Placed>, Report> {
        let bucket = &unload.destination.bucket;
        let list = unload.manifest.then(|| manifest(bucket, &written, fields, unload.verbose));
        let mut placed = Vec::with_capacity(written.len());
        for file in written {
            placed.push(Placed {
                url: format!("s3://{bucket}/{}", file.key),
                slice: i64::try_from(file.slice).unwrap_or(i64::MAX),
                lines: i64::try_from(file.lines).unwrap_or(i64::MAX),
                bytes: i64::try_from(file.bytes).unwrap_or(i64::MAX),
            });
            self.shared.storage.place(bucket, &file.key, file.draft).await.map_err(|error| unwritable(&error))?;
        }
        if let Some(list) = list {
            let placing = async {
                let mut draft = self.shared.storage.draft()?;
                io::Write::write_all(&mut draft, list.as_bytes())?;
                let draft = draft.into_temp_path();
                self.shared.storage.place(bucket, &format!("{}manifest", prefix(unload)), draft).await
            };
            placing.await.map_err(|error| unwritable(&error))?;
        }
        Ok(placed)
    }
}

/// A file that is in its place.
struct Placed {
    url: String,
    slice: i64,
    lines: i64,
    bytes: i64,
}

fn no_bucket() -> Report {
    Report::internal(
        "S3ServiceException:The specified bucket does not exist,Status 404,Error NoSuchBucket,Rid 0,ExtRid 0,CanRetry 1",
    )
}

fn unwritable(error: &io::Error) -> Report {
    tracing::debug!(%error, "an unload could not write");
    Report::internal(
        "S3ServiceException:We encountered an internal error.,Status 500,Error InternalError,Rid 0,ExtRid 0,CanRetry 1",
    )
}
