use twinhouse_core::{Effect, ErrorKind};
use twinhouse_redshift::ScriptOptions;

use super::support::{failed, one, table, texts, warehouse, warehouse_of};

#[tokio::test]
async fn each_statement_answers_and_they_share_a_session() {
    let warehouse = warehouse_of(1).await;
    let sql = "create temp table s (a int, b varchar(20)); -- one; two\n\
               insert into s values (1, 'x;y'), (2, 'it\\'s; fine');\n\
               select a, b from s order by a; update s set a = a + 1 where a = 2;;";
    for transaction in [true, false] {
        let done =
            warehouse.run_script(sql, ScriptOptions::default().with_transaction(transaction)).await.expect("a script");
        let verbs: Vec<_> =
            done.iter().map(|result| (result.number, result.verb.as_str(), result.rows_affected)).collect();
        let wanted = [(1, "CREATE", None), (2, "INSERT", Some(2)), (3, "SELECT", None), (4, "UPDATE", Some(1))];
        assert_eq!(verbs, wanted);
        assert_eq!(texts(&done[2].batches), [["1", "x;y"], ["2", "it's; fine"]]);
        assert_eq!(done[2].schema.fields().len(), 2);
    }
    let gone = failed(warehouse.run_script("select * from s", ScriptOptions::default()).await);
    assert_eq!(gone.kind(), ErrorKind::NotFound, "the next one has another session");
}

#[tokio::test]
async fn an_error_names_statement_and_place_and_undoes_what_it_should() {
    let warehouse = warehouse().await;
    let table = table(&warehouse, "a int").await;
    let sql = format!("insert into {table} values (1);\n  select 1; select\n    nonsense from {table}; select 2");
    for (transaction, left, effect) in [(true, "0", Effect::None), (false, "1", Effect::Unknown)] {
        let error = failed(warehouse.run_script(&sql, ScriptOptions::default().with_transaction(transaction)).await);
        assert_eq!((error.kind(), error.fault().effect), (ErrorKind::NotFound, effect), "{error:?}");
        assert_eq!(error.context("statement number"), Some("3"));
        assert_eq!(error.context("position"), Some("line 3, column 5"), "{error:?}");
        assert_eq!(one(&warehouse, &format!("select count(*) from {table}")).await, left);
    }
}

#[tokio::test]
async fn nothing_is_sent_of_a_script_that_cannot_run() {
    let warehouse = warehouse().await;
    let table = table(&warehouse, "a int").await;
    for (rest, kind) in [
        ("commit", ErrorKind::Unsupported),
        ("vacuum", ErrorKind::Unsupported),
        ("truncate x", ErrorKind::Unsupported),
        ("select 'open", ErrorKind::Syntax),
        ("select :a", ErrorKind::InvalidInput),
    ] {
        let sql = format!("insert into {table} values (1); {rest}");
        assert_eq!(failed(warehouse.run_script(&sql, ScriptOptions::default()).await).kind(), kind, "{rest}");
    }
    assert_eq!(one(&warehouse, &format!("select count(*) from {table}")).await, "0");
    let alone = ScriptOptions::default().with_transaction(false);
    let sql = format!("insert into {table} values (1); vacuum {table}; truncate {table}");
    assert_eq!(warehouse.run_script(&sql, alone).await.expect("each on its own").len(), 3);
    assert!(warehouse.run_script(" -- nothing\n;", ScriptOptions::default()).await.expect("nothing").is_empty());
}

#[tokio::test]
async fn more_rows_than_are_kept_are_an_error() {
    let warehouse = warehouse().await;
    let options = ScriptOptions::default().with_max_rows(3);
    let error = failed(warehouse.run_script("select * from generate_series(1, 4)", options.clone()).await);
    assert_eq!((error.kind(), error.context("max_rows")), (ErrorKind::InvalidInput, Some("3")));
    warehouse.run_script("select * from generate_series(1, 3)", options).await.expect("three are kept");
}
