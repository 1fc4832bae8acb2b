//! Azure's clouds: the public one, and those of governments and countries.

use twinhouse_core::{Error, ErrorKind, Result, http::Url};

/// The application id of Azure Databricks, the same in every tenant.
const DATABRICKS: &str = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d";
const INSTANCE: &str = "http://169.254.169.254/";

/// Where a cloud of Azure has its directory, its management and its machines' identity service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureCloud {
    login: Url,
    arm: Url,
    instance: Url,
    management: String,
    databricks: String,
}

impl AzureCloud {
    /// The public cloud.
    pub fn public() -> Self {
        Self::known("login.microsoftonline.com", "management.azure.com", "management.core.windows.net")
    }

    /// The cloud of the government of the United States.
    pub fn us_government() -> Self {
        Self::known("login.microsoftonline.us", "management.usgovcloudapi.net", "management.core.usgovcloudapi.net")
    }

    /// The cloud in China.
    pub fn china() -> Self {
        Self::known("login.chinacloudapi.cn", "management.chinacloudapi.cn", "management.core.chinacloudapi.cn")
    }

    fn known(login: &str, arm: &str, management: &str) -> Self {
        let url = |text: &str| Url::parse(text).unwrap_or_else(|_| unreachable!("{text} is an address"));
        Self {
            login: url(&format!("https://{login}/")),
            arm: url(&format!("https://{arm}/")),
            instance: url(INSTANCE),
            management: format!("https://{management}/"),
            databricks: DATABRICKS.to_owned(),
        }
    }

    /// The cloud of this name, as `ARM_ENVIRONMENT` has it: `PUBLIC`, `USGOVERNMENT`, `CHINA`, also written
    /// `AzurePublicCloud` and the like.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for another name.
    pub fn named(name: &str) -> Result<Self> {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_uppercase();
        let plain = plain.strip_prefix("AZURE").unwrap_or(&plain);
        match plain.strip_suffix("CLOUD").unwrap_or(plain) {
            "PUBLIC" | "" => Ok(Self::public()),
            "USGOVERNMENT" | "USGOV" => Ok(Self::us_government()),
            "CHINA" => Ok(Self::china()),
            _ => Err(Error::new(ErrorKind::Config, "there is no such cloud of Azure")
                .with_context("setting", "azure_environment")
                .with_context("known", "PUBLIC, USGOVERNMENT, CHINA")),
        }
    }

    /// Logs in here, for a cloud of one's own and for tests.
    #[must_use]
    pub fn with_login(mut self, url: Url) -> Self {
        self.login = url;
        self
    }

    /// Asks here about resources.
    #[must_use]
    pub fn with_resource_manager(mut self, url: Url) -> Self {
        self.arm = url;
        self
    }

    /// Asks here for the identity of this machine.
    #[must_use]
    pub fn with_instance_metadata(mut self, url: Url) -> Self {
        self.instance = url;
        self
    }

    /// Asks for tokens for this application in place of Azure Databricks, as its own test environments need.
    #[must_use]
    pub fn with_databricks_resource(mut self, id: impl Into<String>) -> Self {
        self.databricks = id.into();
        self
    }

    /// The directory.
    pub fn login(&self) -> &Url {
        &self.login
    }

    /// The resource manager.
    pub fn resource_manager(&self) -> &Url {
        &self.arm
    }

    pub(super) fn instance(&self) -> &Url {
        &self.instance
    }

    /// The resource that a token for Azure's management is for.
    pub(super) fn management(&self) -> &str {
        &self.management
    }

    /// The resource that a token for Databricks is for.
    pub(super) fn databricks(&self) -> &str {
        &self.databricks
    }
}

impl Default for AzureCloud {
    fn default() -> Self {
        Self::public()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_cloud_is_known() {
        for (names, cloud) in [
            (["PUBLIC", "public", "AzurePublicCloud", "AZURE_PUBLIC_CLOUD"], AzureCloud::public()),
            (["USGOVERNMENT", "usgov", "AzureUSGovernmentCloud", "AzureUSGovernment"], AzureCloud::us_government()),
            (["CHINA", "AzureChinaCloud", "china", "AZURE CHINA"], AzureCloud::china()),
        ] {
            for name in names {
                assert_eq!(AzureCloud::named(name).unwrap(), cloud, "{name}");
            }
        }
        assert_eq!(AzureCloud::named("GERMANY").unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(AzureCloud::china().login().as_str(), "https://login.chinacloudapi.cn/");
        assert_eq!(AzureCloud::us_government().management(), "https://management.core.usgovcloudapi.net/");
    }
}
