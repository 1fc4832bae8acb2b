//! Queries that are kept by the workspace, for people and for SQL tasks.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

/// The queries by their ids, and their file. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Queries(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: PathBuf,
    kept: Mutex<BTreeMap<String, Value>>,
}

impl Queries {
    /// Reads what is below `root`, or begins it.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let folder = root.join("jobs");
        fs::create_dir_all(&folder)?;
        let file = folder.join("queries.json");
        let kept = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self(Arc::new(Inner { file, kept: Mutex::new(kept) })))
    }

    pub(crate) fn find(&self, id: &str) -> Option<Value> {
        self.kept().get(id).cloned()
    }

    /// All of them, by their ids.
    pub(crate) fn list(&self) -> Vec<(String, Value)> {
        self.kept().iter().map(|(id, query)| (id.clone(), query.clone())).collect()
    }

    /// Keeps a query, new or changed.
    pub(crate) fn put(&self, id: &str, query: Value) -> io::Result<()> {
        self.change(|kept| drop(kept.insert(id.to_owned(), query)))
    }

    /// False if there is no such query.
    pub(crate) fn remove(&self, id: &str) -> io::Result<bool> {
        self.change(|kept| kept.remove(id).is_some())
    }

    /// On disk first, then in memory.
    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<String, Value>) -> T) -> io::Result<T> {
        let mut kept = self.kept();
        let mut new = kept.clone();
        let changed = change(&mut new);
        let folder = self.0.file.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec(&new)?)?;
        file.persist(&self.0.file)?;
        *kept = new;
        Ok(changed)
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The values that a query gives its own parameters.
pub(super) fn parameters(query: &Value) -> BTreeMap<String, String> {
    let value = |parameter: &Value| {
        let kinds = ["/text_value/value", "/numeric_value/value", "/enum_value/values/0", "/date_value/date_value"];
        let found = kinds.iter().find_map(|kind| parameter.pointer(kind));
        Some((parameter["name"].as_str()?.to_owned(), super::spec::plain(found?)))
    };
    query["parameters"].as_array().into_iter().flatten().filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn queries_outlive_the_sandbox() {
        let folder = tempfile::tempdir().unwrap();
        let queries = Queries::open(folder.path()).unwrap();
        queries.put("a", json!({ "query_text": "SELECT 1" })).unwrap();
        queries.put("b", json!({})).unwrap();
        assert!(queries.remove("b").unwrap() && !queries.remove("b").unwrap());
        let again = Queries::open(folder.path()).unwrap();
        assert_eq!(again.list(), [("a".to_owned(), json!({ "query_text": "SELECT 1" }))]);
    }

    #[test]
    fn a_query_gives_its_parameters_their_values() {
        let query = json!({ "parameters": [
            { "name": "t", "text_value": { "value": "x" } },
            { "name": "n", "numeric_value": { "value": 1.5 } },
            { "name": "none" },
        ] });
        let expected = [("n", "1.5"), ("t", "x")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parameters(&query), BTreeMap::from(expected));
    }
}
