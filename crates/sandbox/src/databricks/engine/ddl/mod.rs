//! CREATE, DROP, COMMENT ON, USE and SET.

mod columns;
mod create;
mod drop;
mod objects;
mod settings;
mod staged;

pub(super) use self::{
    columns::{DEFAULT, LENGTH, MAPPED, MAPPING, check_clustering, check_property, defaults_allowed, field, is_mapped},
    create::properties,
    objects::{already_exists, is_missing, table_text},
    staged::AsSelect,
};
