//! Table properties.

use std::collections::BTreeMap;

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::Dialect;

use crate::{schema::ColumnMapping, table::DeltaTable};

/// The property under which columns have other names in the files.
pub(crate) const MAPPING: &str = "delta.columnMapping.mode";
/// The property that allows types to widen.
pub(crate) const WIDENING: &str = "delta.enableTypeWidening";
/// Properties of this name are CHECK constraints.
pub(super) const CONSTRAINT: &str = "delta.constraints.";

/// Whether a table with these properties maps its columns.
pub(crate) fn mapping_of(properties: &BTreeMap<String, String>) -> ColumnMapping {
    match properties.get(MAPPING) {
        Some(mode) if mode != "none" => ColumnMapping::On,
        _ => ColumnMapping::Off,
    }
}

pub(crate) fn pairs<'a>(
    dialect: &dyn Dialect,
    properties: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<String> {
    let pair = |(key, value): (&String, &String)| {
        if key.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "a property needs a name"));
        }
        Ok(format!("{} = {}", dialect.string(key)?, dialect.string(value)?))
    };
    Ok(properties.into_iter().map(pair).collect::<Result<Vec<_>>>()?.join(", "))
}

impl DeltaTable {
    /// Sets table properties; others stay as they are.
    ///
    /// ```no_run
    /// # async fn example(orders: twinhouse_delta::DeltaTable) -> twinhouse_core::Result<()> {
    /// orders.set_properties([("delta.enableChangeDataFeed", "true")]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`], before anything is sent, for none and for a CHECK constraint, which
    /// [`add_constraint`](Self::add_constraint) sets.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement: all are set or none.
    pub async fn set_properties(
        &self,
        properties: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Result<()> {
        let properties: BTreeMap<String, String> =
            properties.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        if let Some(key) = properties.keys().find(|key| key.to_lowercase().starts_with(CONSTRAINT)) {
            let why = "a CHECK constraint is added with `add_constraint`, which looks at the rows that are there";
            return Err(Error::new(ErrorKind::InvalidInput, why).with_context("property", key));
        }
        if properties.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "there is no property to set"));
        }
        self.alter("delta.set_properties", format!("SET TBLPROPERTIES ({})", pairs(self.dialect(), &properties)?)).await
    }

    /// Takes table properties away; those that are not set do not matter.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`], before anything is sent, for none.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement: all are taken away or none.
    pub async fn unset_properties(&self, keys: impl IntoIterator<Item = impl AsRef<str>>) -> Result<()> {
        let keys = keys.into_iter().map(|key| self.dialect().string(key.as_ref())).collect::<Result<Vec<_>>>()?;
        if keys.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "there is no property to take away"));
        }
        self.alter("delta.unset_properties", format!("UNSET TBLPROPERTIES IF EXISTS ({})", keys.join(", "))).await
    }
}
