//! What a merge says to the server.

use arrow::datatypes::Schema;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, MergeRequest, MergeSource, RedshiftDialect, TableRef, WhenMatched};

use crate::tables::Described;

/// What is asked for, without the rows.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) target: TableRef,
    pub(super) keys: Vec<String>,
    pub(super) when_matched: WhenMatched,
    pub(super) insert: bool,
    pub(super) prune: bool,
}

impl Wish {
    pub(super) fn of(request: MergeRequest) -> (Self, MergeSource) {
        let wish = Self {
            target: request.target,
            keys: request.keys,
            when_matched: request.when_matched,
            insert: request.insert_unmatched,
            prune: request.delete_unmatched_by_source,
        };
        (wish, request.source)
    }
}

/// The statements of one merge. All names in it are quoted.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    target: String,
    /// How expressions call the target.
    bare: String,
    stage: String,
    fresh: String,
    keys: Vec<String>,
    columns: Vec<String>,
    matched: Matched,
    insert: bool,
    prune: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Matched {
    Keep,
    Delete,
    /// These columns, of which there is at least one.
    Set(Vec<String>),
}

/// What a statement of the transaction counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    Nothing,
    Inserted,
    Updated,
    Deleted,
}

/// Columns of the target by what a merge does with them, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Roles {
    pub(super) keys: Vec<String>,
    pub(super) set: Vec<String>,
}

impl Roles {
    /// Finds the columns that the request names among those that come.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for a column that does not come, or that would be a key and set.
    pub(super) fn of(wish: &Wish, coming: &Schema) -> Result<Self> {
        let bad = |why: &'static str, column: &str| {
            Error::new(ErrorKind::InvalidInput, why)
                .with_context("table", wish.target.to_string())
                .with_context("column", column.to_owned())
        };
        let find = |name: &String| {
            let names = || coming.fields().iter().map(|field| field.name());
            let found = names().find(|known| *known == name);
            let alike = || names().find(|known| known.to_lowercase() == name.to_lowercase());
            found.or_else(alike).cloned().ok_or_else(|| bad("the source does not have this column", name))
        };
        let keys: Vec<String> = wish.keys.iter().map(find).collect::<Result<_>>()?;
        if let Some(twice) = (1..keys.len()).find(|&i| keys[..i].contains(&keys[i])) {
            return Err(bad("a key column is named twice", &keys[twice]));
        }
        let set: Vec<String> = match &wish.when_matched {
            WhenMatched::Update => {
                coming.fields().iter().map(|field| field.name().clone()).filter(|name| !keys.contains(name)).collect()
            }
            WhenMatched::UpdateColumns(columns) => columns.iter().map(find).collect::<Result<_>>()?,
            WhenMatched::Delete | WhenMatched::Keep => Vec::new(),
            other => {
                return Err(Error::unsupported("redshift", "cannot do this to matched rows")
                    .with_context("when matched", format!("{other:?}")));
            }
        };
        match set.iter().enumerate().find(|(i, name)| keys.contains(*name) || set[..*i].contains(*name)) {
            Some((_, name)) if keys.contains(name) => {
                Err(bad("a key column cannot be set by the merge that matches on it", name))
            }
            Some((_, name)) => Err(bad("a column is to be set twice", name)),
            None => Ok(Self { keys, set }),
        }
    }
}

impl Plan {
    /// For a stage of this name that holds the columns of `coming`.
    pub(super) fn new(wish: &Wish, target: &Described, coming: &Schema, stage: &str) -> Result<Self> {
        let quote = |name: &String| RedshiftDialect.quote(name);
        let roles = Roles::of(wish, coming)?;
        let set: Vec<String> = roles.set.iter().map(quote).collect::<Result<_>>()?;
        let matched = match wish.when_matched {
            WhenMatched::Delete => Matched::Delete,
            _ if set.is_empty() => Matched::Keep,
            _ => Matched::Set(set),
        };
        Ok(Self {
            target: target.sql_name()?,
            bare: RedshiftDialect.quote(target.info.table.name())?,
            stage: RedshiftDialect.table(&TableRef::new(stage))?,
            fresh: RedshiftDialect.table(&TableRef::new(format!("{stage}_new")))?,
            keys: roles.keys.iter().map(quote).collect::<Result<_>>()?,
            columns: coming.fields().iter().map(|field| quote(field.name())).collect::<Result<_>>()?,
            matched,
            insert: wish.insert,
            prune: wish.prune,
        })
    }

    /// The stage's name.
    pub(super) fn stage(&self) -> &str {
        &self.stage
    }

    /// The columns that come, in the order of the stage.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// An empty stage with the target's own types, for rows that are copied into it.
    pub(super) fn create_like_target(&self) -> String {
        let Self { target, stage, .. } = self;
        format!("CREATE TEMP TABLE {stage} AS SELECT {} FROM {target} WHERE 1 = 0", self.columns.join(", "))
    }

    pub(super) fn drop_stage(&self) -> String {
        format!("DROP TABLE {}", self.stage)
    }

    /// Gives a row if two source rows have one key. A null is no key.
    pub(super) fn find_duplicate(&self) -> String {
        let keys = self.keys.join(", ");
        let known: Vec<_> = self.keys.iter().map(|key| format!("{key} IS NOT NULL")).collect();
        format!(
            "SELECT 1 FROM {} WHERE {} GROUP BY {keys} HAVING COUNT(*) > 1 LIMIT 1",
            self.stage,
            known.join(" AND ")
        )
    }

    /// The statements between BEGIN and COMMIT, in order.
    pub(super) fn transaction(&self) -> Vec<(Counts, String)> {
        let Self { target, stage, fresh, .. } = self;
        let matches = self.matches(stage);
        let mut statements = Vec::new();
        if self.insert {
            statements.push((Counts::Nothing, format!("LOCK TABLE {target}")));
        }
        let new =
            format!("SELECT {} FROM {stage} WHERE NOT EXISTS (SELECT 1 FROM {target} WHERE {matches})", self.of(stage));
        // Once matched rows are deleted, nothing tells their source rows from new ones.
        let ahead = self.insert && self.matched == Matched::Delete;
        if ahead {
            statements.push((Counts::Nothing, format!("CREATE TEMP TABLE {fresh} AS {new}")));
        }
        match &self.matched {
            Matched::Keep => {}
            Matched::Delete => {
                statements.push((Counts::Deleted, format!("DELETE FROM {target} USING {stage} WHERE {matches}")));
            }
            Matched::Set(columns) => {
                let set: Vec<_> = columns.iter().map(|column| format!("{column} = {stage}.{column}")).collect();
                let sql = format!("UPDATE {target} SET {} FROM {stage} WHERE {matches}", set.join(", "));
                statements.push((Counts::Updated, sql));
            }
        }
        // Before the insert: new rows without a key have no match in the source either.
        if self.prune {
            let sql = format!("DELETE FROM {target} WHERE NOT EXISTS (SELECT 1 FROM {stage} WHERE {matches})");
            statements.push((Counts::Deleted, sql));
        }
        if self.insert {
            let from = if ahead { format!("SELECT {} FROM {fresh}", self.of(fresh)) } else { new };
            statements.push((Counts::Inserted, format!("INSERT INTO {target} ({}) {from}", self.columns.join(", "))));
        }
        if ahead {
            statements.push((Counts::Nothing, format!("DROP TABLE {fresh}")));
        }
        statements
    }

    /// A row of the target and a row of the stage have one key.
    fn matches(&self, stage: &str) -> String {
        let equal: Vec<_> = self.keys.iter().map(|key| format!("{}.{key} = {stage}.{key}", self.bare)).collect();
        equal.join(" AND ")
    }

    fn of(&self, table: &str) -> String {
        self.columns.iter().map(|column| format!("{table}.{column}")).collect::<Vec<_>>().join(", ")
    }
}
