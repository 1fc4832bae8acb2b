//! Who may do what.

use serde::{Deserialize, Serialize};
use twinhouse_core::{Result, http::Method};

use super::{
    Calls, Listing, Repeat,
    name::{OBJECT, SCHEMA, bad, check_full, check_part, check_principal},
    pages::{Query, page, refused},
};
use crate::{wire::nullable, words::words};

words! {
    /// What privileges are given on.
    SecurableType {
        /// A catalog.
        Catalog = "CATALOG",
        /// A schema.
        Schema = "SCHEMA",
        /// A table or view.
        Table = "TABLE",
        /// A volume.
        Volume = "VOLUME",
        /// A function.
        Function = "FUNCTION",
        /// The metastore.
        Metastore = "METASTORE",
        /// A place outside, with its credential.
        ExternalLocation = "EXTERNAL_LOCATION",
        /// A credential to storage.
        StorageCredential = "STORAGE_CREDENTIAL",
        /// A credential to a service.
        Credential = "CREDENTIAL",
        /// A connection to another database.
        Connection = "CONNECTION",
        /// A share.
        Share = "SHARE",
        /// A recipient of shares.
        Recipient = "RECIPIENT",
        /// A provider of shares.
        Provider = "PROVIDER",
        /// A pipeline.
        Pipeline = "PIPELINE",
        /// A clean room.
        CleanRoom = "CLEAN_ROOM",
    }
}

words! {
    /// What somebody may do.
    Privilege {
        /// Everything that can be given on it.
        AllPrivileges = "ALL_PRIVILEGES",
        /// Put tags on it.
        ApplyTag = "APPLY_TAG",
        /// See that it is there.
        Browse = "BROWSE",
        /// Make catalogs.
        CreateCatalog = "CREATE_CATALOG",
        /// Make connections.
        CreateConnection = "CREATE_CONNECTION",
        /// Make external locations.
        CreateExternalLocation = "CREATE_EXTERNAL_LOCATION",
        /// Make external tables there.
        CreateExternalTable = "CREATE_EXTERNAL_TABLE",
        /// Make external volumes there.
        CreateExternalVolume = "CREATE_EXTERNAL_VOLUME",
        /// Make functions.
        CreateFunction = "CREATE_FUNCTION",
        /// Make materialized views.
        CreateMaterializedView = "CREATE_MATERIALIZED_VIEW",
        /// Register models.
        CreateModel = "CREATE_MODEL",
        /// Make schemas.
        CreateSchema = "CREATE_SCHEMA",
        /// Make tables.
        CreateTable = "CREATE_TABLE",
        /// Make views.
        CreateView = "CREATE_VIEW",
        /// Make volumes.
        CreateVolume = "CREATE_VOLUME",
        /// Run a function.
        Execute = "EXECUTE",
        /// Get temporary credentials to a place outside.
        ExternalUseLocation = "EXTERNAL_USE_LOCATION",
        /// Get temporary credentials to what is in the schema. Ownership does not imply it.
        ExternalUseSchema = "EXTERNAL_USE_SCHEMA",
        /// Give and take privileges, and change everything.
        Manage = "MANAGE",
        /// Change rows.
        Modify = "MODIFY",
        /// Read files there.
        ReadFiles = "READ_FILES",
        /// Read files of a volume.
        ReadVolume = "READ_VOLUME",
        /// Refresh a materialized view.
        Refresh = "REFRESH",
        /// Read rows.
        Select = "SELECT",
        /// Enter the catalog.
        UseCatalog = "USE_CATALOG",
        /// Use the connection.
        UseConnection = "USE_CONNECTION",
        /// Enter the schema.
        UseSchema = "USE_SCHEMA",
        /// Write files there.
        WriteFiles = "WRITE_FILES",
        /// Write files of a volume.
        WriteVolume = "WRITE_VOLUME",
    }
}

/// What a principal was given on the thing itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct PrivilegeAssignment {
    /// The user, group or service principal. Empty if it was deleted.
    #[serde(deserialize_with = "nullable")]
    pub principal: String,
    /// What it may do.
    #[serde(deserialize_with = "nullable")]
    pub privileges: Vec<Privilege>,
}

/// What a principal may do, and by what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct EffectivePrivilegeAssignment {
    /// The user, group or service principal.
    #[serde(deserialize_with = "nullable")]
    pub principal: String,
    /// What it may do.
    #[serde(deserialize_with = "nullable")]
    pub privileges: Vec<EffectivePrivilege>,
}

/// A privilege and where it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct EffectivePrivilege {
    /// What may be done.
    pub privilege: Option<Privilege>,
    /// What kind of thing conveys it; nothing if it was given on the thing itself.
    pub inherited_from_type: Option<SecurableType>,
    /// The full name of what conveys it; nothing if it was given on the thing itself.
    pub inherited_from_name: Option<String>,
}

page!(AssignmentPage, privilege_assignments: PrivilegeAssignment);
page!(EffectivePage, privilege_assignments: EffectivePrivilegeAssignment);

/// What is given to, and taken from, one principal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PermissionsChange {
    /// The user, group or service principal.
    pub principal: String,
    /// What is given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<Privilege>,
    /// What is taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Privilege>,
}

impl PermissionsChange {
    /// Changes for this principal; none yet.
    pub fn new(principal: impl Into<String>) -> Self {
        Self { principal: principal.into(), ..Self::default() }
    }

    /// Gives these.
    #[must_use]
    pub fn with_add(mut self, privileges: impl IntoIterator<Item = Privilege>) -> Self {
        self.add.extend(privileges);
        self
    }

    /// Takes these.
    #[must_use]
    pub fn with_remove(mut self, privileges: impl IntoIterator<Item = Privilege>) -> Self {
        self.remove.extend(privileges);
        self
    }

    fn check(&self) -> Result<()> {
        check_principal("principal", &self.principal)?;
        if self.add.is_empty() && self.remove.is_empty() {
            return Err(bad("changes", "has one that changes nothing: give `add` or `remove`"));
        }
        match self.add.iter().find(|privilege| self.remove.contains(privilege)) {
            Some(both) => Err(bad("changes", format_args!("both gives and takes {both}"))),
            None => Ok(()),
        }
    }
}

#[derive(Serialize)]
struct Changes {
    changes: Vec<PermissionsChange>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Changed {
    #[serde(deserialize_with = "nullable")]
    privilege_assignments: Vec<PrivilegeAssignment>,
}

/// Who may do what. See [`UnityCatalog::grants`](super::UnityCatalog::grants).
#[derive(Clone, Debug)]
pub struct Grants {
    calls: Calls,
}

impl Grants {
    pub(super) fn new(calls: Calls) -> Self {
        Self { calls }
    }

    /// What was given on this very thing, principal by principal; only to `principal` if one is named. Inherited
    /// privileges are not among it.
    pub fn get(
        &self,
        securable_type: SecurableType,
        full_name: &str,
        principal: Option<&str>,
    ) -> Listing<PrivilegeAssignment> {
        match asked(&securable_type, full_name, principal) {
            Ok(query) => {
                let path = ["permissions", securable_type.as_str(), full_name];
                self.calls.list::<AssignmentPage>("grants.get", &path, query, 0)
            }
            Err(error) => refused(error),
        }
    }

    /// What is in force on this thing, whether given on it or inherited from what it is in; only for `principal` if one
    /// is named.
    pub fn get_effective(
        &self,
        securable_type: SecurableType,
        full_name: &str,
        principal: Option<&str>,
    ) -> Listing<EffectivePrivilegeAssignment> {
        match asked(&securable_type, full_name, principal) {
            Ok(query) => {
                let path = ["effective-permissions", securable_type.as_str(), full_name];
                self.calls.list::<EffectivePage>("grants.effective", &path, query, 0)
            }
            Err(error) => refused(error),
        }
    }

    /// Gives and takes privileges, all of them or none, and answers what is given on the thing then.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) before anything is sent, naming the field;
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) without the thing.
    pub async fn update(
        &self,
        securable_type: SecurableType,
        full_name: &str,
        changes: impl IntoIterator<Item = PermissionsChange>,
    ) -> Result<Vec<PrivilegeAssignment>> {
        check_securable(&securable_type, full_name)?;
        let changes = Changes { changes: changes.into_iter().collect() };
        if changes.changes.is_empty() {
            return Err(bad("changes", "is empty: what is to be changed?"));
        }
        changes.changes.iter().try_for_each(PermissionsChange::check)?;
        let path = ["permissions", securable_type.as_str(), full_name];
        // To give or to take twice is to do it once.
        let answer: Changed =
            self.calls.send(("grants.update", Repeat::Harmless), Method::PATCH, &path, &changes).await?;
        Ok(answer.privilege_assignments)
    }
}

fn asked(securable_type: &SecurableType, full_name: &str, principal: Option<&str>) -> Result<Query> {
    check_securable(securable_type, full_name)?;
    principal.map_or(Ok(()), |principal| check_principal("principal", principal))?;
    Ok(Query::default().maybe("principal", principal))
}

fn check_securable(securable_type: &SecurableType, full_name: &str) -> Result<()> {
    match securable_type {
        SecurableType::Schema => check_full("full_name", full_name, SCHEMA),
        SecurableType::Table | SecurableType::Volume | SecurableType::Function => {
            check_full("full_name", full_name, OBJECT)
        }
        SecurableType::Catalog => check_part("full_name", full_name),
        other if other.as_str().is_empty() || other.as_str().contains(['.', '/']) => {
            Err(bad("securable_type", "is not a kind of thing"))
        }
        // Of the others this code knows too little to refuse more.
        _ if full_name.is_empty() || full_name == "." || full_name == ".." => Err(bad("full_name", "is not a name")),
        _ => Ok(()),
    }
}
