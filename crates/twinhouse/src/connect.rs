//! A URL chooses the warehouse.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::Warehouse;

/// Opens the warehouse that `url` names: `databricks://…`, `redshift://…`, with the feature `data-api`
/// `redshift-data://…`, with the feature `sandbox` `sandbox://databricks` and `sandbox://redshift`.
///
/// What the URL leaves out comes from the environment and from profile files. Nothing is sent to Databricks or
/// Redshift before the first call, except to Redshift with `pool_min=…` in the URL: then so many connections are opened
/// first. A sandbox is started if this process has none yet.
///
/// ```no_run
/// # async fn example() -> twinhouse::Result<()> {
/// // A password; temporary credentials, with the feature `iam`; a secret of Secrets Manager.
/// twinhouse::connect("redshift://analyst:p%40ss@example.com/sales").await?;
/// twinhouse::connect("redshift://wg.123456789012.eu-west-1.redshift-serverless.amazonaws.com/dev?auth=iam").await?;
/// twinhouse::connect("redshift://example.com/dev?auth=secrets-manager&secret=prod/redshift&region=eu-west-1").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::Config`] for an unknown scheme, a missing setting (it names the setting and where it was looked for)
/// or one that makes no sense; [`ErrorKind::Unsupported`] for a backend that this build leaves out. The URL itself is
/// never in the message: it may hold a password.
///
/// # Cancellation
///
/// Dropping the future leaves nothing behind but a sandbox that was started.
pub async fn connect(url: &str) -> Result<Box<dyn Warehouse>> {
    #[cfg_attr(not(any(feature = "redshift", feature = "sandbox")), expect(unused_variables))]
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(unknown("a warehouse URL begins with a scheme"));
    };
    match scheme {
        #[cfg(feature = "databricks")]
        "databricks" => databricks(twinhouse_databricks::DatabricksConfig::from_url(url)?),
        #[cfg(feature = "redshift")]
        // The scheme alone leaves everything to the environment.
        "redshift" if rest.is_empty() => redshift(twinhouse_redshift::RedshiftBuilder::new().build()?).await,
        #[cfg(feature = "redshift")]
        "redshift" => redshift(twinhouse_redshift::RedshiftBuilder::from_url(url)?.build()?).await,
        #[cfg(feature = "data-api")]
        "redshift-data" => {
            let warehouse = twinhouse_redshift::data_api::DataApiWarehouse::from_url(url)?;
            Ok(Box::new(twinhouse_warehouse_api::Traced::new(warehouse)))
        }
        #[cfg(feature = "sandbox")]
        "sandbox" => match rest.trim_end_matches('/') {
            "databricks" => databricks(crate::sandbox::databricks().await?),
            "redshift" => redshift(crate::sandbox::redshift().await?).await,
            other => Err(unknown("the sandbox serves `databricks` and `redshift`").with_context("got", other)),
        },
        #[cfg(not(feature = "databricks"))]
        "databricks" => Err(left_out("databricks")),
        #[cfg(not(feature = "redshift"))]
        "redshift" => Err(left_out("redshift")),
        #[cfg(not(feature = "data-api"))]
        "redshift-data" => Err(left_out("data-api")),
        #[cfg(not(feature = "sandbox"))]
        "sandbox" => Err(left_out("sandbox")),
        // What stands before `://` may be a mistyped secret as well as a mistyped scheme.
        other if other.len() <= 16 && other.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-') => {
            Err(unknown("unknown warehouse URL scheme").with_context("scheme", other))
        }
        _ => Err(unknown("unknown warehouse URL scheme")),
    }
}

fn unknown(why: &'static str) -> Error {
    Error::new(ErrorKind::Config, why)
        .with_context("known schemes", "databricks://, redshift://, redshift-data://, sandbox://")
}

#[cfg(not(all(feature = "databricks", feature = "redshift", feature = "data-api", feature = "sandbox")))]
fn left_out(feature: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, "this build of twinhouse leaves that backend out; turn its feature on")
        .with_context("feature", feature)
}

#[cfg(feature = "databricks")]
fn databricks(config: twinhouse_databricks::DatabricksConfig) -> Result<Box<dyn Warehouse>> {
    let warehouse = twinhouse_databricks::DatabricksWarehouse::new(config)?;
    Ok(Box::new(twinhouse_warehouse_api::Traced::new(warehouse)))
}

#[cfg(feature = "redshift")]
async fn redshift(config: twinhouse_redshift::RedshiftConfig) -> Result<Box<dyn Warehouse>> {
    let warehouse = twinhouse_redshift::RedshiftWarehouse::new(config)?;
    if warehouse.pool_status().min_size > 0 {
        warehouse.warm_up().await?;
    }
    Ok(Box::new(twinhouse_warehouse_api::Traced::new(warehouse)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_that_names_nothing_known_says_what_is_known_and_shows_no_secret() {
        for url in ["mysql://user:hunter2@host/db", "hunter2", "user:hunter2://x", ""] {
            let error = connect(url).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("redshift://"), "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
