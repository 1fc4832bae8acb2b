//! What a merge says to the server.

use arrow::datatypes::Schema;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    Dialect as _, Duplicates, MergeRequest, MergeSource, RedshiftDialect, TableRef, WhenMatched,
};

use super::MergeStrategy;
use crate::tables::Described;

/// What is asked for, without the rows.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) target: TableRef,
    pub(super) keys: Vec<String>,
    pub(super) when_matched: WhenMatched,
    pub(super) insert: bool,
    pub(super) prune: bool,
    pub(super) duplicates: Duplicates,
    pub(super) strategy: MergeStrategy,
}

impl Wish {
    pub(super) fn of(request: MergeRequest, strategy: MergeStrategy) -> (Self, MergeSource) {
        let wish = Self {
            target: request.target,
            keys: request.keys,
            when_matched: request.when_matched,
            insert: request.insert_unmatched,
            prune: request.delete_unmatched_by_source,
            duplicates: request.duplicates,
            strategy,
        };
        (wish, request.source)
    }

    /// Refuses what the strategy cannot do, before anything is sent.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |why: &'static str| {
            Err(Error::unsupported("redshift", why).with_context("strategy", format!("{:?}", self.strategy)))
        };
        match self.strategy {
            MergeStrategy::UpdateInsert => Ok(()),
            MergeStrategy::DeleteInsert if self.when_matched != WhenMatched::Update || !self.insert => {
                refuse("a merge by delete and insert replaces matched rows whole and inserts the others")
            }
            MergeStrategy::Merge if self.when_matched == WhenMatched::Keep || !self.insert => {
                refuse("the server's MERGE always has both branches: one for matched rows, one for the others")
            }
            MergeStrategy::DeleteInsert | MergeStrategy::Merge if self.prune => {
                refuse("rows that the source lacks are deleted by the strategy of update and insert only")
            }
            MergeStrategy::DeleteInsert | MergeStrategy::Merge => Ok(()),
        }
    }
}

/// The statements of one merge. All names in it are quoted.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    target: String,
    /// How expressions call the target.
    bare: String,
    stage: String,
    /// What is filled, if rows of it are left out of the stage.
    all: Option<String>,
    greatest: Option<String>,
    strategy: MergeStrategy,
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
    /// The server does not say what was done to which row.
    Unknown,
}

/// Columns of the target by what a merge does with them, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Roles {
    pub(super) keys: Vec<String>,
    pub(super) set: Vec<String>,
    /// Of source rows with one key the one with the greatest of these counts.
    pub(super) greatest: Option<String>,
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
        let greatest = match &wish.duplicates {
            Duplicates::Refuse => None,
            Duplicates::KeepGreatest(column) => Some(find(column)?),
            other => {
                return Err(Error::unsupported("redshift", "cannot do this with source rows that share a key")
                    .with_context("duplicates", format!("{other:?}")));
            }
        };
        match set.iter().enumerate().find(|(i, name)| keys.contains(*name) || set[..*i].contains(*name)) {
            Some((_, name)) if keys.contains(name) => {
                Err(bad("a key column cannot be set by the merge that matches on it", name))
            }
            Some((_, name)) => Err(bad("a column is to be set twice", name)),
            None => Ok(Self { keys, set, greatest }),
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
        if wish.strategy == MergeStrategy::DeleteInsert {
            let comes = |name: &str| coming.fields().iter().any(|field| field.name() == name);
            if let Some(lost) = target.info.columns.iter().find(|column| !comes(&column.name)) {
                return Err(Error::unsupported(
                    "redshift",
                    "a row that is deleted and inserted would lose what does not come",
                )
                .with_context("column", lost.name.clone()));
            }
        }
        let greatest = roles.greatest.as_ref().map(quote).transpose()?;
        let all =
            greatest.as_ref().map(|_| RedshiftDialect.table(&TableRef::new(format!("{stage}_all")))).transpose()?;
        Ok(Self {
            target: target.sql_name()?,
            bare: RedshiftDialect.quote(target.info.table.name())?,
            stage: RedshiftDialect.table(&TableRef::new(stage))?,
            all,
            greatest,
            strategy: wish.strategy,
            fresh: RedshiftDialect.table(&TableRef::new(format!("{stage}_new")))?,
            keys: roles.keys.iter().map(quote).collect::<Result<_>>()?,
            columns: coming.fields().iter().map(|field| quote(field.name())).collect::<Result<_>>()?,
            matched,
            insert: wish.insert,
            prune: wish.prune,
        })
    }

    /// The name of what is filled with the source's rows.
    pub(super) fn filled(&self) -> &str {
        self.all.as_ref().unwrap_or(&self.stage)
    }

    /// Makes the stage of those of the rows that count, if not all do. A row without a key shares none.
    pub(super) fn pick(&self) -> Option<String> {
        let (all, greatest) = (self.all.as_ref()?, self.greatest.as_ref()?);
        let (columns, keys) = (self.columns.join(", "), self.keys.join(", "));
        let keyless: Vec<_> = self.keys.iter().map(|key| format!("{key} IS NULL")).collect();
        Some(format!(
            "CREATE TEMP TABLE {} AS SELECT {columns} FROM (SELECT {columns}, ROW_NUMBER() OVER (PARTITION BY {keys} \
             ORDER BY {greatest} DESC NULLS LAST) AS \"twinhouse_rank\" FROM {all}) AS \"ranked\" \
             WHERE \"twinhouse_rank\" = 1 OR {}",
            self.stage,
            keyless.join(" OR ")
        ))
    }

    /// The columns that come, in the order of the stage.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// An empty stage with the target's own types, for rows that are copied into it.
    pub(super) fn create_like_target(&self) -> String {
        let columns = self.columns.join(", ");
        format!("CREATE TEMP TABLE {} AS SELECT {columns} FROM {} WHERE 1 = 0", self.filled(), self.target)
    }

    pub(super) fn drop_stage(&self) -> String {
        match &self.all {
            Some(all) => format!("DROP TABLE {}, {all}", self.stage),
            None => format!("DROP TABLE {}", self.stage),
        }
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
        match self.strategy {
            MergeStrategy::UpdateInsert => {}
            MergeStrategy::DeleteInsert => {
                let columns = self.columns.join(", ");
                return vec![
                    (Counts::Nothing, format!("LOCK TABLE {target}")),
                    (Counts::Unknown, format!("DELETE FROM {target} USING {stage} WHERE {matches}")),
                    (
                        Counts::Unknown,
                        format!("INSERT INTO {target} ({columns}) SELECT {} FROM {stage}", self.of(stage)),
                    ),
                ];
            }
            MergeStrategy::Merge => {
                return vec![
                    (Counts::Nothing, format!("LOCK TABLE {target}")),
                    (Counts::Unknown, self.merge(&matches)),
                ];
            }
        }
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

    /// The server's own statement. It tells no counts.
    fn merge(&self, matches: &str) -> String {
        let Self { target, stage, .. } = self;
        let matched = match &self.matched {
            Matched::Set(columns) => {
                let set: Vec<_> = columns.iter().map(|column| format!("{column} = {stage}.{column}")).collect();
                format!("UPDATE SET {}", set.join(", "))
            }
            // Nothing but keys comes: a key is set to what it is.
            Matched::Keep => format!("UPDATE SET {key} = {stage}.{key}", key = self.keys[0]),
            Matched::Delete => "DELETE".to_owned(),
        };
        format!(
            "MERGE INTO {target} USING {stage} ON {matches} WHEN MATCHED THEN {matched} \
             WHEN NOT MATCHED THEN INSERT ({}) VALUES ({})",
            self.columns.join(", "),
            self.of(stage)
        )
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
