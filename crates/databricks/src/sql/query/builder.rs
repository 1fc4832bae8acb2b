//! A query, put together.

use std::fmt::Write as _;

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{DatabricksDialect, Dialect as _, Expression, Params, StatementRequest, Value};

use super::{Column, Condition, Join, Source, render::Render};

/// The largest number that LIMIT and OFFSET take.
const MOST: u64 = i32::MAX as u64;
/// The deepest nesting of queries.
const DEEPEST: usize = 50;

/// A query, put together from its parts, in any order. Names are quoted, values are bound.
///
/// ```
/// use twinhouse_databricks::sql::{QueryBuilder, Source, col};
///
/// let request = QueryBuilder::new()
///     .select([col("region").of("o")])
///     .select_as("sum(o.price)", "total")
///     .from(Source::from("main.sales.orders").alias("o"))
///     .where_(col("status").of("o").eq("it's open"))
///     .group_by([col("region").of("o")])
///     .order_by_desc("total")
///     .limit(10)
///     .build()?;
/// assert_eq!(
///     request.sql(),
///     "SELECT `o`.`region`, (sum(o.price)) AS `total` FROM `main`.`sales`.`orders` AS `o` \
///      WHERE `o`.`status` = :__q1 GROUP BY `o`.`region` ORDER BY `total` DESC LIMIT 10"
/// );
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct QueryBuilder {
    with: Vec<(String, QueryBuilder)>,
    distinct: bool,
    select: Vec<Item>,
    from: Option<Source>,
    /// Of the first source, once that is known.
    at: Vec<At>,
    joins: Vec<(Joined, Source)>,
    filter: Vec<Condition>,
    group: Vec<Item>,
    having: Vec<Condition>,
    order: Vec<Order>,
    /// The place of NULL was said before any order.
    lost_nulls: bool,
    limit: Option<u64>,
    offset: Option<u64>,
    params: Params,
}

#[derive(Clone, Debug)]
enum Item {
    All(Option<String>),
    Column(Column, Option<String>),
    Sql(Expression, Option<String>),
}

#[derive(Clone, Debug)]
enum At {
    Version(u64),
    Moment(Value),
}

#[derive(Clone, Debug)]
enum Joined {
    On(Join, Condition),
    Using(Join, Vec<Column>),
    Cross,
}

#[derive(Clone, Debug)]
struct Order {
    by: Item,
    descending: bool,
    nulls: Option<Nulls>,
}

/// Where NULL stands in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nulls {
    /// Before everything.
    First,
    /// After everything.
    Last,
}

impl QueryBuilder {
    /// An empty query: all columns of what [`from`](Self::from) will name.
    pub fn new() -> Self {
        Self::default()
    }

    /// A common table expression: a query that the others call by this name.
    pub fn with(mut self, name: impl Into<String>, query: QueryBuilder) -> Self {
        self.with.push((name.into(), query));
        self
    }

    /// Adds columns.
    pub fn select<C: Into<Column>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.select.extend(columns.into_iter().map(|column| Item::Column(column.into(), None)));
        self
    }

    /// Adds a column under another name.
    pub fn select_column_as(mut self, column: impl Into<Column>, alias: impl Into<String>) -> Self {
        self.select.push(Item::Column(column.into(), Some(alias.into())));
        self
    }

    /// Adds what SQL computes, under a name.
    pub fn select_as(mut self, expression: impl Into<Expression>, alias: impl Into<String>) -> Self {
        self.select.push(Item::Sql(expression.into(), Some(alias.into())));
        self
    }

    /// Adds all columns.
    pub fn select_all(mut self) -> Self {
        self.select.push(Item::All(None));
        self
    }

    /// Adds all columns of one source.
    pub fn select_all_of(mut self, source: impl Into<String>) -> Self {
        self.select.push(Item::All(Some(source.into())));
        self
    }

    /// Each row once.
    pub fn distinct(mut self) -> Self {
        self.distinct = true;
        self
    }

    /// Where the rows come from.
    pub fn from(mut self, source: impl Into<Source>) -> Self {
        self.from = Some(source.into());
        self
    }

    /// The table of [`from`](Self::from) as it was at this version. The first is 0.
    pub fn version_as_of(mut self, version: u64) -> Self {
        self.at.push(At::Version(version));
        self
    }

    /// The table of [`from`](Self::from) as it was at this moment: a time, a date, or text that the service reads as
    /// one.
    pub fn timestamp_as_of(mut self, moment: impl Into<Value>) -> Self {
        self.at.push(At::Moment(moment.into()));
        self
    }

    /// Adds a source whose rows belong to those before where the condition holds.
    pub fn join(mut self, kind: Join, source: impl Into<Source>, on: impl Into<Condition>) -> Self {
        self.joins.push((Joined::On(kind, on.into()), source.into()));
        self
    }

    /// Adds a source whose rows belong to those with the same values in these columns.
    pub fn join_using<C: Into<Column>>(
        mut self,
        kind: Join,
        source: impl Into<Source>,
        columns: impl IntoIterator<Item = C>,
    ) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        self.joins.push((Joined::Using(kind, columns), source.into()));
        self
    }

    /// Adds a source each of whose rows belongs to each before.
    pub fn cross_join(mut self, source: impl Into<Source>) -> Self {
        self.joins.push((Joined::Cross, source.into()));
        self
    }

    /// What must hold of a row; beside what was said before.
    pub fn where_(mut self, condition: impl Into<Condition>) -> Self {
        self.filter.push(condition.into());
        self
    }

    /// One row for each combination of these columns.
    pub fn group_by<C: Into<Column>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.group.extend(columns.into_iter().map(|column| Item::Column(column.into(), None)));
        self
    }

    /// One row for each value of this, too.
    pub fn group_by_sql(mut self, expression: impl Into<Expression>) -> Self {
        self.group.push(Item::Sql(expression.into(), None));
        self
    }

    /// What must hold of a group; beside what was said before.
    pub fn having(mut self, condition: impl Into<Condition>) -> Self {
        self.having.push(condition.into());
        self
    }

    /// Smallest first; after what was said before.
    pub fn order_by(self, column: impl Into<Column>) -> Self {
        self.order(Item::Column(column.into(), None), false, None)
    }

    /// Largest first; after what was said before.
    pub fn order_by_desc(self, column: impl Into<Column>) -> Self {
        self.order(Item::Column(column.into(), None), true, None)
    }

    /// By what SQL computes; after what was said before.
    pub fn order_by_sql(self, expression: impl Into<Expression>, descending: bool) -> Self {
        self.order(Item::Sql(expression.into(), None), descending, None)
    }

    /// Says where NULL stands in the order that was said last.
    pub fn nulls(mut self, nulls: Nulls) -> Self {
        match self.order.last_mut() {
            Some(last) => last.nulls = Some(nulls),
            None => self.lost_nulls = true,
        }
        self
    }

    fn order(mut self, by: Item, descending: bool, nulls: Option<Nulls>) -> Self {
        self.order.push(Order { by, descending, nulls });
        self
    }

    /// The most rows: at most 2147483647.
    pub fn limit(mut self, rows: u64) -> Self {
        self.limit = Some(rows);
        self
    }

    /// How many rows are left out first: at most 2147483647.
    pub fn offset(mut self, rows: u64) -> Self {
        self.offset = Some(rows);
        self
    }

    /// Binds a `:name` of any expression. Names that begin with `__q` are the builder's own.
    pub fn bind(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.params = self.params.bind(name, value);
        self
    }

    /// The statement, as a read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`], with the field's name, for what cannot be said; [`ErrorKind::Syntax`] for an
    /// expression with a string that is not closed.
    pub fn build(&self) -> Result<StatementRequest> {
        let mut render = Render::default();
        let sql = self.sql(&mut render, 0)?;
        let params = render.into_params();
        // Each marker has a value and each value a marker.
        DatabricksDialect.bind(&sql, &params)?;
        Ok(StatementRequest::read(sql).with_params(params))
    }

    pub(super) fn sql(&self, render: &mut Render, depth: usize) -> Result<String> {
        if depth > DEEPEST {
            return Err(wrong("from", "the queries are nested too deeply"));
        }
        let mut sql = String::new();
        if !self.with.is_empty() {
            let ctes = self
                .with
                .iter()
                .map(|(name, query)| Ok(format!("{} AS ({})", render.name(name)?, query.sql(render, depth + 1)?)));
            let _ = write!(sql, "WITH {} ", ctes.collect::<Result<Vec<_>>>()?.join(", "));
        }
        sql += if self.distinct { "SELECT DISTINCT " } else { "SELECT " };
        if self.select.is_empty() && self.from.is_none() {
            return Err(wrong("select", "a query selects something, or takes it from somewhere"));
        }
        let items = self.select.iter().map(|item| item.sql(render, "select")).collect::<Result<Vec<_>>>()?;
        sql += &if items.is_empty() { "*".to_owned() } else { items.join(", ") };
        match self.source()? {
            Some(source) => sql += &format!(" FROM {}", source.sql(render, depth)?),
            None if !self.joins.is_empty() => return Err(wrong("join", "a join needs something to join with: `from`")),
            None if self.select.iter().any(|item| matches!(item, Item::All(_))) => {
                return Err(wrong("from", "all columns of what? `from` is missing"));
            }
            None => {}
        }
        for (joined, source) in &self.joins {
            let source = source.sql(render, depth)?;
            let _ = match joined {
                Joined::Cross => write!(sql, " CROSS JOIN {source}"),
                Joined::On(kind, on) => write!(sql, " {} {source} ON {}", kind.words(), on.sql(render, "join", depth)?),
                Joined::Using(_, columns) if columns.is_empty() => {
                    return Err(wrong("join", "a join needs a column to join by"));
                }
                Joined::Using(kind, columns) => {
                    let columns = columns.iter().map(|column| column.sql(render)).collect::<Result<Vec<_>>>()?;
                    write!(sql, " {} {source} USING ({})", kind.words(), columns.join(", "))
                }
            };
        }
        conditions(&mut sql, " WHERE ", &self.filter, render, "where", depth)?;
        if !self.group.is_empty() {
            let group = self.group.iter().map(|item| item.sql(render, "group_by")).collect::<Result<Vec<_>>>()?;
            let _ = write!(sql, " GROUP BY {}", group.join(", "));
        }
        conditions(&mut sql, " HAVING ", &self.having, render, "having", depth)?;
        if self.lost_nulls {
            return Err(wrong("nulls", "in which order? `order_by` comes before it"));
        }
        if !self.order.is_empty() {
            let order = self.order.iter().map(|order| {
                let direction = if order.descending { " DESC" } else { "" };
                let nulls = match order.nulls {
                    None => "",
                    Some(Nulls::First) => " NULLS FIRST",
                    Some(Nulls::Last) => " NULLS LAST",
                };
                Ok(format!("{}{direction}{nulls}", order.by.sql(render, "order_by")?))
            });
            let _ = write!(sql, " ORDER BY {}", order.collect::<Result<Vec<_>>>()?.join(", "));
        }
        for (word, field, rows) in [(" LIMIT ", "limit", self.limit), (" OFFSET ", "offset", self.offset)] {
            match rows {
                None => {}
                Some(rows) if rows > MOST => return Err(wrong(field, "the service counts to 2147483647 here")),
                Some(rows) => sql += &format!("{word}{rows}"),
            }
        }
        render.bind(&self.params, "parameters")?;
        Ok(sql)
    }

    /// The first source, at its version.
    fn source(&self) -> Result<Option<Source>> {
        let Some(source) = &self.from else {
            return match self.at.first() {
                None => Ok(None),
                Some(_) => Err(wrong("from", "which table at that version? `from` is missing")),
            };
        };
        Ok(Some(self.at.iter().fold(source.clone(), |source, at| match at {
            At::Version(version) => source.version_as_of(*version),
            At::Moment(moment) => source.timestamp_as_of(moment.clone()),
        })))
    }
}

impl Item {
    fn sql(&self, render: &mut Render, field: &'static str) -> Result<String> {
        let (sql, alias) = match self {
            Self::All(None) => return Ok("*".to_owned()),
            Self::All(Some(source)) => return Ok(format!("{}.*", render.name(source)?)),
            Self::Column(column, alias) => (column.sql(render)?, alias),
            Self::Sql(expression, alias) => (render.expression(expression, field)?, alias),
        };
        match alias {
            Some(alias) => Ok(format!("{sql} AS {}", render.name(alias)?)),
            None => Ok(sql),
        }
    }
}

/// All of them, each in brackets if it is not alone.
fn conditions(
    sql: &mut String,
    word: &str,
    conditions: &[Condition],
    render: &mut Render,
    field: &'static str,
    depth: usize,
) -> Result<()> {
    let Some((first, rest)) = conditions.split_first() else { return Ok(()) };
    let all = rest.iter().fold(first.clone(), |all, next| all.and(next.clone()));
    *sql += word;
    *sql += &all.sql(render, field, depth)?;
    Ok(())
}

fn wrong(field: &'static str, why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, why).with_context("field", field)
}
