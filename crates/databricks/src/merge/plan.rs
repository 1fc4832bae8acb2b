//! What the statements say, with every name resolved.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    Assignment, DatabricksDialect, Dialect as _, Duplicates, Expression, MergeAction, MergeClause, MergeRequest,
    MergeWhen, TableInfo, WhenMatched,
};

use super::columns::{Column, one_of, select};

const SQL: DatabricksDialect = DatabricksDialect;

/// What a merge wishes, apart from its source.
pub(super) struct Wishes {
    keys: Vec<String>,
    on: Option<Expression>,
    when_matched: WhenMatched,
    insert_unmatched: bool,
    delete_unmatched_by_source: bool,
    clauses: Vec<MergeClause>,
    duplicates: Duplicates,
    pub(super) evolve: bool,
}

impl Wishes {
    /// Of a request whose source has been taken.
    pub(super) fn of(request: MergeRequest) -> Self {
        Self {
            keys: request.keys,
            on: request.on,
            when_matched: request.when_matched,
            insert_unmatched: request.insert_unmatched,
            delete_unmatched_by_source: request.delete_unmatched_by_source,
            clauses: request.clauses,
            duplicates: request.duplicates,
            evolve: request.schema_evolution,
        }
    }

    /// Whether rows that the source lacks are meant too, so that no rows mean something.
    pub(super) fn looks_at_all(&self) -> bool {
        if self.clauses.is_empty() {
            self.delete_unmatched_by_source
        } else {
            self.clauses.iter().any(|clause| clause.when == MergeWhen::NotMatchedBySource)
        }
    }
}

/// The statement, but for where the rows of the source are.
pub(super) struct Plan {
    target: String,
    on: String,
    clauses: String,
    evolve: bool,
    /// As the target calls them, and quoted.
    pub(super) key_names: Vec<String>,
    keys: Vec<String>,
    order: Option<Vec<String>>,
}

impl Plan {
    pub(super) fn new(table: &TableInfo, columns: &[Column], wishes: &Wishes) -> Result<Self> {
        let names = Names { table, columns, keys: &wishes.keys, evolve: wishes.evolve };
        let keys = wishes.keys.iter().map(|key| names.of_source(key)).collect::<Result<Vec<_>>>()?;
        let quoted = keys.iter().map(|key| SQL.quote(&key.target)).collect::<Result<Vec<_>>>()?;
        let mut on: Vec<_> = quoted.iter().map(|key| format!("t.{key} = s.{key}")).collect();
        if let Some(further) = &wishes.on {
            on.push(enclosed(further)?);
        }
        let clauses = if wishes.clauses.is_empty() {
            names.simple(wishes)?
        } else {
            wishes.clauses.iter().map(|clause| names.clause(clause)).collect::<Result<Vec<_>>>()?
        };
        if clauses.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "this merge would change nothing: the source has only keys",
            )
            .with_context("table", table.table.to_string()));
        }
        let order = match &wishes.duplicates {
            Duplicates::Refuse => None,
            Duplicates::KeepGreatest(column) => Some(names.order(column)?),
            other => {
                return Err(Error::unsupported(crate::error::BACKEND, "cannot treat duplicates in this way")
                    .with_context("duplicates", format!("{other:?}")));
            }
        };
        Ok(Self {
            target: SQL.table(&table.table)?,
            on: on.join(" AND "),
            clauses: clauses.join(" "),
            evolve: wishes.evolve,
            key_names: keys.iter().map(|key| key.target.clone()).collect(),
            keys: quoted,
            order,
        })
    }

    /// The rows that are merged, out of a relation that holds them.
    pub(super) fn source(&self, columns: &[Column], relation: &str) -> Result<String> {
        let Some(order) = &self.order else { return select(columns, relation) };
        let mut rank = String::from("merge_rank");
        while columns.iter().any(|column| column.target.eq_ignore_ascii_case(&rank)) {
            rank.push('_');
        }
        let names = columns.iter().map(|column| SQL.quote(&column.target)).collect::<Result<Vec<_>>>()?.join(", ");
        let by: Vec<_> = order.iter().map(|column| format!("{column} DESC NULLS LAST")).collect();
        // Rows without a key share none.
        let keyless: Vec<_> = self.keys.iter().map(|key| format!("{key} IS NULL")).collect();
        Ok(format!(
            "SELECT {names} FROM (SELECT {names}, row_number() OVER (PARTITION BY {} ORDER BY {}) AS {rank} \
             FROM ({}) AS r) AS r WHERE {rank} = 1 OR {}",
            self.keys.join(", "),
            by.join(", "),
            select(columns, relation)?,
            keyless.join(" OR ")
        ))
    }

    pub(super) fn merge(&self, source: &str) -> String {
        let evolve = if self.evolve { " WITH SCHEMA EVOLUTION" } else { "" };
        format!("MERGE{evolve} INTO {} AS t USING ({source}) AS s ON {} {}", self.target, self.on, self.clauses)
    }

    /// How many keys occur more than once, where that is refused. A null equals nothing, not even itself.
    pub(super) fn duplicates(&self, source: &str) -> Option<String> {
        if self.order.is_some() {
            return None;
        }
        let present: Vec<_> = self.keys.iter().map(|key| format!("s.{key} IS NOT NULL")).collect();
        let by: Vec<_> = self.keys.iter().map(|key| format!("s.{key}")).collect();
        Some(format!(
            "SELECT count(*) AS duplicates FROM (SELECT count(*) AS copies FROM ({source}) AS s WHERE {} GROUP BY {} \
             HAVING count(*) > 1) AS d",
            present.join(" AND "),
            by.join(", ")
        ))
    }
}

/// The names that clauses may speak of.
struct Names<'a> {
    table: &'a TableInfo,
    columns: &'a [Column],
    keys: &'a [String],
    evolve: bool,
}

impl Names<'_> {
    fn of_source(&self, name: &String) -> Result<&Column> {
        let found = one_of(name, self.columns.iter().map(|column| column.target.as_str()))
            .or_else(|| one_of(name, self.columns.iter().map(|column| column.source.as_str())));
        found.map(|at| &self.columns[at]).ok_or_else(|| {
            self.invalid("the source of the merge lacks a column that the merge names").with_context("column", name)
        })
    }

    /// A column that is set: the target's, or one that it gets.
    fn of_target(&self, name: &str) -> Result<String> {
        let known = self.table.columns.iter().map(|column| column.name.as_str());
        let new = self.columns.iter().filter(|column| column.is_new).map(|column| column.target.as_str());
        let all: Vec<_> = known.chain(new).collect();
        let found = one_of(name, all.iter().copied()).map(|at| all[at]);
        let found = found.ok_or_else(|| self.invalid("the table lacks a column that the merge sets"));
        SQL.quote(found.map_err(|error| error.with_context("column", name))?)
    }

    fn invalid(&self, why: &'static str) -> Error {
        Error::new(ErrorKind::InvalidInput, why).with_context("table", self.table.table.to_string())
    }

    fn is_key(&self, column: &Column) -> bool {
        self.keys.iter().any(|key| self.of_source(key).is_ok_and(|key| key.target == column.target))
    }

    /// The wishes of a merge without clauses.
    fn simple(&self, wishes: &Wishes) -> Result<Vec<String>> {
        let mut clauses = Vec::new();
        match &wishes.when_matched {
            WhenMatched::Update => clauses.extend(self.update_all()?.map(|set| format!("WHEN MATCHED THEN {set}"))),
            WhenMatched::UpdateColumns(names) => {
                let set = names.iter().map(|name| self.of_source(name)).collect::<Result<Vec<_>>>()?;
                clauses.push(format!("WHEN MATCHED THEN UPDATE SET {}", copied(&set)?));
            }
            WhenMatched::Delete => clauses.push("WHEN MATCHED THEN DELETE".to_owned()),
            _ => {}
        }
        if wishes.insert_unmatched {
            clauses.push(format!("WHEN NOT MATCHED THEN {}", self.insert_all()?));
        }
        if wishes.delete_unmatched_by_source {
            clauses.push("WHEN NOT MATCHED BY SOURCE THEN DELETE".to_owned());
        }
        Ok(clauses)
    }

    fn clause(&self, clause: &MergeClause) -> Result<String> {
        let when = match clause.when {
            MergeWhen::Matched => "MATCHED",
            MergeWhen::NotMatched => "NOT MATCHED",
            MergeWhen::NotMatchedBySource => "NOT MATCHED BY SOURCE",
            other => return Err(unknown(other)),
        };
        let condition = match &clause.condition {
            Some(condition) => format!(" AND {}", enclosed(condition)?),
            None => String::new(),
        };
        let action = match &clause.action {
            MergeAction::Update(set) => {
                let set = set.iter().map(|one| Ok(format!("{} = {}", self.of_target(&one.column)?, value(one)?)));
                format!("UPDATE SET {}", set.collect::<Result<Vec<_>>>()?.join(", "))
            }
            MergeAction::UpdateAll => {
                self.update_all()?.ok_or_else(|| self.invalid("there is nothing to set: the source has only keys"))?
            }
            MergeAction::Delete => "DELETE".to_owned(),
            MergeAction::Insert(set) => {
                let names = set.iter().map(|one| self.of_target(&one.column)).collect::<Result<Vec<_>>>()?;
                let values = set.iter().map(value).collect::<Result<Vec<_>>>()?;
                format!("INSERT ({}) VALUES ({})", names.join(", "), values.join(", "))
            }
            MergeAction::InsertAll => self.insert_all()?,
            other => return Err(unknown(other)),
        };
        Ok(format!("WHEN {when}{condition} THEN {action}"))
    }

    /// Without leave to change the table, columns are named one by one: `*` would change its meaning with the table.
    fn update_all(&self) -> Result<Option<String>> {
        if self.evolve {
            return Ok(Some("UPDATE SET *".to_owned()));
        }
        let set: Vec<_> = self.columns.iter().filter(|column| !self.is_key(column)).collect();
        Ok(if set.is_empty() { None } else { Some(format!("UPDATE SET {}", copied(&set)?)) })
    }

    fn insert_all(&self) -> Result<String> {
        if self.evolve {
            return Ok("INSERT *".to_owned());
        }
        let all = self.columns.iter().map(|column| SQL.quote(&column.target)).collect::<Result<Vec<_>>>()?;
        let values: Vec<_> = all.iter().map(|name| format!("s.{name}")).collect();
        Ok(format!("INSERT ({}) VALUES ({})", all.join(", "), values.join(", ")))
    }

    /// The column that decides, then the others: the source may be read twice, and must say the same both times.
    fn order(&self, column: &String) -> Result<Vec<String>> {
        let first = self.of_source(column)?;
        let others = self.columns.iter().filter(|c| c.target != first.target && !c.is_nested && !self.is_key(c));
        [first].into_iter().chain(others).map(|column| SQL.quote(&column.target)).collect()
    }
}

fn copied(columns: &[&Column]) -> Result<String> {
    let set = columns.iter().map(|column| SQL.quote(&column.target).map(|name| format!("{name} = s.{name}")));
    Ok(set.collect::<Result<Vec<_>>>()?.join(", "))
}

/// Each expression has its values put in by itself: the same name may stand for another value in the next one.
fn enclosed(expression: &Expression) -> Result<String> {
    let sql = SQL.inline(expression.sql().trim(), expression.params())?;
    // On lines of its own where it may end with a comment.
    Ok(if sql.contains("--") { format!("(\n{sql}\n)") } else { format!("({sql})") })
}

fn value(one: &Assignment) -> Result<String> {
    if one.value.sql().trim().eq_ignore_ascii_case("default") {
        return Ok("DEFAULT".to_owned());
    }
    enclosed(&one.value).map_err(|error| error.with_context("column", &one.column))
}

fn unknown(what: impl std::fmt::Debug) -> Error {
    Error::unsupported(crate::error::BACKEND, "cannot carry out this kind of clause")
        .with_context("clause", format!("{what:?}"))
}
