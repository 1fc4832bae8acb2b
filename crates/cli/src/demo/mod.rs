//! `twinhouse demo`: one function on both warehouses, and their answers side by side.

mod answers;
mod job;
mod queries;
mod tables;

use std::time::Instant;

use twinhouse::{Error, ErrorKind, Result};

pub(crate) use self::tables::{TABLES, generate};
use crate::{args::DemoOptions, output::print_table};

/// The scale factor whose answers are published.
const PUBLISHED_SCALE: f64 = 1.0;

pub(crate) async fn run(options: DemoOptions) -> Result<()> {
    if !(options.scale > 0.0 && options.scale <= 100.0) {
        return Err(Error::new(ErrorKind::InvalidInput, "the scale must be above 0 and at most 100")
            .with_context("scale", options.scale.to_string()));
    }
    let start = Instant::now();
    let mut all = Vec::new();
    for url in &options.urls {
        let warehouse = twinhouse::connect(url).await?;
        println!("\n== {} at {}", warehouse.info().backend, warehouse.info().host);
        let done = job::run(warehouse.as_ref(), options.scale, url.starts_with("sandbox://")).await;
        warehouse.close().await?;
        all.push((warehouse.info().backend, done?));
    }
    println!("\n== Answers");
    let Some(((first, answers), others)) = all.split_first() else { return Ok(()) };
    for (index, answer) in answers.iter().enumerate() {
        println!("\n{}: {} rows", answer.name, answer.rows.len());
        print_table(&answer.schema, &answer.rows[..answer.rows.len().min(5)]);
        let mut times = format!("{first} {:.2?}", answer.elapsed);
        for (backend, other) in others {
            answers::agree(answer, &other[index])?;
            times += &format!(", {backend} {:.2?}", other[index].elapsed);
        }
        if options.scale == PUBLISHED_SCALE {
            answers::as_published(answer)?;
            times += "; as published";
        }
        println!("{times}; answers agree");
    }
    println!("\nSame function, same answers, in {:.1?}.", start.elapsed());
    Ok(())
}
