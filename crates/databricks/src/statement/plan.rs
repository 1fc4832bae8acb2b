//! In which order links are fetched, and when more must be asked for.

use std::collections::VecDeque;

use twinhouse_core::{Error, ErrorKind, Result};

use crate::wire::{ExternalLink, Manifest};

/// One file to fetch.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) link: ExternalLink,
    pub(super) chunk: u64,
    /// How many of its rows count; `None` if nobody said.
    pub(super) rows: Option<u64>,
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Step {
    Fetch(Box<Part>),
    /// Ask for the links of this chunk.
    Ask(u64),
    Done,
}

/// Links come in answers that may hold several for one chunk, some for later chunks, and some that came before. Each
/// range of rows is taken once, in order, without a hole.
#[derive(Debug)]
pub(super) struct Plan {
    chunk_count: Option<u64>,
    /// Rows of each chunk, as the manifest says.
    chunk_rows: Vec<Option<u64>>,
    total_rows: Option<u64>,
    ready: VecDeque<Part>,
    /// Chunk and row offset of the last link that was taken.
    last: Option<(u64, u64)>,
    /// Rows of all links that were taken; `None` once a link did not say.
    rows: Option<u64>,
    next: Option<u64>,
}

impl Plan {
    pub(super) fn new(manifest: &Manifest, links: Vec<ExternalLink>) -> Result<Self> {
        let mut chunk_rows = Vec::new();
        for chunk in &manifest.chunks {
            let index = usize::try_from(chunk.chunk_index.unwrap_or(0)).unwrap_or(usize::MAX);
            if index <= manifest.chunks.len() {
                chunk_rows.resize(chunk_rows.len().max(index + 1), None);
                chunk_rows[index] = Some(chunk.row_count.unwrap_or(0));
            }
        }
        let mut plan = Self {
            chunk_count: manifest.total_chunk_count,
            chunk_rows,
            total_rows: manifest.total_row_count,
            ready: VecDeque::new(),
            last: None,
            rows: Some(0),
            next: None,
        };
        if links.is_empty() {
            plan.next = plan.total_rows.is_some_and(|rows| rows > 0).then_some(0);
        } else {
            plan.accept(0, links)?;
        }
        Ok(plan)
    }

    pub(super) fn step(&mut self) -> Step {
        match (self.ready.pop_front(), self.next) {
            (Some(part), _) => Step::Fetch(Box::new(part)),
            (None, Some(chunk)) => Step::Ask(chunk),
            (None, None) => Step::Done,
        }
    }

    /// Takes the links of an answer to the question for this chunk.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] if it holds nothing new, or leaves out rows.
    pub(super) fn accept(&mut self, asked: u64, mut links: Vec<ExternalLink>) -> Result<()> {
        // What is zero may have been left out.
        let key = |link: &ExternalLink| (link.chunk_index.unwrap_or(0), link.row_offset.unwrap_or(0));
        links.sort_by_key(key);
        let alone =
            |chunk| links.iter().filter(|link| key(link).0 == chunk).map(key).all(|(_, at)| at == key(&links[0]).1);
        let single: Vec<_> = links.iter().map(|link| alone(key(link).0)).collect();
        let (mut next, mut news) = (None, false);
        for (link, single) in links.into_iter().zip(single) {
            let (chunk, offset) = key(&link);
            if self.last.is_some_and(|last| (chunk, offset) <= last && (chunk <= last.0)) {
                continue;
            }
            if let (Some(offset), Some(rows)) = (link.row_offset, self.rows)
                && offset != rows
            {
                return Err(Error::new(ErrorKind::Protocol, "the links to the result leave out rows or repeat some")
                    .with_context("chunk", chunk.to_string())
                    .with_context("expected row", rows.to_string())
                    .with_context("row", offset.to_string()));
            }
            let of_chunk = || usize::try_from(chunk).ok().and_then(|at| self.chunk_rows.get(at).copied().flatten());
            let rows = link.row_count.or_else(|| single.then(of_chunk).flatten());
            // More than there can be is not what was announced, either.
            self.rows = self.rows.zip(rows).map(|(sum, rows)| sum.saturating_add(rows));
            self.last = Some((chunk, offset));
            next = link.next_chunk_index.or(next);
            news = true;
            if rows != Some(0) {
                self.ready.push_back(Part { link, chunk, rows });
            }
        }
        if !news {
            return Err(Error::new(
                ErrorKind::Protocol,
                "the service gave no new link for the next part of the result",
            )
            .with_context("chunk", asked.to_string()));
        }
        let (last, _) = self.last.unwrap_or_default();
        let counted = || last.checked_add(1).filter(|next| self.chunk_count.is_some_and(|count| *next < count));
        self.next = next.filter(|next| *next > last).or_else(counted);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use serde_json::{Value, json};

    use super::*;

    fn links(of: Value) -> Vec<ExternalLink> {
        let with_url = |mut link: Value| {
            link["external_link"] = json!("https://x/y");
            serde_json::from_value(link).unwrap()
        };
        of.as_array().unwrap().iter().cloned().map(with_url).collect()
    }

    fn manifest(of: Value) -> Manifest {
        serde_json::from_value(of).unwrap()
    }

    /// Chunks and rows in the order of fetching, the chunks that were asked for in between as themselves.
    fn run(plan: &mut Plan, mut answers: Vec<Value>) -> Result<Vec<(u64, Option<u64>)>> {
        let mut out = Vec::new();
        answers.reverse();
        loop {
            match plan.step() {
                Step::Fetch(part) => out.push((part.chunk, part.rows)),
                Step::Ask(chunk) => plan.accept(chunk, links(answers.pop().expect("no more answers")))?,
                Step::Done => {
                    assert!(answers.is_empty(), "not everything was asked for");
                    return Ok(out);
                }
            }
        }
    }

    #[test]
    fn next_pointers_stand_in_the_links_and_zeros_may_be_missing() {
        let manifest = manifest(json!({ "total_chunk_count": 3, "total_row_count": 30 }));
        let mut plan = Plan::new(&manifest, links(json!([{ "row_count": 10, "next_chunk_index": 1 }]))).unwrap();
        let answers = vec![
            json!([{ "chunk_index": 1, "row_offset": 10, "row_count": 10, "next_chunk_index": 2 }]),
            json!([{ "chunk_index": 2, "row_offset": "20", "row_count": 10 }]),
        ];
        assert_eq!(run(&mut plan, answers).unwrap(), [(0, Some(10)), (1, Some(10)), (2, Some(10))]);
    }

    #[test]
    fn several_links_for_a_chunk_and_links_that_came_before_are_each_taken_once() {
        let manifest = manifest(json!({ "total_chunk_count": 3, "total_row_count": 35 }));
        let first = links(json!([
            { "chunk_index": 0, "row_offset": 5, "row_count": 5, "next_chunk_index": 1 },
            { "chunk_index": 0, "row_count": 5, "next_chunk_index": 1 },
            { "chunk_index": 1, "row_offset": 10, "row_count": 10, "next_chunk_index": 2 },
        ]));
        let mut plan = Plan::new(&manifest, first).unwrap();
        let answers = vec![json!([
            { "chunk_index": 1, "row_offset": 10, "row_count": 10, "next_chunk_index": 2 },
            { "chunk_index": 2, "row_offset": 20, "row_count": 15 },
        ])];
        assert_eq!(run(&mut plan, answers).unwrap(), [(0, Some(5)), (0, Some(5)), (1, Some(10)), (2, Some(15))]);
    }

    #[test]
    fn a_missing_pointer_is_made_up_for_by_the_number_of_chunks() {
        let manifest = manifest(json!({ "total_chunk_count": 2, "total_row_count": 2 }));
        let mut plan = Plan::new(&manifest, links(json!([{ "row_count": 1 }]))).unwrap();
        let answers = vec![json!([{ "chunk_index": 1, "row_offset": 1, "row_count": 1 }])];
        assert_eq!(run(&mut plan, answers).unwrap().len(), 2);
    }

    #[test]
    fn row_counts_that_links_lack_come_from_the_manifest() {
        let manifest =
            manifest(json!({ "total_chunk_count": 1, "chunks": [{ "row_count": 7 }], "total_row_count": 7 }));
        let mut plan = Plan::new(&manifest, links(json!([{}]))).unwrap();
        assert_eq!(run(&mut plan, vec![]).unwrap(), [(0, Some(7))]);
    }

    #[test]
    fn holes_and_answers_without_news_are_errors_not_ends() {
        let manifest = manifest(json!({ "total_chunk_count": 2, "total_row_count": 20 }));
        let first = || links(json!([{ "row_count": 10, "next_chunk_index": 1 }]));
        for answer in [
            json!([]),
            json!([{ "row_count": 10, "next_chunk_index": 1 }]),
            json!([{ "chunk_index": 1, "row_offset": 11, "row_count": 9 }]),
        ] {
            let mut plan = Plan::new(&manifest, first()).unwrap();
            assert_eq!(run(&mut plan, vec![answer]).unwrap_err().kind(), ErrorKind::Protocol);
        }
    }

    #[test]
    fn numbers_that_cannot_be_are_errors_too() {
        let manifest = manifest(json!({ "total_chunk_count": u64::MAX, "total_row_count": 2 }));
        let first = json!([
            { "row_count": u64::MAX, "next_chunk_index": u64::MAX },
            { "chunk_index": 1, "row_count": u64::MAX },
        ]);
        let mut plan = Plan::new(&manifest, links(first)).unwrap();
        let last = json!([{ "chunk_index": u64::MAX, "row_offset": 2, "row_count": 1 }]);
        assert_eq!(run(&mut plan, vec![last]).unwrap_err().kind(), ErrorKind::Protocol);
    }

    #[test]
    fn an_empty_result_has_nothing_to_fetch_and_rows_without_links_are_asked_for() {
        let empty = manifest(json!({ "schema": { "column_count": 0 }, "total_chunk_count": 0 }));
        assert!(matches!(Plan::new(&empty, vec![]).unwrap().step(), Step::Done));
        let late = manifest(json!({ "total_chunk_count": 1, "total_row_count": 1 }));
        assert!(matches!(Plan::new(&late, vec![]).unwrap().step(), Step::Ask(0)));
    }

    /// Chunks as numbers of rows of each of their links.
    fn chunked() -> impl Strategy<Value = Vec<Vec<u64>>> {
        vec(vec(1..50u64, 1..4), 1..8)
    }

    proptest! {
        /// However chunks are cut into links, and however often and in whatever order an answer repeats them, each row
        /// is fetched once and in order.
        #[test]
        fn every_row_is_fetched_once_and_in_order(chunks in chunked(), extra in vec(0..3usize, 8), backwards: bool) {
            let (mut all, mut row) = (Vec::new(), 0);
            for (chunk, counts) in chunks.iter().enumerate() {
                for count in counts {
                    let mut link = json!({ "row_count": count });
                    // Zeros are left out, as the service does.
                    if chunk > 0 {
                        link["chunk_index"] = json!(chunk);
                    }
                    if row > 0 {
                        link["row_offset"] = json!(row.to_string());
                    }
                    if chunk + 1 < chunks.len() {
                        link["next_chunk_index"] = json!(chunk + 1);
                    }
                    all.push((chunk, link));
                    row += count;
                }
            }
            // An answer to a question for a chunk has what came before and some of what follows, too.
            let answer = |chunk: usize| {
                let last = chunk + extra[chunk % extra.len()];
                let mut links: Vec<_> = all.iter().filter(|(at, _)| *at <= last).map(|(_, link)| link.clone()).collect();
                if backwards {
                    links.reverse();
                }
                self::links(Value::Array(links))
            };
            let manifest = manifest(json!({ "total_chunk_count": chunks.len(), "total_row_count": row }));
            let mut plan = Plan::new(&manifest, answer(0)).unwrap();
            let mut fetched = Vec::new();
            loop {
                match plan.step() {
                    Step::Fetch(part) => fetched.push((part.chunk as usize, part.rows.unwrap())),
                    Step::Ask(chunk) => plan.accept(chunk, answer(chunk as usize)).unwrap(),
                    Step::Done => break,
                }
            }
            let wanted = chunks.iter().enumerate().flat_map(|(at, counts)| counts.iter().map(move |count| (at, *count)));
            prop_assert_eq!(fetched, wanted.collect::<Vec<_>>());
        }
    }
}
