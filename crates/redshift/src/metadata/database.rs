//! Databases, schemas and datashares.

use std::{sync::Arc, time::SystemTime};

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use twinhouse_core::Result;
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect, TableFilter};

use crate::{
    cluster::Cluster,
    views::{Listing, View, wanted},
};

const DATABASES: View = View {
    name: "svv_redshift_databases",
    columns: &["database_name", "database_owner", "database_type", "database_options"],
    later: &["database_isolation_level"],
};
const SCHEMAS: View = View {
    name: "svv_all_schemas",
    columns: &["database_name", "schema_name", "schema_owner", "schema_type", "source_database", "schema_option"],
    later: &[],
};
const DATASHARES: View = View {
    name: "svv_datashares",
    columns: &[
        "share_name",
        "share_id",
        "share_owner",
        "source_database",
        "consumer_database",
        "share_type",
        "createdate",
        "is_publicaccessible",
        "producer_account",
        "producer_namespace",
    ],
    later: &["managed_by"],
};

/// A database of the cluster or workgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabaseInfo {
    /// Its name.
    pub name: String,
    /// Who owns it.
    pub owner_id: Option<i32>,
    /// `local`, or `shared` for one made from a datashare.
    pub kind: Option<String>,
    /// Its options, in the server's words.
    pub options: Option<String>,
    /// The isolation of its transactions.
    pub isolation: Option<String>,
}

/// A schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaInfo {
    /// The database it is in.
    pub database: String,
    /// Its name.
    pub name: String,
    /// Who owns it.
    pub owner_id: Option<i32>,
    /// `local`, `external` or `shared`.
    pub kind: Option<String>,
    /// The database behind an external schema.
    pub source_database: Option<String>,
    /// Its options, in the server's words.
    pub options: Option<String>,
}

/// A datashare, offered or received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatashareInfo {
    /// Its name.
    pub name: String,
    /// Its number.
    pub id: Option<i64>,
    /// Who owns it.
    pub owner_id: Option<i32>,
    /// The database it is of.
    pub source_database: Option<String>,
    /// The database made from it here.
    pub consumer_database: Option<String>,
    /// `OUTBOUND`: offered; `INBOUND`: received.
    pub kind: Option<String>,
    /// When it was made.
    pub created: Option<SystemTime>,
    /// Whether clusters that the public can reach may use it.
    pub publicly_accessible: Option<bool>,
    /// The account that offers it.
    pub producer_account: Option<String>,
    /// The namespace that offers it.
    pub producer_namespace: Option<String>,
    /// The service that manages it.
    pub managed_by: Option<String>,
}

pub(super) fn databases(cluster: Arc<Cluster>) -> BoxStream<'static, Result<DatabaseInfo>> {
    Listing {
        operation: "databases.list",
        view: DATABASES,
        wanted: Vec::new(),
        order: &["database_name"],
        descending: false,
        key: |database: &DatabaseInfo| Ok(vec![RedshiftDialect.string(&database.name)?]),
        read: |row| {
            Ok(DatabaseInfo {
                name: row.name()?,
                owner_id: row.number()?,
                kind: row.padded()?,
                options: row.padded()?,
                isolation: row.padded()?,
            })
        },
    }
    .stream(cluster)
}

pub(super) fn schemas(cluster: Arc<Cluster>, filter: &TableFilter) -> BoxStream<'static, Result<SchemaInfo>> {
    let wanted = match wanted(filter, [Some("database_name"), Some("schema_name"), None]) {
        Ok(wanted) => wanted,
        Err(error) => return stream::once(async { Err(error) }).boxed(),
    };
    Listing {
        operation: "schemas.list",
        view: SCHEMAS,
        wanted,
        order: &["database_name", "schema_name"],
        descending: false,
        key: |schema: &SchemaInfo| {
            [&schema.database, &schema.name].map(|name| RedshiftDialect.string(name)).into_iter().collect()
        },
        read: |row| {
            Ok(SchemaInfo {
                database: row.name()?,
                name: row.name()?,
                owner_id: row.number()?,
                kind: row.padded()?,
                source_database: row.padded()?,
                options: row.padded()?,
            })
        },
    }
    .stream(cluster)
}

pub(super) fn datashares(cluster: Arc<Cluster>) -> BoxStream<'static, Result<DatashareInfo>> {
    // A share that was received may have the name of one that is offered.
    Listing {
        operation: "datashares.list",
        view: DATASHARES,
        wanted: Vec::new(),
        order: &["share_name", "share_type", "COALESCE(producer_namespace, '')"],
        descending: false,
        key: |share: &DatashareInfo| {
            [Some(&share.name), share.kind.as_ref(), share.producer_namespace.as_ref()]
                .map(|part| RedshiftDialect.string(part.map_or("", String::as_str)))
                .into_iter()
                .collect()
        },
        read: |row| {
            Ok(DatashareInfo {
                name: row.name()?,
                id: row.number()?,
                owner_id: row.number()?,
                source_database: row.padded()?,
                consumer_database: row.padded()?,
                kind: row.padded()?,
                created: row.time()?,
                publicly_accessible: row.flag()?,
                producer_account: row.padded()?,
                producer_namespace: row.padded()?,
                managed_by: row.padded()?,
            })
        },
    }
    .stream(cluster)
}
