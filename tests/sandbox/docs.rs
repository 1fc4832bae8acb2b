//! A page that names a test names one that exists.

use std::{fs, path::Path};

/// Pages whose tables name tests as `` `path/to/file.rs`: `name_of_the_test` ``.
const PAGES: [&str; 1] = ["docs/databricks.md"];

#[test]
fn every_test_that_a_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let (mut named, mut missing) = (0, Vec::new());
    for page in PAGES {
        let text = fs::read_to_string(root.join(page)).expect("a page");
        for (file, rest) in text.split('`').zip(text.split('`').skip(2)).filter(|(file, _)| file.ends_with(".rs")) {
            let Some(test) = rest.split_whitespace().next().filter(|name| name.contains('_')) else { continue };
            named += 1;
            let source = fs::read_to_string(root.join(file)).unwrap_or_default();
            if !source.contains(&format!("fn {test}(")) {
                missing.push(format!("{page}: {file}: {test}"));
            }
        }
    }
    assert!(missing.is_empty(), "not there:\n{}", missing.join("\n"));
    assert!(named > 40, "only {named} tests are named: the pages are written differently now");
}
