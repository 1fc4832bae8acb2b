//! What sets the fields of requests.

/// Setters of optional fields. `some` fills an `Option`, `value` does so with a number or a flag, `set` replaces, `is` does so
/// with a number or a flag, `push` and `pair` add one, `all` and `pairs` add many, `seconds` and `millis` take a duration and
/// round it up.
macro_rules! setters {
    () => {};
    ($(#[$doc:meta])* $setter:ident($field:ident: some $type:ty); $($more:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $setter(mut self, $field: impl Into<$type>) -> Self {
            self.$field = Some($field.into());
            self
        }
        setters! { $($more)* }
    };
    ($(#[$doc:meta])* $setter:ident($field:ident: value $type:ty); $($more:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $setter(mut self, $field: $type) -> Self {
            self.$field = Some($field);
            self
        }
        setters! { $($more)* }
    };
    ($(#[$doc:meta])* $setter:ident($field:ident: set $type:ty); $($more:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $setter(mut self, $field: impl Into<$type>) -> Self {
            self.$field = $field.into();
            self
        }
        setters! { $($more)* }
    };
    ($(#[$doc:meta])* $setter:ident($field:ident: is $type:ty); $($more:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $setter(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
        setters! { $($more)* }
    };
    ($(#[$doc:meta])* $setter:ident($field:ident: push $type:ty); $($more:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $setter(mut self, one: impl Into<$type>) -> Self {
            self.$field.push(one.into());
            self
        }
        setters! { $($more)* }
    };
    ($(#[$doc:meta])* $setter:ident($field:ident: all $type:ty); $($more:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $setter(mut self, all: impl IntoIterator<Item = impl Into<$type>>) -> Self {
            self.$field.extend(all.into_iter().map(Into::into));
            self
        }
        setters! { $($more)* }
    };
    ($(#[$doc:meta])* $setter:ident($field:ident: pair); $($more:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $setter(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
            self.$field.insert(key.into(), value.into());
            self
        }
        setters! { $($more)* }
    };
    ($(#[$doc:meta])* $setter:ident($field:ident: pairs); $($more:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $setter(mut self, pairs: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) -> Self {
            self.$field.extend(pairs.into_iter().map(|(key, value)| (key.into(), value.into())));
            self
        }
        setters! { $($more)* }
    };
    ($(#[$doc:meta])* $setter:ident($field:ident: seconds); $($more:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $setter(mut self, time: std::time::Duration) -> Self {
            self.$field = Some(crate::jobs::macros::seconds(time));
            self
        }
        setters! { $($more)* }
    };
    ($(#[$doc:meta])* $setter:ident($field:ident: millis); $($more:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $setter(mut self, time: std::time::Duration) -> Self {
            self.$field = Some(u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX));
            self
        }
        setters! { $($more)* }
    };
}

pub(crate) use setters;
