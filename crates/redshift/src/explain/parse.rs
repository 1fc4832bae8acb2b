//! From the server's text to a tree. Depth is told by indentation alone.

use twinhouse_core::{Error, ErrorKind, Result};

use super::plan::{Cost, Distribution, PlanNode, PlanSite, QueryPlan};

/// Words that stand over a group of nodes, without costs.
const GROUPS: &[&str] = &["InitPlan", "SubPlan"];

/// A node whose children may still come, and the column it begins in.
struct Open {
    column: usize,
    node: PlanNode,
}

/// Reads a plan.
pub(super) fn parse(text: &str) -> Result<QueryPlan> {
    let mut plan = QueryPlan::default();
    let mut open: Vec<Open> = Vec::new();
    for line in text.lines() {
        let content = line.trim();
        if content.is_empty() || is_heading(content) {
            continue;
        }
        let column = line.len() - line.trim_start().len();
        if let Some(remark) = remark(content) {
            plan.remarks.push(remark.to_owned());
            continue;
        }
        let arrow = content.strip_prefix("->").map(str::trim_start);
        let head = arrow.unwrap_or(content);
        let is_node =
            arrow.is_some() || estimates(head).is_some() || GROUPS.iter().any(|group| head.starts_with(group));
        if is_node || open.is_empty() {
            close(&mut open, column, &mut plan);
            let node = node(head).ok_or_else(|| {
                Error::new(ErrorKind::Protocol, "a plan begins with something that is no node of one")
            })?;
            open.push(Open { column, node });
        } else {
            // A detail belongs to the node that it is written under.
            while open.len() > 1 && open.last().is_some_and(|last| last.column >= column) {
                close_one(&mut open, &mut plan);
            }
            if let Some(last) = open.last_mut() {
                last.node.details.push(detail(content));
            }
        }
    }
    close(&mut open, 0, &mut plan);
    if plan.roots.is_empty() {
        return Err(Error::new(ErrorKind::Protocol, "the server gave no plan"));
    }
    Ok(plan)
}

/// Closes the nodes that what begins in this column is not under.
fn close(open: &mut Vec<Open>, column: usize, plan: &mut QueryPlan) {
    while open.last().is_some_and(|last| last.column >= column) {
        close_one(open, plan);
    }
}

fn close_one(open: &mut Vec<Open>, plan: &mut QueryPlan) {
    let Some(done) = open.pop() else { return };
    match open.last_mut() {
        Some(parent) => parent.node.children.push(done.node),
        None => plan.roots.push(done.node),
    }
}

/// What a terminal prints over the plan.
fn is_heading(content: &str) -> bool {
    content.eq_ignore_ascii_case("QUERY PLAN") || (content.len() > 10 && content.bytes().all(|byte| byte == b'-'))
}

/// `----- Tables missing statistics: a, b -----`.
fn remark(content: &str) -> Option<&str> {
    let inside = content.strip_prefix("-----")?.trim_start_matches('-').trim_end_matches('-').trim();
    (!inside.is_empty()).then_some(inside)
}

/// What stands before ` (cost=…)`, and the estimates.
fn estimates(head: &str) -> Option<(&str, Cost, u64, u64)> {
    let (before, numbers) = head.rsplit_once("(cost=")?;
    let (startup, rest) = numbers.strip_suffix(')')?.split_once("..")?;
    let (total, rest) = rest.split_once(" rows=")?;
    let (rows, width) = rest.split_once(" width=")?;
    let cost = Cost::new(startup.parse().ok()?, total.parse().ok()?);
    Some((before.trim_end(), cost, rows.parse().ok()?, width.parse().ok()?))
}

fn node(head: &str) -> Option<PlanNode> {
    let mut node = PlanNode::default();
    let mut title = head;
    if let Some((before, cost, rows, width)) = estimates(head) {
        title = before;
        (node.cost, node.rows, node.width) = (Some(cost), Some(rows), Some(width));
    }
    for (prefix, site) in [("XN ", PlanSite::ComputeNodes), ("LD ", PlanSite::Leader)] {
        if let Some(rest) = title.strip_prefix(prefix) {
            (node.site, title) = (site, rest.trim_start());
        }
    }
    if let Some(at) = title.find(" DS_") {
        let (before, label) = (&title[..at], title[at + 1..].trim());
        // A name may hold the letters; a label is the last word.
        if !label.contains(char::is_whitespace) {
            (node.distribution, title) = (Some(Distribution::of(label)), before);
        }
    }
    let (operator, relation) = read_from(title);
    node.operator = operator.trim().to_owned();
    if let Some(relation) = relation {
        let (name, alias) = split_name(relation.trim());
        (node.relation, node.alias) =
            (Some(name.to_owned()), Some(alias.trim()).filter(|a| !a.is_empty()).map(str::to_owned));
    }
    (!node.operator.is_empty()).then_some(node)
}

/// An operator and what it reads.
fn read_from(title: &str) -> (&str, Option<&str>) {
    if let Some((operator, relation)) = title.split_once(" on ") {
        return (operator, Some(relation));
    }
    for scan in [
        "S3 Query Scan",
        "S3 Seq Scan",
        "PartitionInfo of",
        "Subquery Scan",
        "PG Query Scan",
        "PG Seq Scan",
        "Function Scan",
    ] {
        if let Some(at) = title.find(scan) {
            let (operator, relation) = title.split_at(at + scan.len());
            if let Some(relation) = relation.strip_prefix(' ').filter(|relation| !relation.trim().is_empty()) {
                return (operator, Some(relation));
            }
        }
    }
    (title, None)
}

/// `schema."a table" alias`: the name up to the first blank outside of quotes, and the rest.
fn split_name(text: &str) -> (&str, &str) {
    let mut quoted = false;
    let end = text.find(|c| {
        quoted ^= c == '"';
        c == ' ' && !quoted
    });
    text.split_at(end.unwrap_or(text.len()))
}

fn detail(content: &str) -> (String, String) {
    match content.split_once(": ") {
        Some((name, value)) if name.chars().all(|c| c.is_alphanumeric() || c == ' ') => {
            (name.to_owned(), value.to_owned())
        }
        _ => match content.strip_suffix(':') {
            Some(name) => (name.to_owned(), String::new()),
            None => (content.to_owned(), String::new()),
        },
    }
}
