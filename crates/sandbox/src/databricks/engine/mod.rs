//! Runs statements: DataFusion reads, delta-rs writes, one fresh snapshot of each table for each statement.

mod alter;
mod catalog;
mod changes;
mod commit;
mod copy;
mod ddl;
mod defaults;
mod describe;
mod dml;
mod explain;
mod external;
mod fields;
mod files;
mod fit;
mod folders;
mod formats;
mod governance;
mod information;
mod insert;
mod keys;
mod locks;
mod maintain;
mod merge;
mod metadata;
mod prepare;
mod replace;
mod result;
mod routines;
mod scan;
mod session;
mod show;
mod tables;
mod time_travel;
mod views;
mod volumes;
mod yielding;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use datafusion::execution::SessionState;

pub(crate) use self::{
    catalog::{Catalog, DEFAULT, FullName, Listing, MAIN, Place, TableEntry, check_name, schema_mut},
    governance::{Governance, Securable},
    keys::TableKey,
    result::{Outcome, type_name_of_arrow, type_text_of_arrow},
    show::comment,
    views::{ViewColumn, ViewEntry},
    volumes::VolumePath,
};
use super::{
    error::{SqlError, SqlResult},
    sql::{Lexed, Parameters, Statement, Turn, lex, parse},
};

/// The user as whom everything runs.
pub(crate) const USER: &str = "sandbox@twinhouse.invalid";

/// A statement and where its names are looked up.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) sql: String,
    pub(crate) parameters: Parameters,
    pub(crate) place: Place,
}

/// What a statement asks of the session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    None,
    Use {
        catalog: Option<String>,
        schema: Option<String>,
    },
    /// The name is in upper case.
    Set {
        name: String,
        value: String,
    },
    CreateView {
        name: String,
        view: Arc<ViewEntry>,
    },
    DropView {
        name: String,
    },
}

/// The engine of one workspace. Clones share it.
#[derive(Clone)]
pub(crate) struct Engine(Arc<Inner>);

struct Inner {
    root: PathBuf,
    catalog: Catalog,
    base: SessionState,
    locks: locks::Locks,
    folders: folders::Folders,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("root", &self.0.root).finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the workspace below `root`, or begins one.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let catalog = Catalog::open(root)?;
        let root = root.canonicalize()?;
        // The parser and the planner take a new stack when less than this is left, and by default that is less than
        // one call may need without optimisation.
        recursive::set_minimum_stack_size(1 << 20);
        recursive::set_stack_allocation_size(8 << 20);
        let base = session::base_state();
        let (locks, folders) = (locks::Locks::default(), folders::Folders::default());
        Ok(Self(Arc::new(Inner { root, catalog, base, locks, folders })))
    }

    /// What exists.
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    /// Runs one statement. Dropping the future, or the stream it answers, stops the work; a write that has not
    /// committed leaves the table as it was.
    pub(crate) async fn run(&self, request: &Request) -> SqlResult<(Outcome, Effect)> {
        let lexed = request.parameters.bind(lex(&request.sql)?)?;
        let statement = parse(&lexed)?;
        let place = &request.place;
        let changed = statement.changed_table().and_then(|(table, turn)| Some((place.resolve(table).ok()?, turn)));
        let Some((name, turn)) = changed else { return self.run_statement(&lexed, &statement, place).await };
        loop {
            let before = self.0.catalog.table(&name).ok().map(|table| table.id);
            let _turn = match before {
                Some(table) => Some(self.0.locks.take(table, turn).await),
                None => None,
            };
            let done = self.run_statement(&lexed, &statement, place).await;
            match (&done, turn) {
                // Another was faster to make it: then that is the table to replace.
                (Err(error), Turn::Whole)
                    if error.class() == "TABLE_OR_VIEW_ALREADY_EXISTS" && self.catalog_view(&name).is_none() => {}
                (_, Turn::Whole) => return done,
                // Dropped in the middle. A table that was renamed is still somebody's.
                _ if before.is_some_and(|id| !self.0.catalog.has_table(id)) => {
                    return Err(SqlError::table_not_found(name));
                }
                _ => return done,
            }
        }
    }

    async fn run_statement(&self, lexed: &Lexed, statement: &Statement, place: &Place) -> SqlResult<(Outcome, Effect)> {
        let outcome = match statement {
            Statement::Query(_) => self.query(lexed, statement, place).await?,
            Statement::DescribeQuery(_) => self.describe_query(lexed, statement, place).await?,
            Statement::CreateTable(create) if create.query.is_some() => {
                self.create_table_as(lexed, statement, create, place).await?
            }
            Statement::CreateTable(create) => self.create_table(create, place).await?,
            Statement::AlterTable { table, change } => self.alter_table(table, change, place).await?,
            Statement::DropTable { name, if_exists } => self.drop_table(name, *if_exists, place)?,
            Statement::CreateCatalog { name, if_not_exists, comment } => {
                self.create_catalog(name, *if_not_exists, comment.clone())?
            }
            Statement::DropCatalog { name, if_exists, cascade } => self.drop_catalog(name, *if_exists, *cascade)?,
            Statement::CreateSchema { name, if_not_exists, comment } => {
                self.create_schema(name, *if_not_exists, comment.clone(), place)?
            }
            Statement::DropSchema { name, if_exists, cascade } => {
                self.drop_schema(name, *if_exists, *cascade, place)?
            }
            Statement::CreateVolume { name, if_not_exists, comment } => {
                self.create_volume(name, *if_not_exists, comment.clone(), place)?
            }
            Statement::DropVolume { name, if_exists } => self.drop_volume(name, *if_exists, place)?,
            Statement::CreateFunction(create) => self.create_function(create, place).await?,
            Statement::DropFunction { name, if_exists } => self.drop_function(name, *if_exists, place)?,
            Statement::Insert(insert) => self.insert(lexed, statement, insert, place).await?,
            Statement::Update { .. } => self.update(lexed, statement, place).await?,
            Statement::Delete { .. } => self.delete(lexed, statement, place).await?,
            Statement::Truncate { table } => self.truncate(table, place).await?,
            Statement::Merge(merge) => self.merge(lexed, statement, merge, place).await?,
            Statement::CopyInto(copy) => self.copy_into(lexed, statement, copy, place).await?,
            Statement::Comment { kind, name, comment } => self.comment(*kind, name, comment.clone(), place).await?,
            Statement::Maintain(maintain) => self.maintain(maintain, place).await?,
            Statement::Show(show) => self.show(show, place).await?,
            Statement::DescribeTable { table, form } => match self.view(table, place) {
                Some(view) => self.describe_view(table, &view, *form, place)?,
                None => self.describe_table(table, *form, place).await?,
            },
            Statement::UseCatalog { name } => return self.use_catalog(name),
            Statement::UseSchema { name } => return self.use_schema(name, place),
            Statement::Set { name, value } => return Ok((Outcome::Nothing, self.conf(name, value)?)),
            Statement::CreateView(create) => return self.create_view(create, place).await,
            Statement::DropView { name, if_exists } => return self.drop_view(name, *if_exists, place),
            Statement::Explain { mode, .. } => self.explain(lexed, statement, *mode, place).await?,
        };
        Ok((outcome, Effect::None))
    }
}

#[cfg(test)]
mod tests;
