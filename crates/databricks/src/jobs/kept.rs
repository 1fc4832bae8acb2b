//! Jobs that are kept: made, looked up, changed, removed.

use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use serde::Deserialize;
use serde_json::json;
use twinhouse_core::{
    Error, ErrorKind, Result,
    http::{Body, Method},
    resilience::Operation,
};

use super::{
    CreateJob, Job, JobId, JobSettings, Jobs, ListJobs, UpdateJob,
    check::{invalid, not_empty},
    pages::{self, JobPage, following},
    settings::check_settings,
};
use crate::api::client::JOBS;

#[derive(Deserialize)]
struct Created {
    job_id: JobId,
}

impl Jobs {
    /// Makes a job.
    ///
    /// The service has no token for this: if its answer is lost, the error says that the job may be there
    /// ([`Effect::Unknown`](twinhouse_core::Effect)), and nothing is sent again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] with the `field`, before anything is sent; or the service's.
    pub async fn create(&self, request: impl Into<CreateJob>) -> Result<JobId> {
        let request = request.into();
        check_settings(&request.settings, true)?;
        for (at, entry) in request.access_control_list.iter().enumerate() {
            entry.check(&format!("access_control_list[{at}]"))?;
        }
        let body = self.call(Method::POST, &["create"]).with_body(Body::json(&request)?);
        let operation = Operation::write("job.create").with_class(JOBS);
        let created: Created = self.client.json(operation, body).await?;
        if created.job_id.0 == 0 {
            return Err(Error::new(ErrorKind::Protocol, "the service made a job without naming it"));
        }
        Ok(created.job_id)
    }

    /// A job, with all its tasks however many pages they are.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none.
    pub async fn get(&self, job: JobId) -> Result<Job> {
        let mut whole: Option<Job> = None;
        let mut token = String::new();
        loop {
            let page = self.job_page(job, &token).await?;
            let next = page.next_page_token.clone().unwrap_or_default();
            match &mut whole {
                None => whole = Some(page),
                Some(whole) => extend(whole, page),
            }
            match following(&token, next)? {
                Some(next) => token = next,
                None => break,
            }
        }
        let mut whole = whole.unwrap_or_else(Job::new);
        (whole.has_more, whole.next_page_token) = (None, None);
        Ok(whole)
    }

    async fn job_page(&self, job: JobId, token: &str) -> Result<Job> {
        let job_id = job.to_string();
        let mut request = self.call(Method::GET, &["get"]).with_query([("job_id", job_id.as_str())]);
        if !token.is_empty() {
            request = request.with_query([("page_token", token)]);
        }
        let answer = self.client.json(Operation::read("job.get").with_class(JOBS), request).await;
        answer.map_err(|error| error.with_context("job_id", job_id))
    }

    /// Streams jobs, a page at a time.
    ///
    /// # Errors
    ///
    /// Through the stream, which then ends: [`ErrorKind::InvalidInput`] with the `field`, or the service's.
    pub fn list(&self, request: ListJobs) -> BoxStream<'static, Result<Job>> {
        let found = pages::stream::<JobPage>(self, "job.list", &["list"], request.query());
        if !request.expand_tasks {
            return found;
        }
        let jobs = self.clone();
        let whole = move |job: Job| {
            let jobs = jobs.clone();
            async move { if job.has_more == Some(true) { jobs.get(job.job_id).await } else { Ok(job) } }
        };
        found.and_then(whole).boxed()
    }

    /// Changes a job.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] with the `field`, before anything is sent; or the service's.
    pub async fn update(&self, request: UpdateJob) -> Result<()> {
        named(request.job_id)?;
        request.check()?;
        let body = self.call(Method::POST, &["update"]).with_body(Body::json(&request)?);
        // To change it to the same twice is to change it.
        self.done("job.update", request.job_id, body).await
    }

    /// Replaces what a job is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] with the `field`, before anything is sent; or the service's.
    pub async fn reset(&self, job: JobId, settings: JobSettings) -> Result<()> {
        named(job)?;
        check_settings(&settings, true)?;
        let body = Body::json(&json!({ "job_id": job, "new_settings": settings }))?;
        self.done("job.reset", job, self.call(Method::POST, &["reset"]).with_body(body)).await
    }

    /// Removes a job. Its runs that are under way go on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none.
    pub async fn delete(&self, job: JobId) -> Result<()> {
        named(job)?;
        let body = Body::json(&json!({ "job_id": job }))?;
        match self.done("job.delete", job, self.call(Method::POST, &["delete"]).with_body(body)).await {
            // An attempt whose answer was lost has removed it.
            Err(error) if error.kind() == ErrorKind::NotFound && error.attempts() > 1 => Ok(()),
            done => done,
        }
    }

    async fn done(&self, operation: &'static str, job: JobId, request: twinhouse_core::http::Request) -> Result<()> {
        let done = self.client.done(Operation::read(operation).with_class(JOBS), request).await;
        done.map_err(|error| error.with_context("job_id", job.to_string()))
    }

    /// The one job of this name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none, and [`ErrorKind::Conflict`] if there are several: names are not unique.
    pub async fn get_by_name(&self, name: &str) -> Result<Job> {
        not_empty("name", name)?;
        let mut found = self.list(ListJobs::new().with_name(name));
        let mut job: Option<Job> = None;
        while let Some(next) = found.try_next().await? {
            // The service ignores case; the name does not.
            if next.settings.as_ref().and_then(|settings| settings.name.as_deref()) != Some(name) {
                continue;
            }
            if let Some(first) = &job {
                return Err(Error::new(ErrorKind::Conflict, "there are several jobs of this name")
                    .with_context("name", name)
                    .with_context("jobs", format!("{}, {}", first.job_id, next.job_id)));
            }
            job = Some(next);
        }
        match job {
            Some(job) => self.get(job.job_id).await,
            None => Err(Error::new(ErrorKind::NotFound, "there is no job of this name").with_context("name", name)),
        }
    }
}

/// Later pages have more of what comes in lists, and nothing else that counts.
fn extend(whole: &mut Job, page: Job) {
    let Some(more) = page.settings else { return };
    let settings = whole.settings.get_or_insert_with(JobSettings::new);
    settings.tasks.extend(more.tasks);
    settings.job_clusters.extend(more.job_clusters);
    settings.environments.extend(more.environments);
    settings.parameters.extend(more.parameters);
}

pub(super) fn named(job: JobId) -> Result<()> {
    if job.0 == 0 { Err(invalid("job_id", "must be set")) } else { Ok(()) }
}
