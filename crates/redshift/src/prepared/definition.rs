//! A statement that is prepared, before any server has it.

use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, Params, RedshiftDialect, Value};

use super::ParameterType;
use crate::{
    decode::batch::BatchBuilder,
    statement::{
        Plan, Source,
        plan::Prepared,
        text::{self, Words},
        type_oid, value_text,
    },
    wire::message::WireColumn,
};

/// The statement with its parameters numbered.
pub(crate) struct Definition {
    pub(crate) sql: String,
    words: Words,
    source: Arc<Source>,
    /// Names and declared types, in the order of their numbers.
    parameters: Vec<(String, Option<ParameterType>)>,
    schema: OnceLock<SchemaRef>,
}

impl Definition {
    pub(crate) fn of(sql: &str, types: &[(&str, ParameterType)]) -> Result<Self> {
        let words = Words::of(sql);
        if words.is_several() {
            return Err(Error::new(ErrorKind::InvalidInput, "one statement is prepared at a time"));
        }
        if !matches!(words.verb(), "SELECT" | "WITH" | "INSERT" | "UPDATE" | "DELETE") {
            let wish = "prepares SELECT, INSERT, UPDATE and DELETE only: the server takes no parameters elsewhere";
            return Err(Error::unsupported("redshift", wish).with_context("statement", words.verb().to_owned()));
        }
        if sql.contains('\0') {
            return Err(Error::new(ErrorKind::InvalidInput, "a statement cannot contain NUL"));
        }
        let names = text::markers(sql, ':').into_iter().map(|span| &sql[span.start + 1..span.end]);
        let bound = RedshiftDialect.bind(sql, &names.map(|name| (name, Value::Null)).collect::<Params>())?;
        if let Some((unknown, _)) = types.iter().find(|(name, _)| !bound.values.iter().any(|(known, _)| known == name))
        {
            return Err(Error::new(ErrorKind::InvalidInput, format!("the statement has no marker `:{unknown}`")));
        }
        let declared = |name: &str| types.iter().find(|(known, _)| *known == name).map(|(_, declared)| *declared);
        let parameters =
            bound.values.into_iter().map(|(name, _)| (declared(&name), name)).map(|(t, n)| (n, t)).collect();
        let source = Arc::new(Source::new(sql, &bound.sql));
        Ok(Self { sql: bound.sql, words, source, parameters, schema: OnceLock::new() })
    }

    pub(crate) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|(name, _)| name.as_str())
    }

    /// Notes what a server said it gives.
    pub(crate) fn describe(&self, columns: Vec<WireColumn>) {
        if !columns.is_empty() {
            let _ = self.schema.set(BatchBuilder::new(&columns).schema().clone());
        }
    }

    pub(crate) fn schema(&self) -> Option<&SchemaRef> {
        self.schema.get()
    }

    /// The types to prepare it with when nothing is known of its values.
    pub(super) fn declared(&self) -> Vec<u32> {
        self.parameters.iter().map(|(_, declared)| declared.map_or(0, ParameterType::oid)).collect()
    }

    /// The statement with these values, ready to be sent.
    pub(super) fn plan(self: &Arc<Self>, params: &Params) -> Result<Plan> {
        let prepared = self.bind(params)?;
        Ok(Plan {
            sql: self.sql.clone(),
            prepared: Some(prepared),
            words: self.words.clone(),
            source: self.source.clone(),
            kept: Some(self.clone()),
        })
    }

    pub(super) fn bind(&self, params: &Params) -> Result<Prepared> {
        if let Some((unused, _)) = params.iter().find(|(name, _)| !self.parameters().any(|known| known == *name)) {
            return Err(Error::new(ErrorKind::InvalidInput, format!("the statement has no marker `:{unused}`")));
        }
        let (mut types, mut values) = (Vec::new(), Vec::new());
        for (name, declared) in &self.parameters {
            let value = params
                .find(name)
                .ok_or_else(|| Error::new(ErrorKind::InvalidInput, format!("no value is bound to `:{name}`")))?;
            if matches!(value, Value::Bytes(_)) {
                let wish = "cannot bind bytes to a prepared statement: bind hexadecimal text to FROM_HEX(:name)";
                return Err(Error::unsupported("redshift", wish).with_context("parameter", name.clone()));
            }
            types.push(declared.map_or_else(|| type_oid(value), ParameterType::oid));
            values.push(value_text(name, value)?);
        }
        Ok(Prepared { types, values })
    }

    pub(super) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    pub(super) fn gives_rows(&self) -> bool {
        matches!(self.words.verb(), "SELECT" | "WITH")
    }
}

/// Neither text nor names: what they say may be nobody's business.
impl std::fmt::Debug for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Definition").field("verb", &self.words.verb()).field("bytes", &self.sql.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_become_numbers_and_types_are_ours_to_say() {
        let types = [("id", ParameterType::BigInt)];
        let definition = Definition::of("insert into t values (:id, :name, :id)", &types).unwrap();
        assert_eq!(definition.sql, "insert into t values ($1, $2, $1)");
        let prepared = definition.bind(&Params::new().bind("id", 7).bind("name", "x")).unwrap();
        assert_eq!(prepared.types, [20, 705], "declared, and as its value has it");
        assert_eq!(prepared.values, [Some("7".to_owned()), Some("x".to_owned())]);
        assert_eq!(definition.declared(), [20, 0]);
    }

    #[test]
    fn values_and_markers_must_agree_before_anything_is_sent() {
        let definition = Definition::of("select :a", &[]).unwrap();
        for params in [Params::new(), Params::new().bind("a", 1).bind("b", 2)] {
            assert_eq!(definition.bind(&params).err().unwrap().kind(), ErrorKind::InvalidInput);
        }
        let bytes = definition.bind(&Params::new().bind("a", vec![1_u8])).err().unwrap();
        assert_eq!((bytes.kind(), bytes.context("parameter")), (ErrorKind::Unsupported, Some("a")));
        assert_eq!(
            Definition::of("select :a", &[("b", ParameterType::Date)]).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    }

    #[test]
    fn what_takes_no_parameters_is_not_prepared() {
        for (sql, kind) in [
            ("copy t from 's3://b'", ErrorKind::Unsupported),
            ("create table t (a int)", ErrorKind::Unsupported),
            ("", ErrorKind::Unsupported),
            ("select 1; select 2", ErrorKind::InvalidInput),
            ("select '\0'", ErrorKind::InvalidInput),
        ] {
            assert_eq!(Definition::of(sql, &[]).unwrap_err().kind(), kind, "{sql:?}");
        }
    }
}
