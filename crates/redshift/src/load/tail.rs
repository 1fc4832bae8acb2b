//! The last rows of a load, held back until it is known how many files they should fill.
//!
//! The server loads as many files at a time as it has slices. With a number of files that the slices share evenly, no
//! slice waits for another; and it is only at the end that the number can still be chosen.

use std::collections::VecDeque;

use arrow::{array::RecordBatch, compute::concat_batches};
use twinhouse_core::{Error, ErrorKind, Result};

/// Fewer bytes in memory are not worth a file of their own.
const SMALLEST: usize = 256 * 1024;

pub(super) struct Tail {
    batches: VecDeque<RecordBatch>,
    bytes: usize,
    room: usize,
    slices: usize,
    /// How many rows each of the last files has, once no more come.
    share: usize,
    rows: usize,
}

impl Tail {
    /// Holds back at most this many bytes of memory.
    pub(super) fn new(room: usize, slices: usize) -> Self {
        Self { batches: VecDeque::new(), bytes: 0, room, slices: slices.max(1), share: 0, rows: 0 }
    }

    pub(super) fn push(&mut self, batch: RecordBatch) {
        self.bytes += size(&batch);
        self.rows += batch.num_rows();
        self.batches.push_back(batch);
    }

    /// The oldest rows, if there are more than may be held.
    pub(super) fn overflow(&mut self) -> Option<RecordBatch> {
        if self.bytes <= self.room { None } else { self.pop() }
    }

    /// No more come: so many files are there or begun.
    pub(super) fn close(&mut self, files: usize) {
        let missing = self.slices - files % self.slices;
        let worth = self.bytes.div_ceil(SMALLEST).max(1);
        self.share = self.rows.div_ceil(missing.min(worth)).max(1);
    }

    /// The rows of the next of the last files.
    pub(super) fn share(&mut self) -> Result<Option<RecordBatch>> {
        let mut parts = Vec::new();
        let mut wanted = self.share;
        while wanted > 0 {
            let Some(batch) = self.pop() else { break };
            let rows = batch.num_rows();
            if rows > wanted {
                self.put_back(batch.slice(wanted, rows - wanted));
            }
            parts.push(batch.slice(0, rows.min(wanted)));
            wanted = wanted.saturating_sub(rows);
        }
        let Some(first) = parts.first() else { return Ok(None) };
        concat_batches(first.schema_ref(), &parts).map(Some).map_err(|cause| {
            Error::new(ErrorKind::Internal, "rows of one table do not make a batch").with_source(cause)
        })
    }

    pub(super) fn put_back(&mut self, batch: RecordBatch) {
        self.bytes += size(&batch);
        self.rows += batch.num_rows();
        self.batches.push_front(batch);
    }

    fn pop(&mut self) -> Option<RecordBatch> {
        let batch = self.batches.pop_front()?;
        self.bytes = self.bytes.saturating_sub(size(&batch));
        self.rows -= batch.num_rows();
        Some(batch)
    }
}

fn size(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    fn batch(rows: i64) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        RecordBatch::try_from_iter([("n", column)]).unwrap()
    }

    /// Rows of the last files, for so many slices and files before.
    fn shares(batches: &[i64], slices: usize, files: usize) -> Vec<usize> {
        let mut tail = Tail::new(usize::MAX, slices);
        batches.iter().for_each(|rows| tail.push(batch(*rows)));
        tail.close(files);
        std::iter::from_fn(|| tail.share().unwrap()).map(|share| share.num_rows()).collect()
    }

    #[test]
    fn the_number_of_files_becomes_a_multiple_of_the_slices() {
        let many = [40_000; 10];
        assert_eq!(shares(&many, 4, 0), [100_000; 4]);
        assert_eq!(shares(&many, 4, 3), [400_000]);
        assert_eq!(shares(&many, 4, 6), [200_000; 2]);
        assert_eq!(shares(&many, 4, 8), [100_000; 4]);
        assert_eq!(shares(&[100_001], 2, 0), [50_001, 50_000]);
    }

    #[test]
    fn few_rows_are_one_file() {
        assert_eq!(shares(&[5, 4], 16, 0), [9]);
        assert_eq!(shares(&[], 16, 0), [0; 0]);
    }

    #[test]
    fn what_does_not_fit_goes_first() {
        let mut tail = Tail::new(size(&batch(100)), 4);
        tail.push(batch(60));
        assert!(tail.overflow().is_none());
        tail.push(batch(70));
        assert_eq!(tail.overflow().map(|batch| batch.num_rows()), Some(60));
        assert!(tail.overflow().is_none());
    }
}
