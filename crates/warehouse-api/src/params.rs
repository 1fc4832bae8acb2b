//! The named parameters of a statement.

use std::{collections::HashMap, fmt};

use crate::value::Value;

/// Values for the `:name` markers of a statement.
///
/// `Debug` prints names and types, never values: they may be personal data.
///
/// ```
/// use twinhouse_warehouse_api::Params;
///
/// let params = Params::new().bind("region", "EU").bind("since", None::<i64>);
/// assert_eq!(params.len(), 2);
/// assert_eq!(format!("{params:?}"), "{\"region\": string, \"since\": null}");
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Params(Vec<(String, Value)>);

impl Params {
    /// No parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds `:name`. A name bound twice keeps its last value.
    #[must_use]
    pub fn bind(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some(slot) => slot.1 = value,
            None => self.0.push((name, value)),
        }
        self
    }

    /// The value of `:name`.
    pub fn find(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Names and values in the order of binding.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// As by one [`bind`](Params::bind) after another, but in linear time.
impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut known = HashMap::new();
        let mut params = Self::new();
        for (name, value) in pairs {
            let (name, value) = (name.into(), value.into());
            match known.get(&name) {
                Some(&index) => {
                    let slot: &mut (String, Value) = &mut params.0[index];
                    slot.1 = value;
                }
                None => {
                    known.insert(name.clone(), params.0.len());
                    params.0.push((name, value));
                }
            }
        }
        params
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_map();
        for (name, value) in &self.0 {
            out.entry(name, &format_args!("{}", value.type_name()));
        }
        out.finish()
    }
}
