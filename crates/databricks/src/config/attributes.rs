//! What can be said about who we are: each attribute, the variables and keys it is looked up under, and the way of
//! authenticating it belongs to.

use std::{collections::BTreeMap, fmt, str::FromStr};

use twinhouse_core::{
    Error, ErrorKind, Result, Secret,
    config::{Layers, Lookup, Origin, Setting},
};

/// A switch: `true`, `1`, `yes` or their opposites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flag(pub(crate) bool);

impl FromStr for Flag {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Self(true)),
            "false" | "0" | "no" | "off" => Ok(Self(false)),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an attribute's value can be.
pub(super) trait Kind: FromStr + fmt::Display {
    const WISH: &'static str;
    /// False if nothing is said by it.
    fn says(&self) -> bool;
}

impl Kind for String {
    const WISH: &'static str = "text";
    fn says(&self) -> bool {
        !self.trim().is_empty()
    }
}

impl Kind for Secret {
    const WISH: &'static str = "text";
    fn says(&self) -> bool {
        !self.is_empty()
    }
}

impl Kind for Flag {
    const WISH: &'static str = "`true` or `false`";
    fn says(&self) -> bool {
        true
    }
}

fn look<'a, T: Kind>(
    layers: &'a mut Layers,
    name: &'static str,
    variables: &[&'static str],
    keys: &[&'static str],
) -> Lookup<'a, T> {
    let mut lookup = layers.setting::<T>(name).check(T::says).wish(T::WISH);
    for variable in variables {
        lookup = lookup.env(variable);
    }
    for key in keys {
        lookup = lookup.profile(key);
    }
    lookup
}

macro_rules! attributes {
    ($($(#[$doc:meta])* $field:ident: $kind:ty, [$($variable:literal),*], [$($key:literal),*], $group:expr;)*) => {
        /// What the builder and the URL say.
        #[derive(Clone, Debug, Default)]
        pub(super) struct Given {
            $($(#[$doc])* pub(super) $field: Option<$kind>,)*
        }

        /// Every attribute that was found, and where.
        #[derive(Clone, Debug)]
        pub(crate) struct Attributes {
            $(pub(crate) $field: Option<Setting<$kind>>,)*
        }

        impl Given {
            /// True if it says nothing about who we are.
            pub(super) fn is_empty(&self) -> bool {
                true $(&& ($group.is_none() || self.$field.is_none()))*
            }
        }

        impl Attributes {
            pub(super) fn resolve(layers: &mut Layers, given: Given) -> Result<Self> {
                Ok(Self {
                    $($field: look::<$kind>(layers, stringify!($field), &[$($variable),*], &[$($key),*])
                        .given(given.$field)
                        .optional()?,)*
                })
            }

            /// The error for an attribute that is not there and must be.
            pub(super) fn missing(layers: &mut Layers, name: &str) -> Error {
                let error = match name {
                    $(stringify!($field) => {
                        look::<$kind>(layers, stringify!($field), &[$($variable),*], &[$($key),*]).required().err()
                    })*
                    _ => None,
                };
                error.unwrap_or_else(|| Error::new(ErrorKind::Config, format!("`{name}` is not set")))
            }

            /// True if the attribute of this name was found.
            pub(super) fn has(&self, name: &str) -> bool {
                match name {
                    $(stringify!($field) => self.$field.is_some(),)*
                    _ => false,
                }
            }

            /// What was found about who we are: way of authenticating, attribute, place.
            fn found(&self) -> Vec<(&'static str, &'static str, &Origin)> {
                let mut found = Vec::new();
                $(if let (Some(group), Some(setting)) = ($group, &self.$field) {
                    found.push((group, stringify!($field), setting.origin()));
                })*
                found
            }
        }

        /// The variables that say something about who we are.
        pub(super) fn variables() -> Vec<&'static str> {
            let mut variables = Vec::new();
            $({
                let group: Option<&str> = $group;
                let names: &[&'static str] = &[$($variable),*];
                if group.is_some() {
                    variables.extend_from_slice(names);
                }
            })*
            variables
        }
    };
}

const NONE: Option<&str> = None;

attributes! {
    account_id: String, ["DATABRICKS_ACCOUNT_ID"], ["account_id"], NONE;
    workspace_id: String, ["DATABRICKS_WORKSPACE_ID"], ["workspace_id"], NONE;
    group_id: String, ["DATABRICKS_GROUP_ID"], ["group_id"], NONE;
    cloud: String, ["DATABRICKS_CLOUD"], ["cloud"], NONE;
    discovery_url: String, ["DATABRICKS_DISCOVERY_URL"], ["discovery_url"], NONE;
    token: Secret, ["DATABRICKS_TOKEN"], ["token"], Some("pat");
    username: String, ["DATABRICKS_USERNAME"], ["username"], Some("basic");
    password: Secret, ["DATABRICKS_PASSWORD"], ["password"], Some("basic");
    client_id: String, ["DATABRICKS_CLIENT_ID"], ["client_id"], Some("oauth");
    client_secret: Secret, ["DATABRICKS_CLIENT_SECRET"], ["client_secret"], Some("oauth");
    token_audience: String, ["DATABRICKS_TOKEN_AUDIENCE"], ["token_audience", "audience"], NONE;
    oidc_token_env: String, ["DATABRICKS_OIDC_TOKEN_ENV"], ["oidc_token_env"], Some("env-oidc");
    oidc_token_filepath: String, ["DATABRICKS_OIDC_TOKEN_FILEPATH", "DATABRICKS_OIDC_TOKEN_FILE"],
        ["oidc_token_filepath", "databricks_id_token_filepath"], Some("file-oidc");
    google_service_account: String, ["DATABRICKS_GOOGLE_SERVICE_ACCOUNT"], ["google_service_account"], Some("google");
    google_credentials: Secret, ["GOOGLE_CREDENTIALS"], ["google_credentials"], Some("google");
    azure_workspace_resource_id: String, ["DATABRICKS_AZURE_RESOURCE_ID"], ["azure_workspace_resource_id"], Some("azure");
    azure_use_msi: Flag, ["ARM_USE_MSI"], ["azure_use_msi"], Some("azure");
    azure_client_id: String, ["ARM_CLIENT_ID", "AZURE_CLIENT_ID"], ["azure_client_id"], Some("azure");
    azure_client_secret: Secret, ["ARM_CLIENT_SECRET", "AZURE_CLIENT_SECRET"], ["azure_client_secret"], Some("azure");
    azure_tenant_id: String, ["ARM_TENANT_ID", "AZURE_TENANT_ID"], ["azure_tenant_id"], Some("azure");
    azure_environment: String, ["ARM_ENVIRONMENT"], ["azure_environment"], NONE;
    databricks_cli_path: String, ["DATABRICKS_CLI_PATH"], ["databricks_cli_path"], NONE;
    metadata_service_url: Secret, ["DATABRICKS_METADATA_SERVICE_URL"], ["metadata_service_url"], Some("metadata-service");
    scopes: String, [], ["scopes"], NONE;
    authorization_details: String, [], ["authorization_details"], NONE;
    cluster_id: String, ["DATABRICKS_CLUSTER_ID"], ["cluster_id"], NONE;
    serverless_compute_id: String, ["DATABRICKS_SERVERLESS_COMPUTE_ID"], ["serverless_compute_id"], NONE;
    disable_async_token_refresh: Flag, ["DATABRICKS_DISABLE_ASYNC_TOKEN_REFRESH"], ["disable_async_token_refresh"], NONE;
    skip_verify: Flag, [], ["skip_verify"], NONE;
}

impl Attributes {
    /// The ways of authenticating that something was said for, by name, with the attributes and their places.
    pub(super) fn groups(&self) -> BTreeMap<&'static str, Vec<String>> {
        let federated = self.oidc_token_env.is_some() || self.oidc_token_filepath.is_some();
        let mut groups: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for (group, name, origin) in self.found() {
            // A client id alone says for whom a federated token is asked; it is no second way.
            let for_federation = name == "client_id" && federated && self.client_secret.is_none();
            let ambient = matches!(origin, Origin::Environment(variable) if is_ambient(variable))
                && self.azure_client_secret.is_none();
            let off = name == "azure_use_msi" && self.azure_use_msi.as_ref().is_some_and(|flag| !flag.value().0);
            if !for_federation && !ambient && !off {
                groups.entry(group).or_default().push(format!("{name}: {origin}"));
            }
        }
        groups
    }

    pub(super) fn is_on(flag: Option<&Setting<Flag>>) -> bool {
        flag.is_some_and(|flag| flag.value().0)
    }
}

/// True for what Azure sets for every program in it: without a secret it is not meant for us.
pub(super) fn is_ambient(variable: &str) -> bool {
    variable.starts_with("AZURE_") && variable != "AZURE_CLIENT_SECRET"
}

/// The value of an attribute, as text.
pub(crate) fn text(setting: Option<&Setting<String>>) -> Option<&str> {
    setting.map(|setting| setting.value().as_str())
}
