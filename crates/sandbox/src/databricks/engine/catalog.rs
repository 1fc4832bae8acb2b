//! What exists: catalogs, schemas, tables and volumes, kept in one small file.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Effect,
    governance::Governance,
    keys::TableKey,
    maintain::TableStatistics,
    routines::FunctionEntry,
    views::{TempViews, ViewEntry},
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::ObjectPath,
};

/// The catalog and schema that every workspace has.
pub(crate) const MAIN: &str = "main";
/// See [`MAIN`].
pub(crate) const DEFAULT: &str = "default";

/// A complete name. Unity Catalog stores names in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct FullName {
    pub(crate) catalog: String,
    pub(crate) schema: String,
    pub(crate) name: String,
}

impl std::fmt::Display for FullName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        ObjectPath(vec![self.catalog.clone(), self.schema.clone(), self.name.clone()]).fmt(f)
    }
}

/// Where unqualified names are looked up.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) catalog: String,
    pub(crate) schema: String,
    /// The views of the session.
    pub(crate) views: TempViews,
    /// How many views the names stand in.
    pub(crate) depth: usize,
}

impl Default for Place {
    fn default() -> Self {
        Self { catalog: MAIN.to_owned(), schema: DEFAULT.to_owned(), views: TempViews::default(), depth: 0 }
    }
}

impl Place {
    /// Takes in what a statement has asked of its session.
    pub(crate) fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::None | Effect::Set { .. } => {}
            Effect::Use { catalog, schema } => {
                if let Some(catalog) = catalog {
                    self.catalog = catalog;
                    self.schema = DEFAULT.to_owned();
                }
                if let Some(schema) = schema {
                    self.schema = schema;
                }
            }
            Effect::CreateView { name, view } => self.views.insert(name, view),
            Effect::DropView { name } => self.views.remove(&name),
        }
    }

    /// The same inside a view.
    pub(super) fn deeper(&self, deepest: usize) -> SqlResult<Self> {
        if self.depth >= deepest {
            let text = format!("Recursive view detected: views are nested more than {deepest} deep.");
            return Err(SqlError::new("RECURSIVE_VIEW", "42K0H", text));
        }
        Ok(Self { depth: self.depth + 1, ..self.clone() })
    }

    /// The complete form of a name.
    pub(crate) fn resolve(&self, path: &ObjectPath) -> SqlResult<FullName> {
        let parts: Vec<String> = path.0.iter().map(|part| part.to_lowercase()).collect();
        let (catalog, schema, name) = match parts.as_slice() {
            [name] => (self.catalog.clone(), self.schema.clone(), name.clone()),
            [schema, name] => (self.catalog.clone(), schema.clone(), name.clone()),
            [catalog, schema, name] => (catalog.clone(), schema.clone(), name.clone()),
            _ => {
                let text = format!("{path} is not a valid identifier as it has more than 3 name parts.");
                return Err(SqlError::new("IDENTIFIER_TOO_MANY_NAME_PARTS", "42601", text));
            }
        };
        Ok(FullName { catalog, schema, name })
    }

    /// The complete form of a schema's name.
    pub(crate) fn resolve_schema(&self, path: &ObjectPath) -> SqlResult<(String, String)> {
        match path.0.as_slice() {
            [schema] => Ok((self.catalog.clone(), schema.to_lowercase())),
            [catalog, schema] => Ok((catalog.to_lowercase(), schema.to_lowercase())),
            _ => Err(SqlError::new(
                "REQUIRES_SINGLE_PART_NAMESPACE",
                "42K05",
                format!("{path} is not the name of a schema."),
            )),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CatalogEntry {
    pub(crate) comment: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) created_at: u64,
    pub(crate) schemas: BTreeMap<String, SchemaEntry>,
    #[serde(default)]
    pub(crate) governance: Governance,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SchemaEntry {
    pub(crate) id: Uuid,
    pub(crate) comment: Option<String>,
    pub(crate) created_at: u64,
    pub(crate) tables: BTreeMap<String, TableEntry>,
    pub(crate) volumes: BTreeMap<String, VolumeEntry>,
    #[serde(default)]
    pub(crate) functions: BTreeMap<String, FunctionEntry>,
    #[serde(default)]
    pub(crate) views: BTreeMap<String, ViewEntry>,
    #[serde(default)]
    pub(crate) governance: Governance,
}

impl SchemaEntry {
    /// Whether a table or a view has this name.
    pub(crate) fn is_taken(&self, name: &str) -> bool {
        self.tables.contains_key(name) || self.views.contains_key(name)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TableEntry {
    pub(crate) id: Uuid,
    /// Below the folder of the front; absolute if the files are somebody else's.
    pub(crate) folder: PathBuf,
    pub(crate) comment: Option<String>,
    pub(crate) created_at: u64,
    /// What ANALYZE found out.
    #[serde(default)]
    pub(crate) statistics: Option<TableStatistics>,
    /// Primary and foreign keys, which inform and are not enforced.
    #[serde(default)]
    pub(crate) keys: Vec<TableKey>,
    #[serde(default)]
    pub(crate) governance: Governance,
}

impl TableEntry {
    /// Whether the files stay when the table is dropped.
    pub(crate) fn is_external(&self) -> bool {
        self.folder.is_absolute()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VolumeEntry {
    pub(crate) id: Uuid,
    pub(crate) folder: PathBuf,
    pub(crate) comment: Option<String>,
    pub(crate) created_at: u64,
    #[serde(default)]
    pub(crate) governance: Governance,
}

pub(crate) type Listing = BTreeMap<String, CatalogEntry>;

/// The listing and its file.
#[derive(Debug)]
pub(crate) struct Catalog {
    root: PathBuf,
    file: PathBuf,
    listing: RwLock<Listing>,
}

impl Catalog {
    /// Reads the listing below `root`, or begins one.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let file = root.join("catalog.json");
        let listing = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => first_listing(),
            Err(error) => return Err(error),
        };
        let catalog = Self { root: root.to_owned(), file, listing: RwLock::new(Listing::new()) };
        catalog.save(&listing)?;
        *catalog.listing.write().unwrap_or_else(PoisonError::into_inner) = listing;
        Ok(catalog)
    }

    /// Looks at the listing.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Listing) -> T) -> T {
        look(&self.listing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the listing: on disk first, then in memory; not at all if either refuses.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Listing) -> SqlResult<T>) -> SqlResult<T> {
        let mut listing = self.listing.write().unwrap_or_else(PoisonError::into_inner);
        let mut new = listing.clone();
        let changed = change(&mut new)?;
        self.save(&new)?;
        *listing = new;
        Ok(changed)
    }

    fn save(&self, listing: &Listing) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.root)?;
        file.write_all(&serde_json::to_vec_pretty(listing)?)?;
        file.as_file().sync_all()?;
        file.persist(&self.file)?;
        Ok(())
    }

    /// The absolute form of a folder of the listing.
    pub(crate) fn path(&self, folder: &Path) -> PathBuf {
        self.root.join(folder)
    }

    pub(crate) fn schema_exists(&self, catalog: &str, schema: &str) -> SqlResult<()> {
        self.read(|listing| schema_of(listing, catalog, schema).map(|_| ()))
    }

    pub(crate) fn table(&self, name: &FullName) -> SqlResult<TableEntry> {
        self.read(|listing| table_of(listing, name).cloned())
    }

    pub(crate) fn volume(&self, name: &FullName) -> SqlResult<VolumeEntry> {
        self.read(|listing| {
            let schema = schema_of(listing, &name.catalog, &name.schema)?;
            schema.volumes.get(&name.name).cloned().ok_or_else(|| SqlError::volume_not_found(name))
        })
    }

    /// A new folder for a table; nobody else will ever be given the same.
    pub(crate) fn new_table(name: &FullName, comment: Option<String>) -> TableEntry {
        let id = Uuid::new_v4();
        let folder = folder("tables", name).join(id.to_string());
        Self::table_in(id, folder, comment)
    }

    /// A table whose files are in this folder.
    pub(crate) fn table_in(id: Uuid, folder: PathBuf, comment: Option<String>) -> TableEntry {
        let governance = Governance::default();
        TableEntry { id, folder, comment, created_at: now_ms(), statistics: None, keys: Vec::new(), governance }
    }

    pub(crate) fn new_volume(name: &FullName, comment: Option<String>) -> VolumeEntry {
        let id = Uuid::new_v4();
        let folder = folder("volumes", name).join(id.to_string());
        VolumeEntry { id, folder, comment, created_at: now_ms(), governance: Governance::default() }
    }

    /// Whether a table of this id is still listed, under whatever name.
    pub(crate) fn has_table(&self, id: Uuid) -> bool {
        let in_schema = |schema: &SchemaEntry| schema.tables.values().any(|table| table.id == id);
        self.read(|listing| listing.values().any(|catalog| catalog.schemas.values().any(in_schema)))
    }
}

fn first_listing() -> Listing {
    let mut main = new_catalog(None);
    main.schemas.insert(DEFAULT.to_owned(), new_schema(None));
    Listing::from([(MAIN.to_owned(), main)])
}

/// An empty catalog, made now.
pub(crate) fn new_catalog(comment: Option<String>) -> CatalogEntry {
    CatalogEntry { comment, created_at: now_ms(), schemas: BTreeMap::new(), governance: Governance::default() }
}

/// An empty schema, made now.
pub(crate) fn new_schema(comment: Option<String>) -> SchemaEntry {
    SchemaEntry {
        id: Uuid::new_v4(),
        comment,
        created_at: now_ms(),
        tables: BTreeMap::new(),
        volumes: BTreeMap::new(),
        functions: BTreeMap::new(),
        views: BTreeMap::new(),
        governance: Governance::default(),
    }
}

/// A schema of the listing.
pub(crate) fn schema_of<'a>(listing: &'a Listing, catalog: &str, schema: &str) -> SqlResult<&'a SchemaEntry> {
    let entry = listing.get(catalog).ok_or_else(|| SqlError::catalog_not_found(catalog))?;
    let name = || ObjectPath(vec![catalog.to_owned(), schema.to_owned()]);
    entry.schemas.get(schema).ok_or_else(|| SqlError::schema_not_found(name()))
}

/// A table of the listing.
pub(crate) fn table_of<'a>(listing: &'a Listing, name: &FullName) -> SqlResult<&'a TableEntry> {
    let schema = schema_of(listing, &name.catalog, &name.schema)?;
    if schema.views.contains_key(&name.name) {
        return Err(SqlError::expects_table(name));
    }
    schema.tables.get(&name.name).ok_or_else(|| SqlError::table_not_found(name))
}

/// As [`schema_of`], to change it.
pub(crate) fn schema_mut<'a>(listing: &'a mut Listing, catalog: &str, schema: &str) -> SqlResult<&'a mut SchemaEntry> {
    let entry = listing.get_mut(catalog).ok_or_else(|| SqlError::catalog_not_found(catalog))?;
    let name = || ObjectPath(vec![catalog.to_owned(), schema.to_owned()]);
    entry.schemas.get_mut(schema).ok_or_else(|| SqlError::schema_not_found(name()))
}

/// Refuses what Unity Catalog refuses in a name: periods, spaces, slashes and control characters.
pub(crate) fn check_name(name: &str) -> SqlResult<()> {
    let bad = name.chars().any(|c| matches!(c, '.' | ' ' | '/') || c.is_control());
    if bad || name.is_empty() || name.chars().count() > 255 {
        let text = format!(
            "`{}` is not a valid name: it must have 1 to 255 characters, and no period, space, slash or control character.",
            name.replace('`', "``")
        );
        return Err(SqlError::new("INVALID_PARAMETER_VALUE", "22023", text));
    }
    Ok(())
}

fn folder(kind: &str, name: &FullName) -> PathBuf {
    // delta-rs decodes percent signs once too often. The id below keeps equal names apart.
    let encode = |part: &str| {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        part.chars().take(100).map(plain).collect::<String>()
    };
    Path::new(kind).join(encode(&name.catalog)).join(encode(&name.schema)).join(encode(&name.name))
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> FullName {
        Place::default().resolve(&ObjectPath(vec![text.to_owned()])).unwrap()
    }

    #[test]
    fn the_listing_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let table = Catalog::new_table(&name("T"), None);
        let catalog = Catalog::open(folder.path()).unwrap();
        catalog
            .change(|listing| {
                schema_mut(listing, MAIN, DEFAULT)?.tables.insert("t".to_owned(), table.clone());
                Ok(())
            })
            .unwrap();
        drop(catalog);
        assert_eq!(Catalog::open(folder.path()).unwrap().table(&name("t")).unwrap(), table);
    }

    #[test]
    fn a_listing_of_an_earlier_version_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let id = Uuid::new_v4();
        let table = serde_json::json!({ "id": id, "folder": "tables/t", "comment": null, "created_at": 1 });
        let volume = serde_json::json!({ "id": id, "folder": "volumes/v", "comment": "c", "created_at": 2 });
        let schema = serde_json::json!({
            "id": id, "comment": null, "created_at": 3, "tables": { "t": table }, "volumes": { "v": volume },
        });
        let main = serde_json::json!({ "comment": null, "created_at": 4, "schemas": { "default": schema } });
        let old = serde_json::json!({ "main": main }).to_string();
        fs::write(folder.path().join("catalog.json"), old).unwrap();
        let catalog = Catalog::open(folder.path()).unwrap();
        let entry = catalog.table(&name("t")).unwrap();
        assert!(entry.keys.is_empty() && !entry.is_external() && entry.governance == Governance::default());
    }

    #[test]
    fn a_refused_change_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(folder.path()).unwrap();
        let refused: SqlResult<()> = catalog.change(|listing| {
            listing.clear();
            Err(SqlError::internal("no"))
        });
        assert!(refused.is_err());
        catalog.schema_exists(MAIN, DEFAULT).unwrap();
    }

    #[test]
    fn names_are_refused_as_unity_catalog_refuses_them() {
        for bad in ["", "a.b", "a b", "a/b", "a\nb", &"x".repeat(256)] {
            assert_eq!(check_name(bad).unwrap_err().class(), "INVALID_PARAMETER_VALUE", "{bad}");
        }
        for good in ["a", "`", "é\u{1F600}", "a-b", "..x".trim_matches('.'), "'; drop"] {
            if !good.contains(' ') {
                check_name(good).unwrap();
            }
        }
    }

    #[test]
    fn what_is_missing_is_named_by_its_level() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(folder.path()).unwrap();
        let missing = |path: &[&str]| {
            let path = ObjectPath(path.iter().map(|part| (*part).to_owned()).collect());
            catalog.table(&Place::default().resolve(&path).unwrap()).unwrap_err()
        };
        assert_eq!(missing(&["no", "s", "t"]).class(), "NO_SUCH_CATALOG_EXCEPTION");
        assert_eq!(missing(&["no", "t"]).class(), "SCHEMA_NOT_FOUND");
        assert_eq!((missing(&["t"]).class(), missing(&["t"]).sqlstate()), ("TABLE_OR_VIEW_NOT_FOUND", "42P01"));
    }
}
