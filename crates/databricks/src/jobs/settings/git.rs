//! Code out of a Git repository.

use twinhouse_core::Result;

use crate::jobs::{
    check::{invalid, not_empty},
    macros::{record, setters, words},
};

words! {
    /// Who hosts a repository.
    GitProvider {
        /// GitHub.
        GitHub = "gitHub",
        /// GitHub on one's own server.
        GitHubEnterprise = "gitHubEnterprise",
        /// GitLab.
        GitLab = "gitLab",
        /// GitLab on one's own server.
        GitLabEnterpriseEdition = "gitLabEnterpriseEdition",
        /// Bitbucket.
        BitbucketCloud = "bitbucketCloud",
        /// Bitbucket on one's own server.
        BitbucketServer = "bitbucketServer",
        /// Azure DevOps.
        AzureDevOpsServices = "azureDevOpsServices",
        /// CodeCommit.
        AwsCodeCommit = "awsCodeCommit",
    }
}

words! {
    /// Where code comes from. Unless said, from the repository if there is one.
    Source {
        /// From the workspace.
        Workspace = "WORKSPACE",
        /// From the repository of the job or run.
        Git = "GIT",
    }
}

record! {
    /// The repository that tasks take their code from, and which state of it.
    GitSource {
        /// Its address.
        git_url: String,
        /// Who hosts it.
        git_provider: GitProvider,
        ;
        /// The branch.
        git_branch: Option<String>,
        /// The tag.
        git_tag: Option<String>,
        /// The commit.
        git_commit: Option<String>,
        ..rest
    }
}

impl GitSource {
    setters! {
        /// The head of this branch.
        with_branch(git_branch: some String);
        /// This tag.
        with_tag(git_tag: some String);
        /// This commit.
        with_commit(git_commit: some String);
    }

    pub(crate) fn check(&self) -> Result<()> {
        not_empty("git_source.git_url", &self.git_url)?;
        let states = [&self.git_branch, &self.git_tag, &self.git_commit];
        match states.into_iter().filter(|state| state.is_some()).count() {
            0 => Err(invalid("git_source.git_branch", "must be set, or `git_tag`, or `git_commit`")),
            1 => Ok(()),
            _ => Err(invalid("git_source", "must name one of `git_branch`, `git_tag` and `git_commit`")),
        }
    }
}
