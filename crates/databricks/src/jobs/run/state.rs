//! Where a run stands, in the two ways that the service says it.

use crate::jobs::macros::{record, words};

words! {
    /// Where a run stands, in the older way.
    RunLifeCycleState {
        /// It waits for its turn.
        Queued = "QUEUED",
        /// It is being prepared.
        Pending = "PENDING",
        /// It is at work.
        Running = "RUNNING",
        /// It is being tidied up after.
        Terminating = "TERMINATING",
        /// It is over; the result says how.
        Terminated = "TERMINATED",
        /// It is over: another run of the job was at work.
        Skipped = "SKIPPED",
        /// It is over: the service failed.
        InternalError = "INTERNAL_ERROR",
        /// It waits for others.
        Blocked = "BLOCKED",
        /// It has failed and will be tried again.
        WaitingForRetry = "WAITING_FOR_RETRY",
    }
}

words! {
    /// How a run came out, in the older way.
    RunResultState {
        /// Well.
        Success = "SUCCESS",
        /// A task failed.
        Failed = "FAILED",
        /// It ran out of time.
        TimedOut = "TIMEDOUT",
        /// Somebody stopped it.
        Canceled = "CANCELED",
        /// There were as many runs of the job as there may be.
        MaximumConcurrentRunsReached = "MAXIMUM_CONCURRENT_RUNS_REACHED",
        /// A condition left it out.
        Excluded = "EXCLUDED",
        /// Tasks failed, but not those at the end.
        SuccessWithFailures = "SUCCESS_WITH_FAILURES",
        /// What it waited for failed.
        UpstreamFailed = "UPSTREAM_FAILED",
        /// What it waited for was stopped.
        UpstreamCanceled = "UPSTREAM_CANCELED",
        /// It is switched off.
        Disabled = "DISABLED",
    }
}

words! {
    /// Where a run stands, in the newer way.
    RunStatusState {
        /// It waits for its turn.
        Queued = "QUEUED",
        /// It is being prepared.
        Pending = "PENDING",
        /// It is at work.
        Running = "RUNNING",
        /// It is being tidied up after.
        Terminating = "TERMINATING",
        /// It is over; the details say how.
        Terminated = "TERMINATED",
        /// It waits for others.
        Blocked = "BLOCKED",
        /// It waits to be tried again.
        Waiting = "WAITING",
    }
}

words! {
    /// Why a run is over.
    TerminationCode {
        /// It came out well.
        Success = "SUCCESS",
        /// Tasks failed, but not those at the end.
        SuccessWithFailures = "SUCCESS_WITH_FAILURES",
        /// A user stopped it.
        UserCanceled = "USER_CANCELED",
        /// The service stopped it, for example because its time had run out.
        Canceled = "CANCELED",
        /// It never began.
        Skipped = "SKIPPED",
        /// It is switched off.
        Disabled = "DISABLED",
        /// Its code failed.
        RunExecutionError = "RUN_EXECUTION_ERROR",
        /// Its driver failed.
        DriverError = "DRIVER_ERROR",
        /// Its cluster failed.
        ClusterError = "CLUSTER_ERROR",
        /// The cluster was asked for too often.
        ClusterRequestLimitExceeded = "CLUSTER_REQUEST_LIMIT_EXCEEDED",
        /// There is no such cluster to be had.
        InvalidClusterRequest = "INVALID_CLUSTER_REQUEST",
        /// It cannot be run as it is written.
        InvalidRunConfiguration = "INVALID_RUN_CONFIGURATION",
        /// A library could not be installed.
        LibraryInstallationError = "LIBRARY_INSTALLATION_ERROR",
        /// The repository could not be read.
        RepositoryCheckoutFailed = "REPOSITORY_CHECKOUT_FAILED",
        /// Something that it needs is not there.
        ResourceNotFound = "RESOURCE_NOT_FOUND",
        /// Storage could not be read or written.
        StorageAccessError = "STORAGE_ACCESS_ERROR",
        /// It may not do what it does.
        UnauthorizedError = "UNAUTHORIZED_ERROR",
        /// The workspace has as many runs as it may have.
        WorkspaceRunLimitExceeded = "WORKSPACE_RUN_LIMIT_EXCEEDED",
        /// The job has as many runs as it may have.
        MaxConcurrentRunsExceeded = "MAX_CONCURRENT_RUNS_EXCEEDED",
        /// As many runs wait as may wait.
        MaxJobQueueSizeExceeded = "MAX_JOB_QUEUE_SIZE_EXCEEDED",
        /// The cluster has as many contexts as it may have.
        MaxSparkContextsExceeded = "MAX_SPARK_CONTEXTS_EXCEEDED",
        /// A feature that it needs is switched off.
        FeatureDisabled = "FEATURE_DISABLED",
        /// The budget is used up.
        BudgetPolicyLimitExceeded = "BUDGET_POLICY_LIMIT_EXCEEDED",
        /// A change of the service broke it.
        BreakingChange = "BREAKING_CHANGE",
        /// The cloud failed.
        CloudFailure = "CLOUD_FAILURE",
        /// The service failed.
        InternalError = "INTERNAL_ERROR",
    }
}

words! {
    /// Whose fault it was.
    TerminationType {
        /// Nobody's: it came out well.
        Success = "SUCCESS",
        /// The service's: another try may come out well.
        InternalError = "INTERNAL_ERROR",
        /// The caller's: another try will fail in the same way.
        ClientError = "CLIENT_ERROR",
        /// The cloud's: another try may come out well.
        CloudFailure = "CLOUD_FAILURE",
    }
}

record! {
    /// Where a run stands, in the older way.
    RunState {
        ;
        /// Where it stands.
        life_cycle_state: Option<RunLifeCycleState>,
        /// How it came out.
        result_state: Option<RunResultState>,
        /// More about it, for people.
        state_message: Option<String>,
        /// Whether a user stopped it, or it ran out of time.
        user_cancelled_or_timedout: Option<bool>,
        /// Why it waits.
        queue_reason: Option<String>,
    }
}

record! {
    /// Why a run is over.
    TerminationDetails {
        ;
        /// Why.
        code: Option<TerminationCode>,
        /// Whose fault it was.
        r#type: Option<TerminationType>,
        /// More about it, for people.
        message: Option<String>,
    }
}

record! {
    /// Why a run waits.
    QueueDetails {
        ;
        /// Why.
        code: Option<String>,
        /// More about it, for people.
        message: Option<String>,
    }
}

record! {
    /// Where a run stands, in the newer way.
    RunStatus {
        ;
        /// Where it stands.
        state: Option<RunStatusState>,
        /// Why it is over.
        termination_details: Option<TerminationDetails>,
        /// Why it waits.
        queue_details: Option<QueueDetails>,
    }
}
