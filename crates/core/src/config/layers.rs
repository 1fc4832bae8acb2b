//! Looks a setting up, layer by layer.

use std::{fmt, str::FromStr, time::Duration};

use super::{Env, Explanation, Origin, Profile, Setting, parse_duration};
use crate::{Error, ErrorKind, Result};

/// The layers below the builder, and a record of what was found in them.
#[derive(Clone, Debug)]
pub struct Layers {
    env: Env,
    profile: Option<Profile>,
    /// Said in place of a profile that was looked for and is not there.
    no_profile: Option<String>,
    explanation: Explanation,
}

impl Layers {
    /// The environment and defaults.
    pub fn new(env: Env) -> Self {
        Self { env, profile: None, no_profile: None, explanation: Explanation::default() }
    }

    /// Puts a profile below the environment.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Remembers that this file was looked for a profile in vain, to say so when a setting is missing.
    #[must_use]
    pub fn without_profile(mut self, file: impl Into<String>) -> Self {
        self.no_profile = Some(file.into());
        self
    }

    /// The environment.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// Looks up a setting that is read with [`FromStr`] and explained with [`Display`](fmt::Display). For a secret `T`
    /// is [`Secret`](crate::Secret), which explains itself as `***`.
    pub fn setting<T: FromStr + fmt::Display>(&mut self, name: &'static str) -> Lookup<'_, T> {
        self.setting_with(name, |text| text.parse().ok(), T::to_string)
    }

    /// Looks up a duration: `30s`, `250ms`, `5m`, or a number of seconds.
    pub fn duration(&mut self, name: &'static str) -> Lookup<'_, Duration> {
        self.setting_with(name, parse_duration, |time| format!("{time:?}")).wish("a duration such as 30s")
    }

    /// Looks up a setting with a reader and a printer of one's own.
    pub fn setting_with<T>(
        &mut self,
        name: &'static str,
        parse: fn(&str) -> Option<T>,
        show: fn(&T) -> String,
    ) -> Lookup<'_, T> {
        Lookup {
            layers: self,
            name,
            parse,
            show,
            wish: "a value of the right form",
            valid: |_| true,
            given: None,
            variables: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// What has been looked up so far, with values (secrets as `***`) and origins.
    pub fn explain(&self) -> &Explanation {
        &self.explanation
    }
}

/// One look-up. However it is put together, the builder goes before the environment, the environment before the
/// profile, the profile before the default.
#[must_use]
pub struct Lookup<'a, T> {
    layers: &'a mut Layers,
    name: &'static str,
    parse: fn(&str) -> Option<T>,
    show: fn(&T) -> String,
    wish: &'static str,
    valid: fn(&T) -> bool,
    given: Option<T>,
    variables: Vec<&'static str>,
    keys: Vec<&'static str>,
}

impl<T> Lookup<'_, T> {
    /// What the builder was told, if anything.
    pub fn given(mut self, value: Option<T>) -> Self {
        self.given = value;
        self
    }

    /// Looks in this environment variable; may be said again for an alias.
    pub fn env(mut self, variable: &'static str) -> Self {
        self.variables.push(variable);
        self
    }

    /// Looks under this key of the profile; may be said again for an alias.
    pub fn profile(mut self, key: &'static str) -> Self {
        self.keys.push(key);
        self
    }

    /// What a good value is, for the message about a bad one: "`port` must be {wish}".
    pub fn wish(mut self, wish: &'static str) -> Self {
        self.wish = wish;
        self
    }

    /// Refuses values that do not pass, wherever they come from.
    pub fn check(mut self, valid: fn(&T) -> bool) -> Self {
        self.valid = valid;
        self
    }

    /// The value, or nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a value that is there and cannot be read: the setting, where it came from, what was
    /// wanted; never the value.
    pub fn optional(mut self) -> Result<Option<Setting<T>>> {
        let found = self.find()?;
        match &found {
            Some(setting) => self.note(setting),
            None => {
                let places = format!("looked in: {}", self.places());
                self.layers.explanation.note(self.name, "(not set)".to_owned(), places);
            }
        }
        Ok(found)
    }

    /// The value, or an error that says everywhere it was looked for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if it is nowhere, or cannot be read.
    pub fn required(self) -> Result<Setting<T>> {
        let (name, places) = (self.name, self.places());
        self.optional()?.ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("`{name}` is not set"))
                .with_context("setting", name)
                .with_context("looked in", places)
        })
    }

    /// The value, or this one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if it is there and cannot be read.
    pub fn or(mut self, default: T) -> Result<Setting<T>> {
        let setting = match self.find()? {
            Some(setting) => setting,
            None => Setting::new(default, Origin::Default),
        };
        self.note(&setting);
        Ok(setting)
    }

    fn find(&mut self) -> Result<Option<Setting<T>>> {
        let (value, origin) = match self.given.take() {
            Some(value) => (Some(value), Origin::Builder),
            None => match self.text() {
                Some((text, origin)) => ((self.parse)(text), origin),
                None => return Ok(None),
            },
        };
        match value.filter(self.valid) {
            Some(value) => Ok(Some(Setting::new(value, origin))),
            None => Err(Error::bad_setting(self.name, &origin.to_string(), self.wish)),
        }
    }

    fn text(&self) -> Option<(&str, Origin)> {
        for name in &self.variables {
            if let Some(text) = self.layers.env.var(name) {
                return Some((text, Origin::Environment((*name).to_owned())));
            }
        }
        let profile = self.layers.profile.as_ref()?;
        let text = self.keys.iter().find_map(|key| profile.value(key))?;
        Some((text, Origin::Profile { name: profile.name().to_owned(), file: profile.file().to_owned() }))
    }

    fn note(&mut self, setting: &Setting<T>) {
        let (value, origin) = ((self.show)(setting.value()), setting.origin().to_string());
        self.layers.explanation.note(self.name, value, origin);
    }

    fn places(&self) -> String {
        let mut places = vec!["builder".to_owned()];
        places.extend(self.variables.iter().map(|name| format!("environment {name}")));
        if !self.keys.is_empty() {
            match (&self.layers.profile, &self.layers.no_profile) {
                (Some(profile), _) => places.push(format!("profile [{}] in {}", profile.name(), profile.file())),
                (None, Some(file)) => places.push(format!("{file}, which has no such profile or is not there")),
                (None, None) => {}
            }
        }
        places.join(", ")
    }
}

impl<T> fmt::Debug for Lookup<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("name", &self.name).finish_non_exhaustive()
    }
}
