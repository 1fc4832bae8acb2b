//! Streaming jobs on the sandbox: the notebook is one of the workspace; Spark's streams the sandbox refuses by name.

use std::time::Duration;

use twinhouse_core::ErrorKind;
use twinhouse_databricks::{
    jobs::{IdempotencyToken, RunFailure, RunResult, WaitOptions},
    streaming::{StreamingJobBuilder, StreamingJobSpec, StreamingSubmission},
    workspace::{ExportFormat, ListRequest},
};

use futures::TryStreamExt as _;

use crate::fixtures::{PATIENCE, databricks_builder, shared};

/// With texts that a workspace or a notebook's cells could stumble over.
fn spec() -> StreamingJobSpec {
    StreamingJobBuilder::from_delta("main.default.`it's \"odd\"`")
        .transform("select 'é\u{1f980}' as t,\n# COMMAND ----------\n\"\"\" from source")
        .to_delta("main.default.copied")
        .checkpoint("/Volumes/main/default/staging/checkpoints/copied")
        .build()
        .unwrap()
}

#[tokio::test]
async fn the_notebook_is_in_the_workspace_as_it_was_made_the_run_is_one_and_both_go() {
    let access = shared().await.unwrap().databricks().await.unwrap();
    let client = databricks_builder(access).client().unwrap();
    let folder = format!("/Shared/streaming_{}", uuid::Uuid::new_v4().simple());
    let token = IdempotencyToken::derived([folder.as_str()]);
    let submission =
        || StreamingSubmission::new(spec()).with_folder(&folder).with_cleanup(true).with_token(token.clone());
    let first = client.jobs().submit_streaming_job(submission()).await.unwrap();
    let again = client.jobs().submit_streaming_job(submission()).await.unwrap();
    assert_eq!((first.id(), first.notebook()), (again.id(), again.notebook()));
    let objects: Vec<_> = client.workspace().list(ListRequest::new(&folder)).try_collect().await.unwrap();
    assert_eq!(objects.iter().map(|object| object.path.as_str()).collect::<Vec<_>>(), [first.notebook()]);
    let kept = client.workspace().export(first.notebook(), Some(ExportFormat::Source)).await.unwrap();
    assert_eq!(String::from_utf8(kept.content.to_vec()).unwrap().trim_end(), spec().notebook().trim_end());

    let soon = WaitOptions::default().with_first_pause(Duration::from_millis(50)).with_timeout(PATIENCE);
    let error = first.wait(&soon).await.unwrap_err();
    let failure = RunFailure::of(&error).unwrap_or_else(|| panic!("{error:?}"));
    assert_eq!(failure.outcome.result, RunResult::Failed);
    let output = first.run().output().await.unwrap();
    assert!(output.error.as_ref().is_some_and(|text| text.contains("readStream")), "by name: {output:?}");
    let error = client.workspace().get_status(first.notebook()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "cleaned up after a failure too");
    again.remove_notebook().await.unwrap();
    client.workspace().delete(&folder, true).await.unwrap();
}
