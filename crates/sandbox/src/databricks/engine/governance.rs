//! What the catalog keeps of an object beside what it is: whose it is, its properties, and who may do what.
//!
//! Privileges are kept and inherited, and nothing is refused for want of them: one user runs everything.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    USER,
    catalog::{FullName, Listing, now_ms, schema_mut, schema_of},
};
use crate::databricks::error::{SqlError, SqlResult};

/// Beside every entry of the listing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Governance {
    /// Another owner than the one user.
    owner: Option<String>,
    pub(crate) properties: BTreeMap<String, String>,
    /// Milliseconds since 1970.
    pub(crate) updated_at: Option<u64>,
    /// What each principal was given here.
    pub(crate) grants: BTreeMap<String, BTreeSet<String>>,
}

impl Governance {
    pub(crate) fn owner(&self) -> &str {
        self.owner.as_deref().unwrap_or(USER)
    }

    pub(crate) fn set_owner(&mut self, owner: String) {
        self.owner = Some(owner);
    }

    /// Notes that something was changed.
    pub(crate) fn touch(&mut self) {
        self.updated_at = Some(now_ms());
    }
}

/// What privileges are given on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Securable {
    Catalog(String),
    Schema(String, String),
    /// Or a view.
    Table(FullName),
    Volume(FullName),
    Function(FullName),
}

impl Securable {
    /// The service's word for the kind.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Catalog(_) => "CATALOG",
            Self::Schema(..) => "SCHEMA",
            Self::Table(_) => "TABLE",
            Self::Volume(_) => "VOLUME",
            Self::Function(_) => "FUNCTION",
        }
    }

    /// The full name, parts joined by periods.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Catalog(catalog) => catalog.clone(),
            Self::Schema(catalog, schema) => format!("{catalog}.{schema}"),
            Self::Table(name) | Self::Volume(name) | Self::Function(name) => {
                format!("{}.{}.{}", name.catalog, name.schema, name.name)
            }
        }
    }

    /// What it is in, from the inside out.
    pub(crate) fn around(&self) -> Vec<Self> {
        match self {
            Self::Catalog(_) => Vec::new(),
            Self::Schema(catalog, _) => vec![Self::Catalog(catalog.clone())],
            Self::Table(name) | Self::Volume(name) | Self::Function(name) => {
                vec![Self::Schema(name.catalog.clone(), name.schema.clone()), Self::Catalog(name.catalog.clone())]
            }
        }
    }

    /// What the listing keeps of it.
    pub(crate) fn governance<'a>(&self, listing: &'a Listing) -> SqlResult<&'a Governance> {
        match self {
            Self::Catalog(catalog) => {
                let entry = listing.get(catalog).ok_or_else(|| SqlError::catalog_not_found(catalog))?;
                Ok(&entry.governance)
            }
            Self::Schema(catalog, schema) => Ok(&schema_of(listing, catalog, schema)?.governance),
            Self::Table(name) => {
                let schema = schema_of(listing, &name.catalog, &name.schema)?;
                let table = schema.tables.get(&name.name).map(|table| &table.governance);
                let found = table.or_else(|| schema.views.get(&name.name).map(|view| &view.governance));
                found.ok_or_else(|| SqlError::table_not_found(name))
            }
            Self::Volume(name) => {
                let found = schema_of(listing, &name.catalog, &name.schema)?.volumes.get(&name.name);
                Ok(&found.ok_or_else(|| SqlError::volume_not_found(name))?.governance)
            }
            Self::Function(name) => {
                let found = schema_of(listing, &name.catalog, &name.schema)?.functions.get(&name.name);
                Ok(&found.ok_or_else(|| SqlError::function_not_found(name))?.governance)
            }
        }
    }

    /// As [`governance`](Self::governance), to change it.
    pub(crate) fn governance_mut<'a>(&self, listing: &'a mut Listing) -> SqlResult<&'a mut Governance> {
        match self {
            Self::Catalog(catalog) => {
                let entry = listing.get_mut(catalog).ok_or_else(|| SqlError::catalog_not_found(catalog))?;
                Ok(&mut entry.governance)
            }
            Self::Schema(catalog, schema) => Ok(&mut schema_mut(listing, catalog, schema)?.governance),
            Self::Table(name) => {
                let schema = schema_mut(listing, &name.catalog, &name.schema)?;
                let table = schema.tables.get_mut(&name.name).map(|table| &mut table.governance);
                let found = table.or_else(|| schema.views.get_mut(&name.name).map(|view| &mut view.governance));
                found.ok_or_else(|| SqlError::table_not_found(name))
            }
            Self::Volume(name) => {
                let found = schema_mut(listing, &name.catalog, &name.schema)?.volumes.get_mut(&name.name);
                Ok(&mut found.ok_or_else(|| SqlError::volume_not_found(name))?.governance)
            }
            Self::Function(name) => {
                let found = schema_mut(listing, &name.catalog, &name.schema)?.functions.get_mut(&name.name);
                Ok(&mut found.ok_or_else(|| SqlError::function_not_found(name))?.governance)
            }
        }
    }
}
