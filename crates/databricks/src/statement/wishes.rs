//! What a statement can ask for beyond the contract.

use twinhouse_warehouse_api::Value;

use crate::{
    config::ResultRoute,
    wire::{Parameter, Tag},
};

/// What a statement asks for beyond the contract. It was checked by whoever made it.
#[derive(Clone, Default)]
pub(crate) struct Wishes {
    pub(crate) delivery: Option<Delivery>,
    pub(crate) row_limit: Option<u64>,
    pub(crate) byte_limit: Option<u64>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) catalog: Option<String>,
    pub(crate) schema: Option<String>,
    /// For `?`, in order.
    pub(crate) positional: Vec<Value>,
    /// Named, with a type that no [`Value`] has.
    pub(crate) typed: Vec<Parameter>,
}

/// How a result is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) disposition: &'static str,
    pub(crate) format: &'static str,
    pub(crate) compression: Option<&'static str>,
}

impl From<ResultRoute> for Delivery {
    fn from(route: ResultRoute) -> Self {
        match route {
            ResultRoute::Links => {
                Self { disposition: "EXTERNAL_LINKS", format: "ARROW_STREAM", compression: Some("LZ4_FRAME") }
            }
            ResultRoute::Inline => Self { disposition: "INLINE", format: "JSON_ARRAY", compression: None },
        }
    }
}
