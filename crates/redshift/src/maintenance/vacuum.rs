//! VACUUM.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect, TableRef};

/// What a vacuum does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VacuumKind {
    /// Sorts, and gives the space of deleted rows back.
    #[default]
    Full,
    /// Sorts only.
    SortOnly,
    /// Gives space back only.
    DeleteOnly,
    /// Looks anew at the values of an interleaved sort key, then does all that `Full` does.
    Reindex,
    /// Sorts the part of the table that is not sorted yet, and merges nothing.
    Recluster,
}

impl VacuumKind {
    fn words(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::SortOnly => "SORT ONLY",
            Self::DeleteOnly => "DELETE ONLY",
            Self::Reindex => "REINDEX",
            Self::Recluster => "RECLUSTER",
        }
    }
}

/// What is vacuumed, and how.
///
/// ```
/// use twinhouse_redshift::{VacuumKind, VacuumRequest};
///
/// let request = VacuumRequest::table("sales.orders".parse()?).with_kind(VacuumKind::DeleteOnly).with_threshold(75);
/// assert_eq!(request.sql()?, r#"VACUUM DELETE ONLY "sales"."orders" TO 75 PERCENT"#);
/// assert!(VacuumRequest::database().with_boost(true).sql().is_err(), "BOOST needs a table");
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VacuumRequest {
    /// The table; without one, every table of the database.
    pub table: Option<TableRef>,
    /// What is done.
    pub kind: VacuumKind,
    /// Tables in order to this percentage are left alone; the server's default is 95.
    pub threshold: Option<u8>,
    /// Whether it may take memory and disk from other queries.
    pub boost: bool,
}

impl VacuumRequest {
    /// One table.
    pub fn table(table: TableRef) -> Self {
        Self { table: Some(table), ..Self::database() }
    }

    /// Every table of the database.
    pub fn database() -> Self {
        Self { table: None, kind: VacuumKind::default(), threshold: None, boost: false }
    }

    /// Sets what is done.
    #[must_use]
    pub fn with_kind(mut self, kind: VacuumKind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets the percentage from which a table counts as in order, 0 to 100.
    #[must_use]
    pub fn with_threshold(mut self, percent: u8) -> Self {
        self.threshold = Some(percent);
        self
    }

    /// Says whether it may take memory and disk from other queries.
    #[must_use]
    pub fn with_boost(mut self, boost: bool) -> Self {
        self.boost = boost;
        self
    }

    /// The statement.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`], saying which options do not go together.
    pub fn sql(&self) -> Result<String> {
        let (whole, reindex) = (self.table.is_none(), self.kind == VacuumKind::Reindex);
        let recluster = self.kind == VacuumKind::Recluster;
        let threshold = self.threshold;
        for (wrong, why) in [
            (whole && reindex, "VACUUM REINDEX needs a table"),
            (whole && recluster, "VACUUM RECLUSTER needs a table"),
            (whole && threshold.is_some(), "a threshold needs a table"),
            (whole && self.boost, "BOOST needs a table"),
            (threshold.is_some() && (reindex || recluster), "REINDEX and RECLUSTER take no threshold"),
            (self.boost && reindex, "REINDEX cannot be boosted"),
            (threshold.is_some_and(|percent| percent > 100), "a threshold is a percentage, 0 to 100"),
        ] {
            if wrong {
                return Err(Error::new(ErrorKind::InvalidInput, why));
            }
        }
        let mut sql = format!("VACUUM {}", self.kind.words());
        if let Some(table) = &self.table {
            sql = format!("{sql} {}", RedshiftDialect.table(table)?);
        }
        if let Some(percent) = threshold {
            sql = format!("{sql} TO {percent} PERCENT");
        }
        if self.boost {
            sql.push_str(" BOOST");
        }
        Ok(sql)
    }
}
