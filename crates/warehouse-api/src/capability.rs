//! What a warehouse, as configured and wrapped, will do.

/// Promises. A request for anything that is off is refused with [`ErrorKind::Unsupported`] before anything is sent.
///
/// [`ErrorKind::Unsupported`]: twinhouse_core::ErrorKind::Unsupported
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// `begin` works.
    pub transactions: bool,
    /// `attach` works: a statement can be found again by its id, from another process too.
    pub attach: bool,
    /// `load` works: a staging place is configured.
    pub load: bool,
    /// `load` can replace all rows of a table ([`LoadMode::Overwrite`](crate::LoadMode::Overwrite)).
    pub load_overwrite: bool,
    /// `load` can replace the rows of a predicate ([`LoadMode::ReplaceWhere`](crate::LoadMode::ReplaceWhere)).
    pub load_replace_where: bool,
    /// `load` can replace partitions ([`LoadMode::ReplacePartitions`](crate::LoadMode::ReplacePartitions)).
    pub load_replace_partitions: bool,
    /// `load` can make the table ([`LoadMode::Create`](crate::LoadMode::Create) and its like).
    pub load_create: bool,
    /// `unload` works.
    pub unload: bool,
    /// `merge` works.
    pub merge: bool,
    /// `merge` can delete matched rows.
    pub merge_delete_matched: bool,
    /// `merge` can delete target rows that the source lacks.
    pub merge_not_matched_by_source: bool,
    /// `merge` takes several clauses with conditions and set lists of their own ([`MergeRequest::clauses`]).
    ///
    /// [`MergeRequest::clauses`]: crate::MergeRequest::clauses
    pub merge_clauses: bool,
    /// `merge` can add the source's new columns to the target.
    pub merge_schema_evolution: bool,
    /// `merge` can choose among source rows that share a key
    /// ([`Duplicates::KeepGreatest`](crate::Duplicates::KeepGreatest)).
    pub merge_keep_greatest: bool,
    /// Tables hold lists, maps and structs, and results bring them as Arrow nested types.
    pub nested_types: bool,
    /// Object names keep their case. Where off, names fold to lower case.
    pub case_preserving: bool,
    /// The longest object name, in bytes.
    pub max_identifier_bytes: usize,
    /// The longest text value, in bytes. None: no limit that a caller meets.
    pub max_text_bytes: Option<usize>,
    /// The longest statement, in bytes.
    pub max_statement_bytes: usize,
    /// How many parameters one statement takes. None: no documented limit.
    pub max_parameters: Option<usize>,
}

impl Capabilities {
    /// Nothing is promised; turn on what works.
    pub const NONE: Self = Self {
        transactions: false,
        attach: false,
        load: false,
        load_overwrite: false,
        load_replace_where: false,
        load_replace_partitions: false,
        load_create: false,
        unload: false,
        merge: false,
        merge_delete_matched: false,
        merge_not_matched_by_source: false,
        merge_clauses: false,
        merge_schema_evolution: false,
        merge_keep_greatest: false,
        nested_types: false,
        case_preserving: false,
        max_identifier_bytes: 127,
        max_text_bytes: None,
        max_statement_bytes: 16 * 1024 * 1024,
        max_parameters: None,
    };
}

/// Sets every field by name: `#[non_exhaustive]` forbids the literal outside this crate.
impl Default for Capabilities {
    fn default() -> Self {
        Self::NONE
    }
}
