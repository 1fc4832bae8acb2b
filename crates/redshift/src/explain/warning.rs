//! What is wrong with a plan, or may be.

use std::fmt;

use super::plan::{Distribution, PlanNode, QueryPlan};

/// Something in a plan that often makes a query slow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanWarning {
    /// Tables are joined row by row with row: usually a condition is missing.
    NestedLoop {
        /// The tables that take part.
        relations: Vec<String>,
    },
    /// The inner table goes to every node: fine if it is small.
    Broadcast {
        /// What the inner side reads.
        relations: Vec<String>,
        /// How many rows it is expected to give.
        rows: Option<u64>,
        /// How many bytes those are expected to be.
        bytes: Option<u64>,
    },
    /// All rows of the inner side go to one slice, which then works alone.
    OneSlice {
        /// What the inner side reads.
        relations: Vec<String>,
    },
    /// The rows of both sides are dealt out anew.
    BothSidesMove {
        /// The tables that take part.
        relations: Vec<String>,
    },
    /// The planner guesses: these tables were never analyzed.
    MissingStatistics {
        /// The tables.
        relations: Vec<String>,
    },
    /// What else the server remarks.
    Remark(String),
}

pub(super) fn warnings(plan: &QueryPlan) -> Vec<PlanWarning> {
    let mut warnings = Vec::new();
    for node in plan.nodes() {
        if node.operator.starts_with("Nested Loop") {
            warnings.push(PlanWarning::NestedLoop { relations: owned(node) });
        }
        // The inner side comes second.
        let inner = node.children.get(1);
        let relations = || inner.map(owned).unwrap_or_default();
        match &node.distribution {
            Some(Distribution::BroadcastInner) => {
                let (rows, width) = inner.map_or((None, None), |inner| (inner.rows, inner.width));
                let bytes = rows.and_then(|rows| rows.checked_mul(width?));
                warnings.push(PlanWarning::Broadcast { relations: relations(), rows, bytes });
            }
            Some(Distribution::AllInner) => warnings.push(PlanWarning::OneSlice { relations: relations() }),
            Some(Distribution::Both) => warnings.push(PlanWarning::BothSidesMove { relations: owned(node) }),
            _ => {}
        }
    }
    for remark in &plan.remarks {
        if let Some(tables) = remark.strip_prefix("Tables missing statistics:") {
            let relations = tables.split(',').map(|table| table.trim().to_owned()).collect();
            warnings.push(PlanWarning::MissingStatistics { relations });
        } else if remark.starts_with("Nested Loop") || remark.starts_with("Update statistics by running") {
            // Said already: by the node itself, and by the remark before.
        } else {
            warnings.push(PlanWarning::Remark(remark.clone()));
        }
    }
    warnings
}

fn owned(node: &PlanNode) -> Vec<String> {
    node.relations().into_iter().map(str::to_owned).collect()
}

impl fmt::Display for PlanWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |relations: &[String]| match relations {
            [] => "rows".to_owned(),
            some => some.join(", "),
        };
        match self {
            Self::NestedLoop { relations } => {
                write!(f, "{} are joined row by row with row: is a condition missing?", list(relations))
            }
            Self::Broadcast { relations, rows: Some(rows), .. } => {
                write!(f, "{} (about {rows} rows) go to every node", list(relations))
            }
            Self::Broadcast { relations, .. } => write!(f, "{} go to every node", list(relations)),
            Self::OneSlice { relations } => write!(f, "{} go to one slice, which works alone", list(relations)),
            Self::BothSidesMove { relations } => write!(f, "{} are all dealt out anew", list(relations)),
            Self::MissingStatistics { relations } => {
                write!(f, "{} have no statistics: run ANALYZE on them", list(relations))
            }
            Self::Remark(remark) => f.write_str(remark),
        }
    }
}
