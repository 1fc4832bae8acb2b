//! Clients that nobody here wrote, unmodified, against the sandbox: the tests in `tests/proof/clients`.
//!
//! `tests/proof/run` gives the Python that has them. `TWINHOUSE_PROOF_SELECT` chooses tests as pytest's `-k` does.

use std::{path::Path, process::Command};

use twinhouse_sandbox::{Sandbox, SandboxOptions};

/// Names the Python that has the clients.
const PYTHON: &str = "TWINHOUSE_PROOF_PYTHON";

#[tokio::test]
async fn clients_of_others_get_what_the_sandbox_promises() {
    let Some(python) = std::env::var_os(PYTHON) else {
        eprintln!("not run: {PYTHON} is not set; tests/proof/run sets it");
        return;
    };
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proof/clients");
    let mut pytest = Command::new(python);
    pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]).arg(&folder).env("PYTHONDONTWRITEBYTECODE", "1");
    // What a client's own use of Python will have to change one day.
    pytest.args(["-W", "ignore::DeprecationWarning"]);
    for (name, value) in sandbox.environment().await.unwrap() {
        pytest.env(name, value.expose());
    }
    let snippets = sandbox.snippets().await.unwrap().into_iter();
    let snippets: serde_json::Map<String, serde_json::Value> =
        snippets.map(|snippet| (snippet.language.to_owned(), snippet.text.expose().into())).collect();
    pytest.env("TWINHOUSE_PROOF_SNIPPETS", serde_json::Value::Object(snippets).to_string());
    if let Ok(select) = std::env::var("TWINHOUSE_PROOF_SELECT") {
        pytest.args(["-k", &select]);
    }
    let outcome = tokio::task::spawn_blocking(move || pytest.status()).await.unwrap();
    sandbox.stop().await.unwrap();
    assert!(outcome.unwrap().success(), "a client does not get what the sandbox promises");
}
