//! CONVERT TO DELTA: a folder of a volume becomes a table.

use deltalake::{
    DeltaTableBuilder,
    kernel::{DataType, StructField},
    operations::convert_to_delta::ConvertToDeltaBuilder,
};
use serde_json::json;
use url::Url;

use super::{
    super::{Engine, Outcome, files::path_not_found, volumes::VolumePath},
    log::worded,
};
use crate::databricks::error::{SqlError, SqlResult};

impl Engine {
    pub(super) async fn convert(&self, path: &str, partitions: &[(String, DataType)]) -> SqlResult<Outcome> {
        let volume = VolumePath::parse(path)?;
        let local = self.local(&volume)?;
        if !local.is_dir() {
            return Err(path_not_found(&volume.text()));
        }
        let url = Url::from_directory_path(&local).map_err(|()| SqlError::internal("a folder without a URL"))?;
        let log = DeltaTableBuilder::from_url(url)?.build_storage()?;
        // Converting a table again is no error and does nothing.
        if log.is_delta_table_location().await? {
            return Ok(Outcome::Nothing);
        }
        let (_, files) = self.files_at(path)?;
        if files.is_empty() {
            let text = format!("No file found in the directory: dbfs:{}.", volume.text());
            return Err(SqlError::new("DELTA_EMPTY_DIRECTORY", "42K04", text));
        }
        let names: Vec<&str> = partitions.iter().map(|(name, _)| name.as_str()).collect();
        let parameters = json!({
            "numFiles": files.len(),
            "partitionedBy": json!(names).to_string(),
            "collectStats": "true",
            "sourceFormat": "parquet",
        });
        let properties = worded("CONVERT", parameters, json!({ "numConvertedFiles": files.len() }));
        let fields = partitions.iter().map(|(name, data_type)| StructField::nullable(name, data_type.clone()));
        let converted = ConvertToDeltaBuilder::new()
            .with_log_store(log)
            .with_partition_schema(fields)
            .with_commit_properties(properties)
            .await;
        converted.map(|_| Outcome::Nothing).map_err(|error| refusal(error.to_string(), error.into(), &names, &volume))
    }
}

fn refusal(said: String, error: SqlError, names: &[&str], path: &VolumePath) -> SqlError {
    if !said.contains("artition") {
        return error;
    }
    let text = format!(
        "Expecting {} partition column(s): [{}], but found other partition column(s) from parsing the file names below dbfs:{}.",
        names.len(),
        names.join(", "),
        path.text()
    );
    SqlError::new("DELTA_UNEXPECTED_NUM_PARTITION_COLUMNS_FROM_FILE_NAME", "KD009", text)
}
