use futures::TryStreamExt as _;
use twinhouse_core::ErrorKind;
use twinhouse_redshift::{CreateExternalSchema, ExternalSource, NewPartition};
use twinhouse_warehouse_api::{StatementRequest, TableFilter, TableRef};

use super::support::{failed, texts, warehouse};

#[tokio::test]
async fn without_spectrum_lists_are_empty_and_making_schemas_is_refused_by_name() {
    let warehouse = warehouse().await;
    let spectrum = warehouse.spectrum();
    assert!(spectrum.schemas().try_next().await.expect("a list").is_none());
    let filter = TableFilter::default().with_schema("it's \\").with_name_like("a\\_%");
    assert!(spectrum.tables(filter.clone()).try_next().await.expect("a list").is_none());
    assert!(spectrum.table_details(filter).try_next().await.expect("a list").is_none());
    let table = TableRef::new("sales").with_schema("lake");
    assert!(spectrum.columns(&table).try_next().await.expect("a list").is_none());
    assert!(spectrum.partitions(&table).try_next().await.expect("a list").is_none());
    let source = ExternalSource::DataCatalog { database: "lake".to_owned(), region: None, create_database: true };
    let error = failed(spectrum.create_schema(&CreateExternalSchema::new("lake", source)).await);
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let partition = NewPartition::new("s3://lake/day=1/").with_value("day", "1");
    failed(spectrum.add_partitions(&table, &[partition], true).await);
}

#[tokio::test]
async fn a_query_is_streamed_and_its_scan_asked_for_on_the_same_session() {
    let warehouse = warehouse().await;
    let request = StatementRequest::read("select n::int as n from generate_series(1, :n) n").bind("n", 3);
    let mut query = warehouse.spectrum().query(request).await.expect("a query");
    let mut batches = Vec::new();
    while let Some(batch) = query.stream().try_next().await.expect("a batch") {
        batches.push(batch);
    }
    assert_eq!(texts(&batches), [["1"], ["2"], ["3"]]);
    let stats = query.finish().await.expect("an answer");
    let id = stats.query.expect("the number of the query");
    assert_eq!((stats.scanned_files, stats.returned_rows), (None, None), "it read no external table");
    let text = warehouse.workload().query_text(id).await.expect("a text");
    assert!(text.contains("generate_series"), "{text}");
}

#[tokio::test]
async fn a_query_that_is_not_read_to_its_end_is_finished_all_the_same() {
    let warehouse = super::support::warehouse_of(1).await;
    let request = StatementRequest::read("select n::int as n from generate_series(1, 100000) n");
    let query = warehouse.spectrum().query(request.clone()).await.expect("a query");
    query.finish().await.expect("an answer");
    drop(warehouse.spectrum().query(request).await.expect("a query"));
    // The only connection is free again.
    assert_eq!(super::support::one(&warehouse, "select 1").await, "1");
}
