//! Who runs it, and who may.

use twinhouse_core::Result;

use crate::jobs::{
    check::invalid,
    macros::{record, words},
};

words! {
    /// What somebody may do with a job.
    PermissionLevel {
        /// Look at it.
        CanView = "CAN_VIEW",
        /// Look at it, run and stop it.
        CanManageRun = "CAN_MANAGE_RUN",
        /// Everything.
        CanManage = "CAN_MANAGE",
        /// Everything, and it is theirs.
        IsOwner = "IS_OWNER",
    }
}

macro_rules! somebody {
    ($name:ident) => {
        impl $name {
            /// A user, by name.
            pub fn user(name: impl Into<String>) -> Self {
                Self { user_name: Some(name.into()), ..Self::new() }
            }

            /// A service principal, by its application id.
            pub fn service_principal(application_id: impl Into<String>) -> Self {
                Self { service_principal_name: Some(application_id.into()), ..Self::new() }
            }

            /// A group, by name.
            pub fn group(name: impl Into<String>) -> Self {
                Self { group_name: Some(name.into()), ..Self::new() }
            }

            fn check_who(&self, field: &str) -> Result<()> {
                let who = [&self.user_name, &self.service_principal_name, &self.group_name];
                match who.into_iter().flatten().map(String::as_str).collect::<Vec<_>>()[..] {
                    [name] if !name.trim().is_empty() => Ok(()),
                    _ => Err(invalid(field, "must name one of `user_name`, `service_principal_name` and `group_name`")),
                }
            }
        }
    };
}

record! {
    /// In whose name a run works, where that is not whoever started it.
    JobRunAs {
        ;
        /// A user.
        user_name: Option<String>,
        /// A service principal, by its application id.
        service_principal_name: Option<String>,
        /// A group.
        group_name: Option<String>,
    }
}

somebody!(JobRunAs);

impl JobRunAs {
    pub(crate) fn check(&self) -> Result<()> {
        self.check_who("run_as")
    }
}

record! {
    /// What somebody may do.
    AccessControlRequest {
        ;
        /// A user.
        user_name: Option<String>,
        /// A service principal, by its application id.
        service_principal_name: Option<String>,
        /// A group.
        group_name: Option<String>,
        /// What they may do.
        permission_level: Option<PermissionLevel>,
    }
}

somebody!(AccessControlRequest);

impl AccessControlRequest {
    /// What they may do.
    #[must_use]
    pub fn may(mut self, level: PermissionLevel) -> Self {
        self.permission_level = Some(level);
        self
    }

    pub(crate) fn check(&self, field: &str) -> Result<()> {
        self.check_who(field)?;
        if self.permission_level.is_none() {
            return Err(invalid(format!("{field}.permission_level"), "must be set"));
        }
        Ok(())
    }
}
