//! What a load does beyond adding rows, and how that is said in SQL: always one statement, so one commit.

use serde::{Deserialize, Serialize};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{DatabricksDialect, Dialect as _, LoadMode, TableRef};

const SQL: DatabricksDialect = DatabricksDialect;

/// What the rows take the place of. A predicate has its values in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum What {
    All,
    Where(String),
    Partitions(Vec<String>),
    Create,
    CreateOrReplace,
}

impl What {
    pub(super) fn new(mode: &LoadMode, partitions: &[String]) -> Result<Option<Self>> {
        Ok(Some(match mode {
            LoadMode::Overwrite => Self::All,
            LoadMode::ReplaceWhere(predicate) => Self::Where(SQL.inline(predicate.sql(), predicate.params())?),
            LoadMode::ReplacePartitions => Self::Partitions(partitions.to_vec()),
            LoadMode::Create => Self::Create,
            LoadMode::CreateOrReplace => Self::CreateOrReplace,
            _ => return Ok(None),
        }))
    }

    /// Whether the table is made, so that it need not be there.
    pub(super) fn creates(&self) -> bool {
        matches!(self, Self::Create | Self::CreateOrReplace)
    }

    fn name(&self) -> &'static str {
        match self {
            Self::All => "Overwrite",
            Self::Where(_) => "ReplaceWhere",
            Self::Partitions(_) => "ReplacePartitions",
            Self::Create => "Create",
            Self::CreateOrReplace => "CreateOrReplace",
        }
    }
}

/// A column as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    /// In the service's spelling.
    pub(super) native: String,
}

/// Everything that the statement is made of, except the rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Replacement {
    pub(super) what: What,
    /// The directory of the files below that of the token: what other attempts have left is not in it.
    pub(super) attempt: String,
    pub(super) columns: Vec<Column>,
    /// The table's version before, if there was one.
    pub(super) before: Option<u64>,
}

impl Replacement {
    /// A token means one load for ever, and this is another.
    pub(super) fn begun_otherwise(&self, mode: &'static str) -> Error {
        begun_otherwise(self.what.name(), mode)
    }

    pub(super) fn name(&self) -> &'static str {
        self.what.name()
    }

    /// The statement that does it. `files` is the directory of the staged files; `None` if there are no rows.
    pub(super) fn statement(&self, table: &TableRef, files: Option<&str>) -> Result<String> {
        let target = SQL.table(table)?;
        let names = self.columns.iter().map(|column| SQL.quote(&column.name)).collect::<Result<Vec<_>>>()?;
        if self.what.creates() {
            let head = if self.what == What::Create { "CREATE TABLE" } else { "CREATE OR REPLACE TABLE" };
            return Ok(format!("{head} {target} AS {}", self.typed(&names, files)?));
        }
        let select = match files {
            Some(files) => format!("SELECT {} FROM parquet.{}", names.join(", "), SQL.quote(files)?),
            None => format!("SELECT {} FROM {target} WHERE FALSE", names.join(", ")),
        };
        Ok(match &self.what {
            // On lines of its own: a predicate may end with a comment.
            What::Where(predicate) => format!("INSERT INTO {target} BY NAME REPLACE WHERE (\n{predicate}\n) {select}"),
            What::Partitions(columns) => {
                let columns = columns.iter().map(|column| SQL.quote(column)).collect::<Result<Vec<_>>>()?;
                format!("INSERT INTO {target} BY NAME REPLACE USING ({}) {select}", columns.join(", "))
            }
            _ => format!("INSERT OVERWRITE {target} BY NAME {select}"),
        })
    }

    /// The rows with each column's type said aloud, so that it holds for no rows too.
    fn typed(&self, names: &[String], files: Option<&str>) -> Result<String> {
        let columns = self.columns.iter().zip(names).map(|(column, name)| match files {
            // Parquet carries these as they are, and not every engine casts between maps.
            Some(_) if column.native.contains('<') => name.clone(),
            Some(_) => format!("CAST({name} AS {}) AS {name}", column.native),
            None => format!("CAST(NULL AS {}) AS {name}", column.native),
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        Ok(match files {
            Some(files) => format!("SELECT {columns} FROM parquet.{}", SQL.quote(files)?),
            None => format!("SELECT {columns} WHERE FALSE"),
        })
    }

    /// How many rows keep the part of the table that is replaced, at a version, from being exactly the staged rows.
    /// Rows are counted, not only looked for; null is like null.
    pub(super) fn difference(&self, table: &TableRef, version: u64, files: Option<&str>) -> Result<String> {
        let target = SQL.table(table)?;
        let mut columns = Vec::new();
        for (at, column) in self.columns.iter().enumerate() {
            let name = SQL.quote(&column.name)?;
            // The table pads these.
            let padded = column.native.to_ascii_lowercase().starts_with("char");
            columns.push(if padded { format!("rtrim({name}) AS c{at}") } else { format!("{name} AS c{at}") });
        }
        let (columns, by) = (columns.join(", "), (0..columns.len()).map(|at| format!("c{at}")).collect::<Vec<_>>());
        let by = by.join(", ");
        let staged = files.map(|files| Ok::<_, Error>(format!("parquet.{}", SQL.quote(files)?))).transpose()?;
        let scope = match (&self.what, &staged) {
            (What::Where(predicate), _) => format!(" WHERE (\n{predicate}\n)"),
            (What::Partitions(of), Some(staged)) => {
                let of = of.iter().map(|column| SQL.quote(column)).collect::<Result<Vec<_>>>()?.join(", ");
                format!(" WHERE ({of}) IN (SELECT {of} FROM {staged})")
            }
            _ => String::new(),
        };
        let mut sides = format!("SELECT {columns}, 1 AS side FROM {target} VERSION AS OF {version}{scope}");
        if let Some(staged) = staged {
            sides.push_str(&format!(" UNION ALL SELECT {columns}, -1 AS side FROM {staged}"));
        }
        Ok(format!(
            "SELECT count(*) AS differing FROM (SELECT {by} FROM ({sides}) AS sides GROUP BY {by} \
             HAVING sum(side) <> 0) AS differing"
        ))
    }
}

pub(super) fn begun_otherwise(was: &'static str, is: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, "this token was begun as another load; take another token")
        .with_context("begun as", was)
        .with_context("now", is)
}

#[cfg(test)]
mod tests {
    use twinhouse_warehouse_api::Expression;

    use super::*;

    fn replacement(mode: &LoadMode) -> Replacement {
        let column = |name: &str, native: &str| Column { name: name.into(), native: native.into() };
        Replacement {
            what: What::new(mode, &["p`1".into(), "q".into()]).unwrap().unwrap(),
            attempt: "a".into(),
            columns: vec![column("id", "bigint"), column("p`1", "char(3)"), column("m", "map<int, int>")],
            before: Some(4),
        }
    }

    fn table() -> TableRef {
        TableRef::new("t`").with_schema("s").with_catalog("c")
    }

    #[test]
    fn each_mode_is_one_statement() {
        let predicate = Expression::new("id = :id -- no more").bind("id", "it's");
        let select = "SELECT `id`, `p``1`, `m` FROM parquet.`/d`";
        for (mode, sql) in [
            (LoadMode::Overwrite, format!("INSERT OVERWRITE `c`.`s`.`t``` BY NAME {select}")),
            (
                LoadMode::ReplaceWhere(predicate),
                format!("INSERT INTO `c`.`s`.`t``` BY NAME REPLACE WHERE (\nid = 'it\\'s' -- no more\n) {select}"),
            ),
            (
                LoadMode::ReplacePartitions,
                format!("INSERT INTO `c`.`s`.`t``` BY NAME REPLACE USING (`p``1`, `q`) {select}"),
            ),
            (
                LoadMode::Create,
                "CREATE TABLE `c`.`s`.`t``` AS SELECT CAST(`id` AS bigint) AS `id`, \
                 CAST(`p``1` AS char(3)) AS `p``1`, `m` FROM parquet.`/d`"
                    .to_owned(),
            ),
        ] {
            assert_eq!(replacement(&mode).statement(&table(), Some("/d")).unwrap(), sql);
        }
    }

    #[test]
    fn without_rows_there_are_no_files_to_read() {
        let sql = |mode| replacement(&mode).statement(&table(), None).unwrap();
        assert_eq!(
            sql(LoadMode::Overwrite),
            "INSERT OVERWRITE `c`.`s`.`t``` BY NAME SELECT `id`, `p``1`, `m` FROM `c`.`s`.`t``` WHERE FALSE"
        );
        assert_eq!(
            sql(LoadMode::CreateOrReplace),
            "CREATE OR REPLACE TABLE `c`.`s`.`t``` AS SELECT CAST(NULL AS bigint) AS `id`, \
             CAST(NULL AS char(3)) AS `p``1`, CAST(NULL AS map<int, int>) AS `m` WHERE FALSE"
        );
    }

    #[test]
    fn what_is_compared_is_what_is_replaced() {
        let sql = |mode, files| replacement(&mode).difference(&table(), 7, files).unwrap();
        assert_eq!(
            sql(LoadMode::ReplaceWhere("id > 1".into()), Some("/d")),
            "SELECT count(*) AS differing FROM (SELECT c0, c1, c2 FROM (\
             SELECT `id` AS c0, rtrim(`p``1`) AS c1, `m` AS c2, 1 AS side FROM `c`.`s`.`t``` VERSION AS OF 7 \
             WHERE (\nid > 1\n) UNION ALL \
             SELECT `id` AS c0, rtrim(`p``1`) AS c1, `m` AS c2, -1 AS side FROM parquet.`/d`) AS sides \
             GROUP BY c0, c1, c2 HAVING sum(side) <> 0) AS differing"
        );
        assert!(
            sql(LoadMode::ReplacePartitions, Some("/d"))
                .contains("VERSION AS OF 7 WHERE (`p``1`, `q`) IN (SELECT `p``1`, `q` FROM parquet.`/d`)")
        );
        assert!(!sql(LoadMode::Overwrite, None).contains("UNION"));
    }
}
