//! CREATE TABLE.

use std::{collections::HashMap, sync::Arc};

use deltalake::{
    kernel::{Action, StructField},
    operations::create::CreateBuilder,
    protocol::SaveMode,
};

use super::{
    columns::{MAPPED, MAPPING, check_clustering, check_columns, check_property, field},
    objects::already_exists,
};
use crate::databricks::{
    engine::{
        Catalog, Engine, Outcome,
        catalog::{FullName, Place, TableEntry, check_name, schema_mut},
        commit::commit_properties,
        fields::{MAX_ID, missing, unmapped},
        folders::Folder,
        metadata::{CLUSTERING, Definition, first_protocol},
        prepare::quote,
        tables::Claim,
    },
    error::{SqlError, SqlResult},
    sql::{CreateTable, Lexed, Statement},
};

impl Engine {
    pub(crate) async fn create_table(&self, create: &CreateTable, place: &Place) -> SqlResult<Outcome> {
        let Some(mut target) = self.target(create, place)? else { return Ok(Outcome::Nothing) };
        let mut new = NewTable::of(create)?;
        if let Some(source) = &create.like {
            new.take_from(&Definition::of(&self.open_table(source, place).await?)?);
        } else {
            check_columns(&create.columns, &new.properties)?;
        }
        target.entry.keys = self.new_keys(create, &target.name, place).await?;
        let base = match target.replaces {
            true => Some(self.open_entry(target.name.clone()).await?.table.snapshot()?.protocol().clone()),
            false => None,
        };
        let protocol = first_protocol(base.as_ref(), &new.fields, &new.properties)?;
        let mut builder = CreateBuilder::new()
            .with_log_store(self.log_store(&target.entry)?)
            .with_commit_properties(commit_properties())
            .with_table_name(&target.name.name)
            .with_columns(new.fields.clone())
            .with_save_mode(if target.replaces { SaveMode::Overwrite } else { SaveMode::ErrorIfExists })
            .with_configuration(new.properties.into_iter().map(|(key, value)| (key, Some(value))))
            .with_actions([Action::Protocol(protocol)])
            .with_raise_if_key_not_exists(false);
        if !new.partitions.is_empty() {
            builder = builder.with_partition_columns(new.partitions);
        }
        if let Some(comment) = &create.comment {
            builder = builder.with_comment(comment);
        }
        builder.await?;
        self.publish(create, target)
    }

    pub(crate) async fn create_table_as(
        &self,
        lexed: &Lexed,
        statement: &Statement,
        create: &CreateTable,
        place: &Place,
    ) -> SqlResult<Outcome> {
        if !create.columns.is_empty() {
            return Err(SqlError::unsupported("CREATE TABLE … AS SELECT with a list of columns"));
        }
        let Some(mut target) = self.target(create, place)? else { return Ok(Outcome::Nothing) };
        target.entry.keys.clear();
        let prepared = self.prepare(lexed, statement, place, &[], Vec::new()).await?;
        self.write_table_as(&prepared, create, &target.name, &target.entry, target.replaces).await?;
        self.publish(create, target)
    }

    /// `None` if there is nothing to do.
    fn target(&self, create: &CreateTable, place: &Place) -> SqlResult<Option<Target>> {
        let name = place.resolve(&create.name)?;
        if create.or_replace && create.if_not_exists {
            return Err(SqlError::unsupported("CREATE OR REPLACE TABLE IF NOT EXISTS"));
        }
        Ok(self.may_create(&name, create.or_replace, create.if_not_exists)?.map(|existing| {
            let replaces = existing.is_some();
            let (entry, folder) = existing.unwrap_or_else(|| {
                let entry = Catalog::new_table(&name, create.comment.clone());
                let folder = Folder::draft(self.0.root.join(&entry.folder));
                (entry, folder)
            });
            Target { name, entry, folder, replaces }
        }))
    }

    /// `None` if there is nothing to do, else the table that is to be replaced, if there is one.
    pub(in crate::databricks::engine) fn may_create(
        &self,
        name: &FullName,
        or_replace: bool,
        if_not_exists: bool,
    ) -> SqlResult<Option<Option<Claim>>> {
        check_name(&name.name)?;
        self.0.catalog.schema_exists(&name.catalog, &name.schema)?;
        match self.claim(name) {
            Ok(_) if if_not_exists => Ok(None),
            Ok(existing) if or_replace => Ok(Some(Some(existing))),
            Ok(_) => Err(already_exists("TABLE_OR_VIEW", name)),
            // A view has the name.
            Err(error) if error.sqlstate() == "42809" && if_not_exists => Ok(None),
            Err(error) if error.sqlstate() == "42809" => Err(already_exists("TABLE_OR_VIEW", name)),
            Err(_) => Ok(Some(None)),
        }
    }

    /// Tells the catalog of a table that is written.
    fn publish(&self, create: &CreateTable, target: Target) -> SqlResult<Outcome> {
        let Target { name, entry, folder, replaces } = target;
        if !replaces {
            if self.list_table(&name, entry, create.if_not_exists)? {
                folder.keep();
            }
            return Ok(Outcome::Nothing);
        }
        self.0.catalog.change(|listing| {
            let listed = schema_mut(listing, &name.catalog, &name.schema)?.tables.get_mut(&name.name);
            if let Some(listed) = listed.filter(|listed| listed.id == entry.id) {
                listed.comment.clone_from(&create.comment);
                listed.keys = entry.keys;
            }
            Ok(())
        })?;
        Ok(Outcome::Nothing)
    }

    /// Lists a new table; `false` if another was faster and that is all right.
    pub(in crate::databricks::engine) fn list_table(
        &self,
        name: &FullName,
        entry: TableEntry,
        if_not_exists: bool,
    ) -> SqlResult<bool> {
        self.0.catalog.change(|listing| {
            let schema = schema_mut(listing, &name.catalog, &name.schema)?;
            if schema.is_taken(&name.name) {
                return if if_not_exists { Ok(false) } else { Err(already_exists("TABLE_OR_VIEW", name)) };
            }
            schema.tables.insert(name.name.clone(), entry);
            Ok(true)
        })
    }
}

/// Where a table is written: a folder of its own, which goes if the table is not listed, or that of the table which it
/// takes the place of.
struct Target {
    name: FullName,
    entry: TableEntry,
    folder: Arc<Folder>,
    replaces: bool,
}

/// What a table will be made of.
struct NewTable {
    fields: Vec<StructField>,
    partitions: Vec<String>,
    properties: HashMap<String, String>,
}

impl NewTable {
    fn of(create: &CreateTable) -> SqlResult<Self> {
        let fields: Vec<_> = create.columns.iter().map(field).collect();
        let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
        let given = properties(create, names.iter().map(String::as_str))?;
        let properties = given.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        let partitions = create.partitions.iter().map(|name| {
            let found = names.iter().find(|known| known.to_lowercase() == name.to_lowercase());
            found.cloned().ok_or_else(|| missing(std::slice::from_ref(name), &fields))
        });
        let partitions = partitions.collect::<SqlResult<Vec<_>>>()?;
        if !partitions.is_empty() && partitions.len() == fields.len() {
            return Err(SqlError::new(
                "DELTA_CANNOT_USE_ALL_COLUMNS_FOR_PARTITION",
                "428FT",
                "Cannot use all columns for partition columns.",
            ));
        }
        Ok(Self { fields, partitions, properties })
    }

    /// Columns, partitions and properties of another table; what the statement says itself goes first.
    fn take_from(&mut self, source: &Definition) {
        self.fields = unmapped(&source.schema);
        if self.partitions.is_empty() && !self.properties.contains_key(CLUSTERING) {
            self.partitions.clone_from(&source.partitions);
        }
        for (key, value) in &source.properties {
            let own = key == MAX_ID || (key == CLUSTERING && !self.partitions.is_empty());
            if !own {
                self.properties.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
    }
}

/// The table's properties, with column mapping if a column's name needs it.
pub(crate) fn properties<'a>(
    create: &CreateTable,
    columns: impl IntoIterator<Item = &'a str>,
) -> SqlResult<Vec<(String, Option<String>)>> {
    let columns: Vec<&str> = columns.into_iter().collect();
    create.properties.iter().try_for_each(|(key, value)| check_property(key, value))?;
    let mut properties: Vec<_> =
        create.properties.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    let mapped = properties.iter().any(|(key, _)| key.eq_ignore_ascii_case(MAPPING));
    if !mapped && columns.iter().any(|name| name.contains(MAPPED)) {
        properties.push((MAPPING.to_owned(), Some("name".to_owned())));
    }
    if !create.clustering.is_empty() {
        if !create.partitions.is_empty() {
            return Err(SqlError::new(
                "SPECIFY_CLUSTER_BY_WITH_PARTITIONED_BY_IS_NOT_ALLOWED",
                "42908",
                "Cannot specify both CLUSTER BY and PARTITIONED BY.",
            ));
        }
        check_clustering(&create.clustering)?;
        let known = create.clustering.iter().map(|path| {
            let found =
                columns.iter().find(|name| path.first().is_some_and(|c| c.to_lowercase() == name.to_lowercase()));
            match found {
                Some(name) => Ok([&[(*name).to_owned()], &path[1..]].concat()),
                None => Err(SqlError::unresolved_column(quote(&path.join(".")), &[])),
            }
        });
        let known = known.collect::<SqlResult<Vec<_>>>()?;
        let text = serde_json::to_string(&known).map_err(SqlError::internal)?;
        properties.push((CLUSTERING.to_owned(), Some(text)));
    }
    Ok(properties)
}
