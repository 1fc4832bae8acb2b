//! The sandbox as environment variables, for clients that know nothing of it.

use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use twinhouse_core::{Error, ErrorKind, Result, Secret};

use crate::access::{AwsAccess, DatabricksAccess, RedshiftAccess, S3Store};

/// Where names without a catalog and a schema belong on the workspace.
const CATALOG: &str = "main";
const SCHEMA: &str = "default";

/// Every variable that a client may want. Some of the values are secrets, so all of them are kept like one.
pub(crate) fn variables(
    databricks: &DatabricksAccess,
    redshift: &RedshiftAccess,
    aws: &AwsAccess,
    s3: &S3Store,
    ca_file: &Path,
) -> Vec<(&'static str, Secret)> {
    let plain = |value: &str| Secret::new(value);
    vec![
        ("DATABRICKS_HOST", plain(&databricks.url)),
        ("DATABRICKS_TOKEN", databricks.token.clone()),
        ("DATABRICKS_WAREHOUSE_ID", plain(&databricks.warehouse_id)),
        // Not `DATABRICKS_CLIENT_ID`: beside a token it would be a second login, which every client refuses.
        ("TWINHOUSE_DATABRICKS_CLIENT_ID", plain(&databricks.client_id)),
        ("TWINHOUSE_DATABRICKS_CLIENT_SECRET", databricks.client_secret.clone()),
        ("TWINHOUSE_DATABRICKS_HTTPS_URL", plain(&databricks.https_url)),
        ("DATABRICKS_CATALOG", plain(CATALOG)),
        ("DATABRICKS_SCHEMA", plain(SCHEMA)),
        ("TWINHOUSE_STAGING_VOLUME", plain(&databricks.staging)),
        ("TWINHOUSE_REDSHIFT_URL", redshift.url.clone()),
        ("PGHOST", plain(&redshift.host)),
        ("PGPORT", Secret::new(redshift.port.to_string())),
        ("PGUSER", plain(&redshift.user)),
        ("PGPASSWORD", redshift.password.clone()),
        ("PGDATABASE", plain(&redshift.database)),
        ("AWS_ENDPOINT_URL", plain(&aws.endpoint)),
        ("AWS_ENDPOINT_URL_S3", plain(&s3.endpoint)),
        ("AWS_ACCESS_KEY_ID", plain(&s3.access_key)),
        ("AWS_SECRET_ACCESS_KEY", s3.secret_key.clone()),
        ("AWS_REGION", plain(&s3.region)),
        // boto3 and the command line know only this one.
        ("AWS_DEFAULT_REGION", plain(&s3.region)),
        ("TWINHOUSE_STAGING_S3", Secret::new(s3.staging())),
        ("TWINHOUSE_SANDBOX_CA", Secret::new(ca_file.to_string_lossy().into_owned())),
    ]
}

/// Writes `export NAME='value'` lines, readable by the owner only. The file appears whole or not at all.
pub(crate) fn write(path: &Path, variables: &[(&str, Secret)]) -> Result<()> {
    let mut text = String::new();
    for (name, value) in variables {
        // Within single quotes a POSIX shell knows nothing special but their end.
        let _ = writeln!(text, "export {name}='{}'", value.expose().replace('\'', r"'\''"));
    }
    replace(path, text.as_bytes()).map_err(|error| {
        let kind =
            if error.kind() == io::ErrorKind::StorageFull { ErrorKind::ResourceExhausted } else { ErrorKind::Config };
        Error::new(kind, "cannot write the environment file")
            .with_context("file", path.display().to_string())
            .with_source(error)
    })
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let draft = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), uuid::Uuid::new_v4().simple()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&draft);
    })
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::MetadataExt as _, process::Command};

    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_meant() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sandbox.env");
        fs::write(&file, "what was there before").unwrap();
        let awkward = "it's $HOME `id` \\ \"x\"\nsecond line";
        write(&file, &[("ONE", Secret::new("1")), ("AWKWARD", Secret::new(awkward))]).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        let script = r#". "$1"; sh -c 'printf "%s|%s" "$ONE" "$AWKWARD"'"#;
        let said = Command::new("sh").args(["-c", script, "sh"]).arg(&file).output().unwrap();
        assert_eq!(String::from_utf8(said.stdout).unwrap(), format!("1|{awkward}"));
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["sandbox.env"]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("missing/sandbox.env");
        let error = write(&file, &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.context("file"), file.to_str());
    }
}
