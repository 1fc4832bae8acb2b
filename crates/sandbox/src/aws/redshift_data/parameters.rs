//! The `:name` parameters of a statement. Values are text, which the server casts as it does a literal.

use serde_json::Value;

use super::super::{answer::Failure, call::Call};
use crate::redshift::substitute;

/// The parameters of the call, checked.
pub(super) fn read(call: &Call) -> Result<Vec<(String, String)>, Failure> {
    let Some(given) = call.value("Parameters") else { return Ok(Vec::new()) };
    let wrong = || Failure::invalid("Parameters must be a list of at least one name with its value.");
    let given = given.as_array().filter(|given| !given.is_empty()).ok_or_else(wrong)?;
    given
        .iter()
        .map(|pair| {
            let text = |key: &str| pair.get(key).and_then(Value::as_str);
            let (name, value) = text("name").zip(text("value")).ok_or_else(wrong)?;
            if name.is_empty() || value.is_empty() {
                return Err(Failure::invalid("Parameters cannot have an empty name or value."));
            }
            Ok((name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// The texts with the values in them. Every parameter has to be used, and every marker to be known.
pub(super) fn fill(sqls: Vec<String>, parameters: &[(String, String)]) -> Result<Vec<String>, Failure> {
    if parameters.is_empty() {
        return Ok(sqls);
    }
    let mut used = vec![false; parameters.len()];
    let mut filled = Vec::with_capacity(sqls.len());
    for sql in sqls {
        let found = substitute(&sql, |name| {
            let at = parameters.iter().position(|(known, _)| known == name)?;
            used[at] = true;
            Some(parameters[at].1.as_str())
        });
        filled.push(found.map_err(|name| {
            Failure::invalid(format!("Parameters list does not contain the parameter {name} of the SQL."))
        })?);
    }
    match used.iter().position(|used| !used) {
        Some(at) => {
            let name = &parameters[at].0;
            Err(Failure::invalid(format!("Parameters list contains unused parameters. Unused parameters: [{name}]")))
        }
        None => Ok(filled),
    }
}
