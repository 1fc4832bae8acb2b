//! What is refused before anything is sent.

use twinhouse_core::{Error, ErrorKind, Result};

use super::{Assignment, Duplicates, MergeAction, MergeClause, MergeRequest, MergeWhen, WhenMatched};
use crate::{capability::Capabilities, expression::Expression};

impl MergeRequest {
    /// Refuses what the warehouse does not do and what makes no sense, before anything is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for a wish that is not among `can`; [`ErrorKind::InvalidInput`], with the number of
    /// the clause where there is one, for
    /// - no keys, a key named twice, a key among the columns to set, or a request that would change nothing;
    /// - a clause whose action is not one for its rows, that comes after one of its kind without a condition, or that
    ///   sets nothing or a column twice.
    pub fn check(&self, can: &Capabilities, backend: &'static str) -> Result<()> {
        self.check_promises(can, backend)?;
        self.check_sense().map_err(|error| error.with_context("table", self.target.to_string()))
    }

    fn check_promises(&self, can: &Capabilities, backend: &'static str) -> Result<()> {
        let clauses = !self.clauses.is_empty();
        let by_source = self.clauses.iter().any(|clause| clause.when == MergeWhen::NotMatchedBySource);
        let deletes = |clause: &MergeClause| clause.when == MergeWhen::Matched && clause.action == MergeAction::Delete;
        let simple = !clauses;
        let wishes = [
            (true, can.merge, "cannot merge: no staging place is configured"),
            (clauses, can.merge_clauses, "cannot merge by clauses with conditions and set lists"),
            (self.on.is_some(), can.merge_clauses, "cannot merge on a condition beside the keys"),
            (
                self.duplicates != Duplicates::Refuse,
                can.merge_keep_greatest,
                "cannot choose among source rows that share a key",
            ),
            (self.schema_evolution, can.merge_schema_evolution, "cannot add columns to the target while merging"),
            (
                by_source || (simple && self.delete_unmatched_by_source),
                can.merge_not_matched_by_source,
                "cannot change rows that the source lacks",
            ),
            (
                self.clauses.iter().any(deletes) || (simple && self.when_matched == WhenMatched::Delete),
                can.merge_delete_matched,
                "cannot delete matched rows",
            ),
        ];
        match wishes.into_iter().find(|(wished, promised, _)| *wished && !promised) {
            Some((_, _, wish)) => Err(Error::unsupported(backend, wish)),
            None => Ok(()),
        }
    }

    fn check_sense(&self) -> Result<()> {
        if self.keys.is_empty() {
            return bad("a merge needs at least one key column");
        }
        if let Some(key) = twice(self.keys.iter()) {
            return Err(invalid("a key column is named twice").with_context("column", key));
        }
        if let Duplicates::KeepGreatest(column) = &self.duplicates
            && is_among(column, self.keys.iter())
        {
            return bad("rows that share a key cannot be told apart by the key: name another column");
        }
        if self.on.as_ref().is_some_and(is_blank) {
            return bad("the condition beside the keys is empty");
        }
        if self.clauses.is_empty() { self.check_wishes() } else { self.check_clauses() }
    }

    fn check_wishes(&self) -> Result<()> {
        if let WhenMatched::UpdateColumns(columns) = &self.when_matched {
            if columns.is_empty() {
                return bad("no columns to set; say `Keep` to leave matched rows as they are");
            }
            if columns.iter().any(|column| is_among(column, self.keys.iter())) {
                return bad("a key column cannot be set by the merge that matches on it");
            }
        }
        if self.when_matched == WhenMatched::Keep && !self.insert_unmatched && !self.delete_unmatched_by_source {
            return bad("this merge would change nothing");
        }
        Ok(())
    }

    fn check_clauses(&self) -> Result<()> {
        for (at, clause) in self.clauses.iter().enumerate() {
            let earlier = &self.clauses[..at];
            let checked = clause.check(&self.keys).and_then(|()| {
                if earlier.iter().any(|other| other.when == clause.when && other.condition.is_none()) {
                    return bad("a clause after one of its kind without a condition would never be carried out");
                }
                Ok(())
            });
            checked.map_err(|error| error.with_context("clause", (at + 1).to_string()))?;
        }
        Ok(())
    }
}

impl MergeClause {
    fn check(&self, keys: &[String]) -> Result<()> {
        use {MergeAction as Do, MergeWhen as When};
        if self.condition.as_ref().is_some_and(is_blank) {
            return bad("the condition is empty");
        }
        match (self.when, &self.action) {
            (When::Matched | When::NotMatchedBySource, Do::Delete)
            | (When::Matched, Do::UpdateAll)
            | (When::NotMatched, Do::InsertAll) => Ok(()),
            (When::Matched, Do::Update(set)) => {
                if set.iter().any(|one| is_among(&one.column, keys.iter())) {
                    return bad("a key column cannot be set by the merge that matches on it");
                }
                check_set(set)
            }
            (When::NotMatchedBySource, Do::Update(set)) | (When::NotMatched, Do::Insert(set)) => check_set(set),
            (When::NotMatched, _) => bad("a source row without a match can only be inserted"),
            (When::NotMatchedBySource, Do::UpdateAll) => {
                bad("a target row that the source lacks has no source row to be set from: name columns and values")
            }
            (_, Do::Insert(_) | Do::InsertAll) => bad("a row of the target cannot be inserted again"),
        }
    }
}

fn check_set(set: &[Assignment]) -> Result<()> {
    if set.is_empty() {
        return bad("no columns to set");
    }
    if let Some(column) = twice(set.iter().map(|one| &one.column)) {
        return Err(invalid("a column is set twice").with_context("column", column));
    }
    if let Some(one) = set.iter().find(|one| is_blank(&one.value)) {
        return Err(invalid("the value of a column is empty; say `NULL` for none").with_context("column", &one.column));
    }
    Ok(())
}

fn is_blank(expression: &Expression) -> bool {
    expression.sql().trim().is_empty()
}

/// Names are alike without regard to case: no warehouse keeps two columns that differ in nothing else.
fn is_among<'a>(name: &str, mut names: impl Iterator<Item = &'a String>) -> bool {
    names.any(|other| other.to_lowercase() == name.to_lowercase())
}

fn twice<'a>(names: impl Iterator<Item = &'a String> + Clone) -> Option<&'a String> {
    names.clone().enumerate().find(|(at, name)| is_among(name, names.clone().take(*at))).map(|(_, name)| name)
}

fn invalid(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, why)
}

fn bad(why: &'static str) -> Result<()> {
    Err(invalid(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{merge::MergeSource, table::TableRef};

    fn everything() -> Capabilities {
        let mut can = Capabilities::NONE;
        can.merge = true;
        can.merge_clauses = true;
        can.merge_delete_matched = true;
        can.merge_not_matched_by_source = true;
        can.merge_schema_evolution = true;
        can.merge_keep_greatest = true;
        can
    }

    fn request(clauses: Vec<MergeClause>) -> MergeRequest {
        MergeRequest::upsert(TableRef::new("t"), MergeSource::Table(TableRef::new("s")), ["Id"]).with_clauses(clauses)
    }

    fn set(columns: &[&str]) -> Vec<Assignment> {
        columns.iter().map(|column| Assignment::new(*column, "1")).collect()
    }

    fn clause(when: MergeWhen, action: MergeAction) -> MergeClause {
        MergeClause::new(when, action)
    }

    #[test]
    fn clauses_that_make_sense_pass() {
        use {MergeAction::*, MergeWhen::*};
        let clauses = vec![
            clause(Matched, Delete).with_condition("s.gone"),
            clause(NotMatched, Insert(set(&["id", "n"]))).with_condition("s.n > 0"),
            clause(Matched, Update(set(&["n"]))).with_condition("s.n > t.n"),
            clause(Matched, UpdateAll),
            clause(NotMatched, InsertAll),
            clause(NotMatchedBySource, Update(set(&["n"]))).with_condition("t.n > 0"),
            clause(NotMatchedBySource, Delete),
        ];
        request(clauses).with_on("t.day = s.day").check(&everything(), "test").unwrap();
    }

    #[test]
    fn each_clause_without_sense_is_refused_by_its_number() {
        use {MergeAction::*, MergeWhen::*};
        let cases: Vec<(MergeClause, &str)> = vec![
            (clause(Matched, InsertAll), "inserted again"),
            (clause(Matched, Insert(set(&["n"]))), "inserted again"),
            (clause(NotMatchedBySource, InsertAll), "inserted again"),
            (clause(NotMatchedBySource, UpdateAll), "no source row"),
            (clause(NotMatched, Delete), "only be inserted"),
            (clause(NotMatched, UpdateAll), "only be inserted"),
            (clause(Matched, Update(vec![])), "no columns"),
            (clause(NotMatched, Insert(vec![])), "no columns"),
            (clause(Matched, Update(set(&["n", "N"]))), "set twice"),
            (clause(Matched, Update(set(&["ID"]))), "key column"),
            (clause(Matched, Update(vec![Assignment::new("n", " ")])), "say `NULL`"),
            (clause(Matched, Delete).with_condition("\n"), "condition is empty"),
        ];
        for (wrong, why) in cases {
            let fine = clause(Matched, Delete).with_condition("s.gone");
            let error = request(vec![fine, wrong.clone()]).check(&everything(), "test").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{wrong:?}");
            assert!(error.message().contains(why), "{wrong:?}: {error}");
            assert_eq!((error.context("clause"), error.context("table")), (Some("2"), Some("t")), "{wrong:?}");
        }
    }

    #[test]
    fn only_the_last_clause_of_a_kind_goes_without_a_condition() {
        use {MergeAction::*, MergeWhen::*};
        let early = request(vec![clause(Matched, UpdateAll), clause(Matched, Delete).with_condition("s.gone")]);
        let error = early.check(&everything(), "test").unwrap_err();
        assert!(error.message().contains("never be carried out"), "{error}");
        request(vec![clause(Matched, UpdateAll), clause(NotMatched, InsertAll)]).check(&everything(), "test").unwrap();
    }

    #[test]
    fn what_is_not_promised_is_refused_by_name() {
        use {MergeAction::*, MergeWhen::*};
        type Off = fn(&mut Capabilities);
        let wishes: Vec<(Off, MergeRequest)> = vec![
            (|can| can.merge = false, request(vec![])),
            (|can| can.merge_clauses = false, request(vec![clause(Matched, UpdateAll)])),
            (|can| can.merge_clauses = false, request(vec![]).with_on("t.day = s.day")),
            (|can| can.merge_delete_matched = false, request(vec![clause(Matched, Delete)])),
            (|can| can.merge_delete_matched = false, request(vec![]).with_when_matched(WhenMatched::Delete)),
            (|can| can.merge_not_matched_by_source = false, request(vec![clause(NotMatchedBySource, Delete)])),
            (|can| can.merge_not_matched_by_source = false, request(vec![]).with_delete_unmatched_by_source(true)),
            (
                |can| can.merge_keep_greatest = false,
                request(vec![]).with_duplicates(Duplicates::KeepGreatest("n".into())),
            ),
            (|can| can.merge_schema_evolution = false, request(vec![]).with_schema_evolution(true)),
        ];
        for (off, request) in wishes {
            request.check(&everything(), "test").unwrap();
            let mut can = everything();
            off(&mut can);
            assert_eq!(request.check(&can, "test").unwrap_err().kind(), ErrorKind::Unsupported, "{request:?}");
        }
    }

    #[test]
    fn rows_that_share_a_key_are_not_ordered_by_it() {
        let by_key = request(vec![]).with_duplicates(Duplicates::KeepGreatest("ID".into()));
        assert_eq!(by_key.check(&everything(), "test").unwrap_err().kind(), ErrorKind::InvalidInput);
        request(vec![]).with_duplicates(Duplicates::KeepGreatest("n".into())).check(&everything(), "test").unwrap();
    }
}
