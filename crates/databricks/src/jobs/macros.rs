//! What all JSON of jobs has in common, said once.

use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use serde_json::Value;

/// An object of the service: fields that it must have, and, after a semicolon, those that it may have. `rest` keeps
/// what this crate does not know, so that what was read can be written again.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$of:meta])* $field:ident: $type:ty,)*;
        $($(#[$may_of:meta])* $may:ident: $may_type:ty,)*
        $(..$rest:ident)?
    }) => {
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[non_exhaustive]
        $(#[$doc])*
        pub struct $name {
            $($(#[$of])* pub $field: $type,)*
            $(
                $(#[$may_of])*
                #[serde(
                    default,
                    skip_serializing_if = "crate::jobs::macros::is_default",
                    deserialize_with = "crate::jobs::macros::loose"
                )]
                pub $may: $may_type,
            )*
            $(
                /// Fields that this crate does not know. They are kept, and sent.
                #[serde(flatten)]
                pub $rest: serde_json::Map<String, serde_json::Value>,
            )?
        }

        impl $name {
            /// One with what it must have, and nothing else.
            #[allow(clippy::new_without_default)]
            pub fn new($($field: impl Into<$type>),*) -> Self {
                Self {
                    $($field: $field.into(),)*
                    $($may: Default::default(),)*
                    $($rest: serde_json::Map::new(),)?
                }
            }
        }
    };
}

/// What a task, a run and a job have: who is told of them, and when.
macro_rules! notice_setters {
    () => {
        setters! {
            /// When it is not well.
            with_health(health: some JobsHealthRules);
            /// Whom to write to.
            with_email_notifications(email_notifications: some EmailNotifications);
            /// Whom to call.
            with_webhook_notifications(webhook_notifications: some WebhookNotifications);
            /// When nobody is told after all.
            with_notification_settings(notification_settings: some NotificationSettings);
        }
    };
}

/// What a run and a job have: tasks, and what is around them.
macro_rules! surroundings_setters {
    () => {
        setters! {
            /// One more task.
            with_task(tasks: push Task);
            /// More tasks.
            with_tasks(tasks: all Task);
            /// One more environment of tasks on serverless compute.
            with_environment(environments: push JobEnvironment);
            /// How long a run may take.
            with_timeout(timeout_seconds: seconds);
            /// In whose name it works.
            with_run_as(run_as: some JobRunAs);
            /// Where code comes from.
            with_git_source(git_source: some GitSource);
            /// Whom serverless compute is charged to.
            with_budget_policy(budget_policy_id: some String);
        }
        notice_setters! {}
        queue_setters! {}
    };
}

/// What a run has, of a job or not, and a job: when it begins.
macro_rules! queue_setters {
    () => {
        setters! {
            /// How soon serverless compute begins.
            with_performance_target(performance_target: some PerformanceTarget);
        }

        /// Whether it waits where it cannot begin.
        #[must_use]
        pub fn with_queue(mut self, enabled: bool) -> Self {
            self.queue = Some(QueueSettings::new(enabled));
            self
        }
    };
}

pub(crate) use crate::{setters::setters, words::words};
pub(crate) use {notice_setters, queue_setters, record, surroundings_setters};

/// Whole seconds, rounded up: a limit that is cut to zero would be no limit.
pub(crate) fn seconds(time: std::time::Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

/// Fields with nothing in them are not sent.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads what may be missing, `null`, or a number written as text.
pub(crate) fn loose<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(from: D) -> Result<T, D::Error> {
    let value = match Value::deserialize(from)? {
        Value::Null => return Ok(T::default()),
        value => value,
    };
    let number = value.as_str().and_then(|text| text.parse::<serde_json::Number>().ok());
    match (serde_json::from_value(value), number) {
        (Ok(read), _) => Ok(read),
        (Err(_), Some(number)) => serde_json::from_value(Value::Number(number)).map_err(D::Error::custom),
        (Err(error), None) => Err(D::Error::custom(error)),
    }
}

#[cfg(test)]
#[allow(unreachable_pub)] // The macros make public types, also for tests.
mod tests {
    use serde_json::json;

    use super::{setters, words};

    words! {
        /// Sizes.
        Size {
            /// Small.
            Small = "SMALL",
        }
    }

    record! {
        /// A thing.
        Thing {
            /// Its name.
            name: String,
            ;
            /// How many.
            count: Option<i64>,
            /// How large.
            size: Option<Size>,
            /// Of what.
            parts: Vec<String>,
            /// How long.
            time: Option<u64>,
            ..rest
        }
    }

    impl Thing {
        setters! {
            /// In seconds.
            seconds(time: seconds);
            /// In milliseconds.
            millis(time: millis);
        }
    }

    #[test]
    fn what_is_read_can_be_written_again_known_or_not() {
        let wire = json!({ "name": "a", "count": 0, "size": "HUGE", "parts": ["p"], "new": { "x": [1] } });
        let thing: Thing = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!(thing.size, Some(Size::Other("HUGE".into())));
        assert_eq!(serde_json::to_value(&thing).unwrap(), wire);
    }

    #[test]
    fn times_are_rounded_up_and_have_an_end() {
        let time = std::time::Duration::from_nanos;
        assert_eq!((Thing::new("a").seconds(time(1)).time, Thing::new("a").millis(time(1)).time), (Some(1), Some(1)));
        assert_eq!(Thing::new("a").seconds(std::time::Duration::MAX).time, Some(u64::MAX));
        assert_eq!(Thing::new("a").millis(std::time::Duration::MAX).time, Some(u64::MAX));
    }

    #[test]
    fn missing_null_and_text_are_read_and_wrong_types_are_errors() {
        let thing: Thing = serde_json::from_str(r#"{"name":"a","count":"12","size":null,"parts":null}"#).unwrap();
        assert_eq!((thing.count, thing.size, thing.parts.len()), (Some(12), None, 0));
        for wrong in [r#"{"name":"a","count":"x"}"#, r#"{"name":"a","parts":{}}"#, r#"{"name":7}"#, "{}", "[]"] {
            assert!(serde_json::from_str::<Thing>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(serde_json::to_value(Thing::new("b")).unwrap(), json!({ "name": "b" }));
    }
}
