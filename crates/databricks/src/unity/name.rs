//! Names, checked before they are sent.

use twinhouse_core::{Error, ErrorKind, Result};

/// The longest name that Unity Catalog keeps, in characters.
const LONGEST: usize = 255;

pub(super) fn bad(field: &'static str, wish: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("`{field}` {wish}")).with_context("field", field)
}

/// The name of something that is to be made, or to be called anew.
pub(super) fn check_new(field: &'static str, name: &str) -> Result<()> {
    check_part(field, name)?;
    match name.chars().find(|c| matches!(c, ' ' | '/')) {
        Some(c) => Err(bad(field, format_args!("cannot contain {c:?}: Unity Catalog keeps no such name"))),
        None => Ok(()),
    }
}

/// One part of the name of something that exists. What lies in foreign catalogs may be called what it could not be
/// called here, so only what would change the meaning of the request is refused.
pub(super) fn check_part(field: &'static str, name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(bad(field, "is empty: give a name"));
    }
    if name.chars().count() > LONGEST {
        return Err(bad(field, format_args!("is longer than {LONGEST} characters")));
    }
    if name.contains('.') {
        return Err(bad(field, "contains a period, which separates the parts of a full name"));
    }
    if name.chars().any(char::is_control) {
        return Err(bad(field, "contains a control character"));
    }
    Ok(())
}

/// A full name of so many parts, joined by periods. Unity Catalog keeps no name that has one, so no quotes are needed.
pub(super) fn check_full(field: &'static str, full_name: &str, form: &'static str) -> Result<()> {
    if full_name.split('.').count() != form.split('.').count() {
        return Err(bad(field, format_args!("must have the form {form}")));
    }
    full_name.split('.').try_for_each(|part| check_part(field, part))
}

/// The form of a schema's name.
pub(super) const SCHEMA: &str = "catalog.schema";
/// The form of the name of a table, volume or function.
pub(super) const OBJECT: &str = "catalog.schema.name";

/// A principal is a user's address, a group or an application's id: free text, but not none.
pub(super) fn check_principal(field: &'static str, principal: &str) -> Result<()> {
    if principal.trim().is_empty() || principal.chars().any(char::is_control) {
        return Err(bad(field, "must name a user, a group or a service principal"));
    }
    Ok(())
}

/// Keys are not empty.
pub(super) fn check_keys<'a>(field: &'static str, keys: impl IntoIterator<Item = &'a String>) -> Result<()> {
    if keys.into_iter().any(String::is_empty) { Err(bad(field, "has an empty key")) } else { Ok(()) }
}

/// The service's number has 32 bits and a sign.
pub(super) fn check_page(max_results: u32) -> Result<()> {
    if i32::try_from(max_results).is_err() {
        return Err(bad("max_results", format_args!("is greater than {}", i32::MAX)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_name_can_be_is_refused_by_its_field() {
        let long = "x".repeat(256);
        for bad in ["", "a.b", "a/b", "a b", "a\u{7f}", "a\nb", &long] {
            let error = check_new("name", bad).unwrap_err();
            assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some("name")), "{bad}");
        }
        for good in ["a", "é%'\"`", "x?y#z", &long[1..]] {
            check_new("name", good).unwrap();
        }
    }

    #[test]
    fn full_names_have_their_parts() {
        for bad in ["a.b", "a..c", "a.b.c.d", "", "..", "a.b.\t"] {
            assert!(check_full("full_name", bad, OBJECT).is_err(), "{bad}");
        }
        check_full("full_name", "a.b.c / d", OBJECT).unwrap();
        assert!(check_full("full_name", "a", SCHEMA).is_err());
    }
}
