//! A plan as a tree.

use std::{fmt, str::FromStr};

use twinhouse_core::{Error, Result};

use super::{PlanWarning, parse, warning};

/// How the server would run a statement.
///
/// Also read from text, such as the `plannode`s of `STL_EXPLAIN` or what somebody pasted:
///
/// ```
/// use twinhouse_redshift::{Distribution, QueryPlan};
///
/// let plan: QueryPlan = "\
/// XN Hash Join DS_BCAST_INNER  (cost=112.50..3272334142.59 rows=170771 width=84)
///   Hash Cond: (\"outer\".venueid = \"inner\".venueid)
///   ->  XN Seq Scan on event  (cost=0.00..87.98 rows=8798 width=17)
///   ->  XN Hash  (cost=2.02..2.02 rows=202 width=41)
///         ->  XN Seq Scan on venue  (cost=0.00..2.02 rows=202 width=41)".parse()?;
/// let join = plan.root().expect("a node");
/// assert_eq!(join.distribution, Some(Distribution::BroadcastInner));
/// assert_eq!(join.detail("Hash Cond"), Some("(\"outer\".venueid = \"inner\".venueid)"));
/// assert_eq!(plan.nodes().filter_map(|node| node.relation.as_deref()).collect::<Vec<_>>(), ["event", "venue"]);
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct QueryPlan {
    /// The uppermost nodes: one, unless the server plans several steps of which it makes temporary tables.
    pub roots: Vec<PlanNode>,
    /// What the server says under the plan, without the dashes around.
    pub remarks: Vec<String>,
}

impl QueryPlan {
    /// The node that gives the result.
    pub fn root(&self) -> Option<&PlanNode> {
        self.roots.last()
    }

    /// What the whole is expected to cost, in the planner's own unit.
    pub fn cost(&self) -> Option<Cost> {
        self.root()?.cost
    }

    /// All nodes, each before those under it.
    pub fn nodes(&self) -> impl Iterator<Item = &PlanNode> {
        let mut waiting: Vec<&PlanNode> = self.roots.iter().rev().collect();
        std::iter::from_fn(move || {
            let node = waiting.pop()?;
            waiting.extend(node.children.iter().rev());
            Some(node)
        })
    }

    /// What is wrong with it, or may be: rows that travel, joins without a condition, tables without statistics.
    pub fn warnings(&self) -> Vec<PlanWarning> {
        warning::warnings(self)
    }
}

impl FromStr for QueryPlan {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse::parse(text)
    }
}

/// The plan as the server writes it.
impl fmt::Display for QueryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for root in &self.roots {
            root.write(f, 0)?;
        }
        for remark in &self.remarks {
            writeln!(f, "----- {remark} -----")?;
        }
        Ok(())
    }
}

/// One operation of a plan.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PlanNode {
    /// What is done: `Hash Join`, `Seq Scan`, `HashAggregate`.
    pub operator: String,
    /// Where it is done.
    pub site: PlanSite,
    /// How rows travel for it; joins say so.
    pub distribution: Option<Distribution>,
    /// What it reads: a table, with its schema if the server names it.
    pub relation: Option<String>,
    /// What the statement calls that.
    pub alias: Option<String>,
    /// What it costs, all under it included. Groups such as `InitPlan` have none.
    pub cost: Option<Cost>,
    /// How many rows it is expected to give.
    pub rows: Option<u64>,
    /// How wide those rows are expected to be, in bytes.
    pub width: Option<u64>,
    /// What the server says about it: names and values. `Send to leader` has a name only.
    pub details: Vec<(String, String)>,
    /// What it takes its rows from.
    pub children: Vec<PlanNode>,
}

impl PlanNode {
    /// The value of a detail, such as `Hash Cond`, `Filter`, `Sort Key`.
    pub fn detail(&self, name: &str) -> Option<&str> {
        self.details.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The tables that it and the nodes under it read.
    pub fn relations(&self) -> Vec<&str> {
        let mut found: Vec<&str> = self.relation.as_deref().into_iter().collect();
        found.extend(self.children.iter().flat_map(Self::relations));
        found
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let (arrow, indent) = if depth == 0 { ("", 0) } else { ("->  ", 2 + (depth - 1) * 6) };
        write!(f, "{:indent$}{arrow}", "")?;
        match self.site {
            PlanSite::ComputeNodes => write!(f, "XN ")?,
            PlanSite::Leader => write!(f, "LD ")?,
            PlanSite::Other => {}
        }
        write!(f, "{}", self.operator)?;
        if let Some(distribution) = &self.distribution {
            write!(f, " {distribution}")?;
        }
        if let Some(relation) = &self.relation {
            write!(f, " on {relation}")?;
        }
        if let Some(alias) = &self.alias {
            write!(f, " {alias}")?;
        }
        if let (Some(cost), Some(rows), Some(width)) = (self.cost, self.rows, self.width) {
            write!(f, "  (cost={:.2}..{:.2} rows={rows} width={width})", cost.startup, cost.total)?;
        }
        writeln!(f)?;
        for (name, value) in &self.details {
            let indent = indent + arrow.len() + 2;
            match value.is_empty() {
                true => writeln!(f, "{:indent$}{name}", "")?,
                false => writeln!(f, "{:indent$}{name}: {value}", "")?,
            }
        }
        self.children.iter().try_for_each(|child| child.write(f, depth + 1))
    }
}

/// Where a node of a plan works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PlanSite {
    /// The compute nodes (`XN`).
    ComputeNodes,
    /// The leader node (`LD`): catalog tables.
    Leader,
    /// Somewhere else: Spectrum, another database. Groups of nodes too.
    #[default]
    Other,
}

/// A cost in the planner's own unit: good for comparing nodes of one plan, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Cost {
    /// Until the first row.
    pub startup: f64,
    /// Until the last row.
    pub total: f64,
}

impl Cost {
    pub(super) fn new(startup: f64, total: f64) -> Self {
        Self { startup, total }
    }
}

/// How rows travel between nodes for a join.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Distribution {
    /// They do not: both tables lie together (`DS_DIST_NONE`).
    None,
    /// They do not: the inner table is on every node (`DS_DIST_ALL_NONE`).
    AllNone,
    /// The inner table is dealt out anew (`DS_DIST_INNER`).
    Inner,
    /// The outer table is dealt out anew (`DS_DIST_OUTER`).
    Outer,
    /// The inner table goes to every node (`DS_BCAST_INNER`).
    BroadcastInner,
    /// The inner table goes to one slice, because the outer is on every node (`DS_DIST_ALL_INNER`).
    AllInner,
    /// Both are dealt out anew (`DS_DIST_BOTH`).
    Both,
    /// A label that this version does not know.
    Other(String),
}

const LABELS: &[(&str, Distribution)] = &[
    ("DS_DIST_NONE", Distribution::None),
    ("DS_DIST_ALL_NONE", Distribution::AllNone),
    ("DS_DIST_INNER", Distribution::Inner),
    ("DS_DIST_OUTER", Distribution::Outer),
    ("DS_BCAST_INNER", Distribution::BroadcastInner),
    ("DS_DIST_ALL_INNER", Distribution::AllInner),
    ("DS_DIST_BOTH", Distribution::Both),
];

impl Distribution {
    pub(super) fn of(label: &str) -> Self {
        let known = LABELS.iter().find(|(known, _)| *known == label).map(|(_, distribution)| distribution.clone());
        known.unwrap_or_else(|| Self::Other(label.to_owned()))
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(label) => f.write_str(label),
            known => f.write_str(LABELS.iter().find(|(_, label)| label == known).map_or("", |(label, _)| label)),
        }
    }
}
