//! How to connect, ready to be copied.

use twinhouse_core::Secret;

use crate::access::{DatabricksAccess, RedshiftAccess};

/// A few lines with which a client connects. They hold the sandbox's own token or password, so they are kept as a
/// secret: show them to the person who started it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snippet {
    /// What they are for: `Rust`, `Python`, `psql`.
    pub language: &'static str,
    /// The lines.
    pub text: Secret,
}

/// What the snippets speak of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contact<'a> {
    pub(crate) databricks: &'a DatabricksAccess,
    /// Nothing while the cluster does not run.
    pub(crate) redshift: Option<&'a RedshiftAccess>,
}

/// The snippets, with the secrets or with `***` in their place.
pub(crate) fn snippets(contact: &Contact<'_>, shown: bool) -> Vec<Snippet> {
    let hide = |secret: &Secret| if shown { secret.expose().to_owned() } else { "***".to_owned() };
    let workspace = contact.databricks;
    let token = hide(&workspace.token);
    let (url, warehouse) = (&workspace.url, &workspace.warehouse_id);

    let mut rust = format!(
        "// With the variables of the environment file: twinhouse::connect(\"databricks://\").await?\n\
         use twinhouse::databricks::{{DatabricksConfig, DatabricksWarehouse}};\n\
         let config = DatabricksConfig::builder().host(\"{url}\").token(\"{token}\").warehouse_id(\"{warehouse}\")\n    \
             .catalog(\"main\").schema(\"default\").staging(\"{}\").build()?;\n\
         let databricks = DatabricksWarehouse::new(config)?;\n",
        workspace.staging
    );
    let mut python = format!(
        "from databricks.sdk import WorkspaceClient\n\
         w = WorkspaceClient(host=\"{url}\", token=\"{token}\")\n\
         print(w.statement_execution.execute_statement(\"select 1\", \"{warehouse}\").result.data_array)\n"
    );
    let mut all = Vec::new();
    if let Some(cluster) = contact.redshift {
        let (host, port, user, database) = (&cluster.host, cluster.port, &cluster.user, &cluster.database);
        let (password, ca) = (hide(&cluster.password), cluster.ca_file.display());
        let url = cluster.url.expose();
        let uri = if shown {
            url.to_owned()
        } else {
            let options = url.split_once('?').map_or("", |(_, options)| options);
            format!("redshift://{user}:***@{host}:{port}/{database}?{options}")
        };
        rust += &format!("let redshift = twinhouse::connect(\"{uri}\").await?;\n");
        python += &format!(
            "\nimport psycopg2\n\
             c = psycopg2.connect(host=\"{host}\", port={port}, user=\"{user}\", password=\"{password}\",\n                     \
                 dbname=\"{database}\", sslmode=\"verify-full\", sslrootcert=\"{ca}\")\n"
        );
        let conninfo =
            format!("host={host} port={port} user={user} dbname={database} sslmode=verify-full sslrootcert='{ca}'");
        let psql = format!("PGPASSWORD='{password}' psql \"{conninfo}\"\n");
        all.push(Snippet { language: "psql", text: Secret::new(psql) });
    }
    all.insert(0, Snippet { language: "Python", text: Secret::new(python) });
    all.insert(0, Snippet { language: "Rust", text: Secret::new(rust) });
    all
}
