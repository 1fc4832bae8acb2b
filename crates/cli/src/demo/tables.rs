//! The eight TPC-H tables as Arrow batches, made as they are read.

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RecordBatchIterator, RegionArrow,
    SupplierArrow,
};
use twinhouse::BatchStream;

pub(crate) const TABLES: [&str; 8] =
    ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"];

/// How many rows a table has at this scale, for the progress bar. Lineitem's is close, not exact.
pub(super) fn rows(table: &str, scale: f64) -> u64 {
    let at_one = match table {
        "region" => return 5,
        "nation" => return 25,
        "supplier" => 10_000.0,
        "customer" => 150_000.0,
        "part" => 200_000.0,
        "partsupp" => 800_000.0,
        "orders" => 1_500_000.0,
        _ => 6_001_215.0,
    };
    (at_one * scale) as u64
}

/// Generates a table. The same scale gives the same rows every time.
pub(crate) fn generate(table: &str, scale: f64) -> Batches {
    let batches: Box<dyn RecordBatchIterator> = match table {
        "region" => Box::new(RegionArrow::new(RegionGenerator::new(scale, 1, 1))),
        "nation" => Box::new(NationArrow::new(NationGenerator::new(scale, 1, 1))),
        "supplier" => Box::new(SupplierArrow::new(SupplierGenerator::new(scale, 1, 1))),
        "customer" => Box::new(CustomerArrow::new(CustomerGenerator::new(scale, 1, 1))),
        "part" => Box::new(PartArrow::new(PartGenerator::new(scale, 1, 1))),
        "partsupp" => Box::new(PartSuppArrow::new(PartSuppGenerator::new(scale, 1, 1))),
        "orders" => Box::new(OrderArrow::new(OrderGenerator::new(scale, 1, 1))),
        _ => Box::new(LineItemArrow::new(LineItemGenerator::new(scale, 1, 1))),
    };
    Batches(batches)
}

pub(crate) struct Batches(Box<dyn RecordBatchIterator>);

impl Batches {
    pub(crate) fn schema(&self) -> SchemaRef {
        self.0.schema().clone()
    }

    pub(crate) fn into_stream(self) -> BatchStream {
        let schema = self.schema();
        BatchStream::new(schema, futures::stream::iter(self.0.map(Ok)))
    }
}

impl Iterator for Batches {
    type Item = RecordBatch;

    fn next(&mut self) -> Option<RecordBatch> {
        self.0.next()
    }
}
