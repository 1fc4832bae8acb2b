use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use futures::TryStreamExt as _;
use proptest::prelude::*;
use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::TableFilter;

use super::*;
use crate::{
    testing::{Answers, Say, cluster},
    wire::script::Log,
};

const VIEW: View = View { name: "sys_things", columns: &["id", "name"], later: &["colour"] };

fn listing() -> Listing<(i64, Option<String>)> {
    Listing {
        operation: "things.list",
        view: VIEW,
        wanted: vec!["id > 0".to_owned()],
        order: &["id"],
        descending: false,
        key: |row| Ok(vec![row.0.to_string()]),
        read: |row| Ok((row.number()?.unwrap_or_default(), row.text()?)),
    }
}

/// A view of so many rows, of a release that has the later column or not.
struct Things(i64, bool);

#[async_trait]
impl Answers for Things {
    async fn answer(&mut self, sql: &str) -> Say {
        if sql.contains("colour") && !self.1 {
            return Say::Error("42703", "column \"colour\" does not exist".to_owned());
        }
        let after = sql.split("(id > ").nth(1).map_or(0, |rest| rest.split(')').next().unwrap().parse().unwrap());
        let row = |id: i64| vec![Some(id.to_string()), Some(format!("n{id}")), None];
        Say::Rows((after + 1..=self.0.min(after + 500)).map(row).collect())
    }
}

#[tokio::test]
async fn a_list_is_read_page_by_page_and_to_its_end() {
    for (count, pages) in [(0, 1), (3, 1), (500, 2), (1001, 3)] {
        let log = Log::default();
        let cluster = cluster(&log, None, move || Things(count, true));
        let all: Vec<_> = listing().stream(Arc::clone(&cluster)).try_collect().await.unwrap();
        assert!(all.iter().map(|row| row.0).eq(1..=count));
        assert_eq!(log.count("LIMIT 500"), pages, "{count}");
    }
}

#[tokio::test]
async fn a_column_of_later_releases_is_done_without() {
    let log = Log::default();
    let cluster = cluster(&log, None, || Things(2, false));
    let all: Vec<_> = listing().stream(Arc::clone(&cluster)).try_collect().await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(log.count("SELECT id, name, NULL FROM sys_things"), 1);
}

#[test]
fn pages_of_several_keys_begin_behind_the_last_row() {
    let keys = ["'a'", "'b'", "3"].map(str::to_owned);
    let listing = Listing { order: &["s", "t", "n"], ..listing() };
    assert_eq!(
        listing.rest(Some(&keys)),
        "WHERE id > 0 AND (s > 'a' OR (s = 'a' AND (t > 'b' OR (t = 'b' AND (n > 3))))) ORDER BY s, t, n LIMIT 500"
    );
    let listing = Listing { descending: true, wanted: Vec::new(), ..super::tests::listing() };
    assert_eq!(listing.rest(Some(&keys[2..])), "WHERE (id < 3) ORDER BY id DESC LIMIT 500");
}

#[test]
fn what_a_view_does_not_say_stays_unknown_and_what_it_says_wrong_is_named() {
    let fields = |values: &[Option<&str>]| Fields::new("v", values.iter().map(|v| v.map(str::to_owned)).collect());
    let mut row = fields(&[None, Some("-1"), Some("   "), Some("1500"), Some("t"), Some("2024-02-29 12:00:00.25")]);
    assert_eq!(row.text().unwrap(), None);
    assert_eq!(row.count().unwrap(), None, "-1 is how a view says that there is none");
    assert_eq!(row.padded().unwrap(), None);
    assert_eq!(row.micros().unwrap(), Some(std::time::Duration::from_micros(1500)));
    assert_eq!(row.flag().unwrap(), Some(true));
    let at = row.time().unwrap().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(at.as_millis(), 1_709_208_000_250);
    assert_eq!(row.text().unwrap_err().kind(), ErrorKind::Protocol);
    let error = fields(&[Some("many")]).number::<i64>().unwrap_err();
    assert_eq!((error.kind(), error.context("view")), (ErrorKind::Protocol, Some("v")));
}

/// Says that the STV_ views are there or not, and counts who asks.
struct Kind(&'static str, Arc<AtomicUsize>);

#[async_trait]
impl Answers for Kind {
    async fn answer(&mut self, _sql: &str) -> Say {
        self.1.fetch_add(1, Ordering::Relaxed);
        match self.0 {
            "" => Say::none(),
            code => Say::Error(code_of(code), "permission denied for relation stv_recents".to_owned()),
        }
    }
}

fn code_of(code: &str) -> &'static str {
    if code == "42501" { "42501" } else { "57014" }
}

/// mage-ai/mage-ai#2754: on serverless the STL_ and STV_ views give 42501.
#[tokio::test]
async fn what_the_server_is_is_found_out_once_and_a_refusal_of_the_stv_views_means_serverless() {
    for (code, expected) in [("", Deployment::Provisioned), ("42501", Deployment::Serverless)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let cluster = cluster(&Log::default(), None, move || Kind(code, Arc::clone(&count)));
        for _ in 0..3 {
            assert_eq!(deployment(&cluster).await.unwrap(), expected);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
    let cluster = cluster(&Log::default(), None, || Kind("57014", Arc::default()));
    assert_eq!(deployment(&cluster).await.unwrap_err().kind(), ErrorKind::Cancelled, "any other error is no answer");
}

/// The content of the one literal in `text`, as a server reads it that escapes with backslashes and doubled quotes.
fn read_literal(text: &str) -> Option<String> {
    let mut chars = text.strip_prefix('\'')?.chars();
    let mut out = String::new();
    loop {
        match chars.next()? {
            '\'' => match chars.next() {
                None => return Some(out),
                Some('\'') => out.push('\''),
                Some(_) => return None,
            },
            '\\' => out.push(chars.next()?),
            c => out.push(c),
        }
    }
}

proptest! {
    #[test]
    fn hostile_names_never_leave_their_literal(name in "[^\0]{1,40}") {
        let name = name.to_ascii_lowercase();
        let sql = named("c", &name).unwrap();
        prop_assert_eq!(read_literal(sql.strip_prefix("c = ").unwrap()), Some(name));
    }

    #[test]
    fn hostile_patterns_never_leave_their_literal(pattern in "[^\0]{0,40}") {
        let pattern = pattern.to_ascii_lowercase();
        let sql = like("c", &pattern).unwrap();
        let literal = sql.strip_prefix("c LIKE ").and_then(|rest| rest.strip_suffix(" ESCAPE '^'"));
        prop_assert!(literal.and_then(read_literal).is_some(), "{}", sql);
    }
}

#[test]
fn a_filter_asks_only_for_what_a_view_has() {
    let filter = TableFilter::default().with_schema("S").with_name_like("a\\_%");
    let wanted = wanted(&filter, [None, Some("s"), Some("t")]).unwrap();
    assert_eq!(wanted, ["s IN ('S', 's')", "t LIKE 'a^_%' ESCAPE '^'"]);
    let filter = TableFilter::default().with_catalog("dev");
    assert_eq!(super::wanted(&filter, [None, None, None]).unwrap_err().kind(), ErrorKind::InvalidInput);
}
