//! The workspace's objects: our client against the sandbox.

use futures::TryStreamExt as _;
use twinhouse_core::ErrorKind;
use twinhouse_databricks::workspace::{
    ExportFormat, ImportFormat, ImportRequest, Language, ListRequest, ObjectType, Workspace,
};

use crate::fixtures::{databricks_builder, shared};

async fn workspace() -> Workspace {
    databricks_builder(shared().await.unwrap().databricks().await.unwrap()).client().unwrap().workspace()
}

#[tokio::test]
async fn notebooks_and_files_come_back_as_they_went_in() {
    let workspace = workspace().await;
    workspace.mkdirs("/Shared/ring/round").await.unwrap();
    let path = "/Shared/ring/round/n";
    let notebook = ImportRequest::new(path, "print(1)\n").with_language(Language::Python);
    workspace.import(notebook.clone()).await.unwrap();
    let status = workspace.get_status(path).await.unwrap();
    assert_eq!((status.object_type, status.language), (ObjectType::Notebook, Some(Language::Python)));
    let exported = workspace.export(path, None).await.unwrap();
    assert!(String::from_utf8_lossy(&exported.content).contains("print(1)"), "{exported:?}");
    assert_eq!(exported.content, workspace.download(path, Some(ExportFormat::Source)).await.unwrap());
    assert_eq!(workspace.import(notebook.clone()).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let mut replaced = notebook.with_overwrite(true);
    replaced.content = "print(2)\n".into();
    workspace.import(replaced).await.unwrap();
    assert!(String::from_utf8_lossy(&workspace.download(path, None).await.unwrap()).contains("print(2)"));

    // Long enough to travel as a form.
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let file = "/Shared/ring/round/data.bin";
    workspace.import(ImportRequest::new(file, content.clone()).with_format(ImportFormat::Raw)).await.unwrap();
    assert_eq!(workspace.get_status(file).await.unwrap().object_type, ObjectType::File);
    assert!(workspace.download(file, Some(ExportFormat::Auto)).await.unwrap() == content);
}

#[tokio::test]
async fn a_tree_is_listed_and_removed_with_all_that_is_in_it() {
    let workspace = workspace().await;
    workspace.mkdirs("/Shared/ring/tree/a/b").await.unwrap();
    for path in ["/Shared/ring/tree/n1", "/Shared/ring/tree/a/n2", "/Shared/ring/tree/a/b/n3"] {
        workspace.import(ImportRequest::new(path, "select 1").with_language(Language::Sql)).await.unwrap();
    }
    let tree = ListRequest::new("/Shared/ring/tree").with_recursive(true);
    let mut paths: Vec<_> = workspace.list(tree).map_ok(|object| object.path).try_collect().await.unwrap();
    paths.sort_unstable();
    let wanted = ["a", "a/b", "a/b/n3", "a/n2", "n1"].map(|path| format!("/Shared/ring/tree/{path}"));
    assert_eq!(paths, wanted);
    let flat: Vec<_> = workspace.list("/Shared/ring/tree").try_collect().await.unwrap();
    assert_eq!(flat.len(), 2);
    assert!(workspace.delete("/Shared/ring/tree", false).await.is_err());
    workspace.delete("/Shared/ring/tree", true).await.unwrap();
    let gone = workspace.get_status("/Shared/ring/tree").await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert_eq!(workspace.delete("/Shared/ring/tree", true).await.unwrap_err().kind(), ErrorKind::NotFound);
}
