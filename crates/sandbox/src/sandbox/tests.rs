//! The whole, from outside.

use super::*;

fn nothing_yet() -> SandboxOptions {
    SandboxOptions::default().with_fronts([])
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let cases = [
        ("s3_port", nothing_yet().with_s3_port(port)),
        ("databricks_port", nothing_yet().with_fronts([Front::Databricks]).with_databricks_port(port)),
        ("redshift_port", nothing_yet().with_fronts([Front::Redshift]).with_redshift_port(port)),
    ];
    for (setting, options) in cases {
        let error = Sandbox::start(options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
        assert_eq!(error.context("port"), Some(port.to_string().as_str()), "{error:?}");
        assert_eq!(error.context("setting"), Some(setting), "{error:?}");
    }
}

#[tokio::test]
async fn a_named_data_folder_serves_one_sandbox_at_a_time_and_stays() {
    let parent = tempfile::tempdir().unwrap();
    let options = nothing_yet().with_data_folder(parent.path().join("data"));
    let first = Sandbox::start(options.clone()).await.unwrap();
    let error = Sandbox::start(options.clone()).await.unwrap_err();
    assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Conflict, Some("data_folder")));
    let staged = first.data_folder().join("s3/twinhouse/staging/kept");
    std::fs::create_dir_all(staged.parent().unwrap()).unwrap();
    std::fs::write(&staged, "v").unwrap();
    first.stop().await.unwrap();
    let second = Sandbox::start(options).await.unwrap();
    assert!(staged.exists());
    second.stop().await.unwrap();
    assert!(!parent.path().join("data/lock").exists());
}

#[tokio::test]
async fn two_sandboxes_run_side_by_side_with_secrets_of_their_own() {
    let (one, other) = tokio::join!(Sandbox::start(nothing_yet()), Sandbox::start(nothing_yet()));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_ne!(one.s3().endpoint, other.s3().endpoint);
    assert_ne!(one.s3().secret_key.expose(), other.s3().secret_key.expose());
    let alive = async |sandbox: &Sandbox| crate::testing::client().get(&sandbox.s3().endpoint).send().await;
    assert_eq!(alive(&one).await.unwrap().status(), 403);
    one.stop().await.unwrap();
    assert_eq!(alive(&other).await.unwrap().status(), 403);
    other.stop().await.unwrap();
}

#[test]
fn the_shared_one_outlives_the_runtime_that_started_it() {
    let ask = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let sandbox = Sandbox::shared().await.unwrap();
            let response = crate::testing::client().get(&sandbox.s3().endpoint).send().await.unwrap();
            (sandbox.data_folder().to_owned(), response.status().as_u16())
        })
    };
    assert_eq!(ask(), ask());
}

#[tokio::test]
async fn a_dropped_start_leaves_nothing_running() {
    let parent = tempfile::tempdir().unwrap();
    let options = nothing_yet().with_data_folder(parent.path().join("data"));
    {
        let mut start = std::pin::pin!(Sandbox::start(options.clone()));
        // One poll sends the work on its way.
        assert!(futures::poll!(start.as_mut()).is_pending());
    }
    // Its home may take a moment to notice.
    let again = async {
        loop {
            match Sandbox::start(options.clone()).await {
                Err(error) if error.kind() == ErrorKind::Conflict => tokio::task::yield_now().await,
                started => break started.unwrap(),
            }
        }
    };
    let again = tokio::time::timeout(std::time::Duration::from_secs(60), again).await.unwrap();
    again.stop().await.unwrap();
}
