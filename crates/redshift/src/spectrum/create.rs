//! CREATE EXTERNAL SCHEMA and CREATE EXTERNAL TABLE.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect, TableRef};

use crate::copy::Role;

/// Where an external schema takes its tables from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExternalSource {
    /// A database of the AWS Glue data catalog.
    DataCatalog {
        /// The database there.
        database: String,
        /// The region of the catalog, if it is another one.
        region: Option<String>,
        /// Whether the database is made there if there is none.
        create_database: bool,
    },
    /// A database of a Hive metastore.
    Hive {
        /// The database there.
        database: String,
        /// The metastore's host.
        host: String,
        /// Its port; 9083 by default.
        port: Option<u16>,
    },
    /// A database of PostgreSQL, read only. The secret holds its user and password.
    Postgres {
        /// The database there.
        database: String,
        /// The schema there; `public` by default.
        schema: Option<String>,
        /// The server's host.
        host: String,
        /// Its port; 5432 by default.
        port: Option<u16>,
        /// The ARN of the secret in Secrets Manager.
        secret_arn: String,
    },
    /// A database of MySQL, read only. The secret holds its user and password.
    MySql {
        /// The database there.
        database: String,
        /// The server's host.
        host: String,
        /// Its port; 3306 by default.
        port: Option<u16>,
        /// The ARN of the secret in Secrets Manager.
        secret_arn: String,
    },
    /// A schema of another Redshift database of this namespace, or one made from a datashare. It takes no role.
    Redshift {
        /// The database.
        database: String,
        /// The schema there; `public` by default.
        schema: Option<String>,
    },
}

/// An external schema to be made.
///
/// ```
/// use twinhouse_redshift::{CreateExternalSchema, ExternalSource, Role};
///
/// let source = ExternalSource::DataCatalog { database: "lake".into(), region: None, create_database: true };
/// let request = CreateExternalSchema::new("spectrum", source).with_role(Role::Default);
/// assert_eq!(
///     request.sql()?,
///     "CREATE EXTERNAL SCHEMA \"spectrum\" FROM DATA CATALOG DATABASE 'lake' IAM_ROLE default \
///      CREATE EXTERNAL DATABASE IF NOT EXISTS"
/// );
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateExternalSchema {
    /// Its name.
    pub name: String,
    /// Where it takes its tables from.
    pub source: ExternalSource,
    /// The role that reads there.
    pub role: Role,
    /// Whether one that is there already is no error.
    pub if_not_exists: bool,
}

impl CreateExternalSchema {
    /// A schema over this source, read with the cluster's default role.
    pub fn new(name: impl Into<String>, source: ExternalSource) -> Self {
        Self { name: name.into(), source, role: Role::Default, if_not_exists: false }
    }

    /// Sets the role that reads there.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Says whether one that is there already is no error.
    #[must_use]
    pub fn with_if_not_exists(mut self, skip: bool) -> Self {
        self.if_not_exists = skip;
        self
    }

    /// The statement.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for names and texts that cannot be.
    pub fn sql(&self) -> Result<String> {
        let text = |text: &str| match text.is_empty() {
            true => Err(Error::new(ErrorKind::InvalidInput, "a setting of an external schema is empty")),
            false => RedshiftDialect.string(text),
        };
        let option = |word: &str, value: &Option<String>| {
            value.as_ref().map_or(Ok(String::new()), |value| Ok::<_, Error>(format!(" {word} {}", text(value)?)))
        };
        let port = |port: &Option<u16>| port.map_or(String::new(), |port| format!(" PORT {port}"));
        let exists = if self.if_not_exists { "IF NOT EXISTS " } else { "" };
        let create = format!("CREATE EXTERNAL SCHEMA {exists}{} FROM", RedshiftDialect.quote(&self.name)?);
        let role = format!(" {}", self.role.to_sql()?);
        Ok(match &self.source {
            ExternalSource::DataCatalog { database, region, create_database } => {
                let make = if *create_database { " CREATE EXTERNAL DATABASE IF NOT EXISTS" } else { "" };
                let region = option("REGION", region)?;
                format!("{create} DATA CATALOG DATABASE {}{region}{role}{make}", text(database)?)
            }
            ExternalSource::Hive { database, host, port: at } => {
                format!("{create} HIVE METASTORE DATABASE {} URI {}{}{role}", text(database)?, text(host)?, port(at))
            }
            ExternalSource::Postgres { database, schema, host, port: at, secret_arn } => format!(
                "{create} POSTGRES DATABASE {}{} URI {}{}{role} SECRET_ARN {}",
                text(database)?,
                option("SCHEMA", schema)?,
                text(host)?,
                port(at),
                text(secret_arn)?
            ),
            ExternalSource::MySql { database, host, port: at, secret_arn } => format!(
                "{create} MYSQL DATABASE {} URI {}{}{role} SECRET_ARN {}",
                text(database)?,
                text(host)?,
                port(at),
                text(secret_arn)?
            ),
            ExternalSource::Redshift { database, schema } => {
                format!("{create} REDSHIFT DATABASE {}{}", text(database)?, option("SCHEMA", schema)?)
            }
        })
    }
}

/// The files of an external table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExternalFormat {
    /// Parquet.
    Parquet,
    /// ORC.
    Orc,
    /// Avro.
    Avro,
    /// Text with this between values.
    Delimited(char),
    /// One JSON object a line.
    Json,
}

/// An external table to be made over files.
///
/// ```
/// use twinhouse_redshift::{CreateExternalTable, ExternalFormat};
///
/// let request = CreateExternalTable::new("lake.sales".parse()?, "s3://lake/sales/", ExternalFormat::Parquet)
///     .with_column("amount", "decimal(12,2)")
///     .with_partition_column("day", "date");
/// assert_eq!(
///     request.sql()?,
///     "CREATE EXTERNAL TABLE \"lake\".\"sales\" (\"amount\" decimal(12,2)) PARTITIONED BY (\"day\" date) \
///      STORED AS PARQUET LOCATION 's3://lake/sales/'"
/// );
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateExternalTable {
    /// Its external schema and its name.
    pub table: TableRef,
    /// The columns in the files, with their types.
    pub columns: Vec<(String, String)>,
    /// The columns that files are parted by, with their types.
    pub partition_columns: Vec<(String, String)>,
    /// The files.
    pub format: ExternalFormat,
    /// The folder of the files, or a manifest of them.
    pub location: String,
    /// Its properties, such as `skip.header.line.count`.
    pub properties: Vec<(String, String)>,
}

impl CreateExternalTable {
    /// A table over the files of a folder.
    pub fn new(table: TableRef, location: impl Into<String>, format: ExternalFormat) -> Self {
        let location = location.into();
        Self { table, columns: Vec::new(), partition_columns: Vec::new(), format, location, properties: Vec::new() }
    }

    /// Adds a column. The type is written as it is: `varchar(20)`, `decimal(12,2)`, `struct<a:int>`.
    #[must_use]
    pub fn with_column(mut self, name: impl Into<String>, data_type: impl Into<String>) -> Self {
        self.columns.push((name.into(), data_type.into()));
        self
    }

    /// Adds a column that files are parted by.
    #[must_use]
    pub fn with_partition_column(mut self, name: impl Into<String>, data_type: impl Into<String>) -> Self {
        self.partition_columns.push((name.into(), data_type.into()));
        self
    }

    /// Sets a property.
    #[must_use]
    pub fn with_property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.push((name.into(), value.into()));
        self
    }

    /// The statement.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] without a schema or without columns, for a column that is both, for a type that is none.
    pub fn sql(&self) -> Result<String> {
        let wrong = |why: &'static str| Err(Error::new(ErrorKind::InvalidInput, why));
        if self.table.schema().is_none() {
            return wrong("an external table is named with its schema");
        }
        if self.columns.is_empty() {
            return wrong("an external table needs at least one column that its files hold");
        }
        if self.columns.iter().any(|(name, _)| self.partition_columns.iter().any(|(part, _)| part == name)) {
            return wrong("a column that files are parted by is not in the files");
        }
        if !self.location.starts_with("s3://") {
            return wrong("an external table lies at `s3://bucket/folder/`");
        }
        let mut sql =
            format!("CREATE EXTERNAL TABLE {} ({})", RedshiftDialect.table(&self.table)?, list(&self.columns)?);
        if !self.partition_columns.is_empty() {
            sql = format!("{sql} PARTITIONED BY ({})", list(&self.partition_columns)?);
        }
        sql.push_str(&match &self.format {
            ExternalFormat::Parquet => " STORED AS PARQUET".to_owned(),
            ExternalFormat::Orc => " STORED AS ORC".to_owned(),
            ExternalFormat::Avro => " STORED AS AVRO".to_owned(),
            ExternalFormat::Delimited(delimiter) => format!(
                " ROW FORMAT DELIMITED FIELDS TERMINATED BY {} STORED AS TEXTFILE",
                RedshiftDialect.string(&delimiter.to_string())?
            ),
            ExternalFormat::Json => {
                " ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' STORED AS TEXTFILE".to_owned()
            }
        });
        sql = format!("{sql} LOCATION {}", RedshiftDialect.string(&self.location)?);
        if !self.properties.is_empty() {
            let pair = |(name, value): &(String, String)| {
                Ok(format!("{}={}", RedshiftDialect.string(name)?, RedshiftDialect.string(value)?))
            };
            sql = format!(
                "{sql} TABLE PROPERTIES ({})",
                self.properties.iter().map(pair).collect::<Result<Vec<_>>>()?.join(", ")
            );
        }
        Ok(sql)
    }
}

fn list(columns: &[(String, String)]) -> Result<String> {
    let columns: Vec<_> = columns
        .iter()
        .map(|(name, kind)| Ok(format!("{} {}", RedshiftDialect.quote(name)?, data_type(kind)?)))
        .collect::<Result<_>>()?;
    Ok(columns.join(", "))
}

/// A type is not quoted, so it holds only what types are made of, and its brackets close.
fn data_type(text: &str) -> Result<&str> {
    let mut open = Vec::new();
    let mut fits = text.starts_with(|c: char| c.is_ascii_alphabetic());
    for c in text.chars() {
        match c {
            '(' | '<' => open.push(c),
            ')' => fits &= open.pop() == Some('('),
            '>' => fits &= open.pop() == Some('<'),
            // Outside of brackets a comma would begin another column.
            ',' => fits &= !open.is_empty(),
            ':' => fits &= open.last() == Some(&'<'),
            c => fits &= c.is_ascii_alphanumeric() || c == '_' || c == ' ',
        }
    }
    match fits && open.is_empty() {
        true => Ok(text),
        false => Err(Error::new(ErrorKind::InvalidInput, "a column of an external table has a type that is none")
            .with_context("type", text.escape_debug().to_string())),
    }
}
