//! Who may read and write the storage.

use twinhouse_core::Secret;

use super::report::Report;

/// The role and the keys that the sandbox's storage takes.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    /// `arn:aws:iam::<account>:role/<name>`
    pub(crate) role: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Secret,
}

/// How a COPY or UNLOAD says who it is.
#[derive(Clone, Debug)]
pub(super) enum Authorization {
    Role(String),
    Keys { id: String, secret: Secret },
}

impl Grant {
    /// Refuses strangers as the service does.
    pub(super) fn check(&self, authorization: &Authorization) -> Result<(), Report> {
        match authorization {
            Authorization::Role(role) if role == "default" || *role == self.role => Ok(()),
            Authorization::Role(role) => Err(Report::internal(format!(
                "User arn:aws:redshift:us-east-1:000000000000:dbuser:sandbox/user is not authorized to assume IAM Role {role}"
            ))
            .with_detail(block("User is not authorized to assume IAM Role", 8001, role))),
            Authorization::Keys { id, secret }
                if *id == self.access_key_id && secret.expose() == self.secret_access_key.expose() =>
            {
                Ok(())
            }
            Authorization::Keys { id, .. } => {
                let known = *id == self.access_key_id;
                let error = if known { "SignatureDoesNotMatch" } else { "InvalidAccessKeyId" };
                let message = format!("S3ServiceException:Access Denied,Status 403,Error {error},Rid 0,ExtRid 0,CanRetry 1");
                Err(Report::internal(message.clone()).with_detail(block(&message, 8001, "Listing bucket")))
            }
        }
    }
}

/// The block of detail that errors of the execution engine come with.
pub(super) fn block(error: &str, code: u32, context: &str) -> String {
    let rule = "-----------------------------------------------";
    format!(
        "\n  {rule}\n  error:  {error}\n  code:      {code}\n  context:   {context}\n  query:     0\n  \
         location:  sandbox\n  process:   padbmaster [pid=0]\n  {rule}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_refused_and_keys_never_shown() {
        let grant = Grant {
            role: "arn:aws:iam::1:role/sandbox".to_owned(),
            access_key_id: "AKIA1".to_owned(),
            secret_access_key: "s3cret".into(),
        };
        assert!(grant.check(&Authorization::Role("default".to_owned())).is_ok());
        assert!(grant.check(&Authorization::Role("arn:aws:iam::1:role/sandbox".to_owned())).is_ok());
        assert!(grant.check(&Authorization::Role("arn:aws:iam::1:role/other".to_owned())).is_err());
        let keys = |id: &str, secret: &str| Authorization::Keys { id: id.to_owned(), secret: secret.into() };
        assert!(grant.check(&keys("AKIA1", "s3cret")).is_ok());
        let report = grant.check(&keys("AKIA1", "guessed")).expect_err("wrong secret");
        assert!(report.message.contains("SignatureDoesNotMatch"));
        assert!(!format!("{report:?}").contains("guessed"));
        assert!(grant.check(&keys("AKIA2", "s3cret")).is_err_and(|r| r.message.contains("InvalidAccessKeyId")));
    }
}
