//! Google's identity in front of Databricks on Google Cloud.

mod assertion;
mod credentials;
mod impersonation;

pub use credentials::GoogleCredentials;
pub use impersonation::{GoogleEndpoints, GoogleId};

/// Carries an access token beside the identity token, for calls that make things in the customer's project.
const ACCESS: &str = "X-Databricks-GCP-SA-Access-Token";
const SCOPES: [&str; 2] = ["https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/compute"];
