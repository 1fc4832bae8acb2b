//! The control plane of the provisioned cluster, as far as clients need it to connect.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Aws, CLUSTER, CUSTOM_DOMAIN,
    answer::Failure,
    call::Call,
    credentials::{For, iso, issue},
};

pub(super) const NAME: &str = "redshift";

pub(super) fn answer(aws: &Aws, call: &Call) -> Result<Value, Failure> {
    match call.action.as_str() {
        "GetClusterCredentials" => get_cluster_credentials(aws, call),
        "GetClusterCredentialsWithIAM" => get_cluster_credentials_with_iam(aws, call),
        "DescribeClusters" => describe_clusters(aws, call),
        "DescribeCustomDomainAssociations" => describe_custom_domains(aws, call),
        _ => Err(call.not_imitated()),
    }
}

/// There is one cluster, so a request that names none means it: Amazon's own Python driver sends such requests.
fn check_cluster(call: &Call) -> Result<(), Failure> {
    match (call.text("ClusterIdentifier"), call.text("CustomDomainName")) {
        (Some(CLUSTER), _) | (None, None | Some(CUSTOM_DOMAIN)) => Ok(()),
        (Some(other), _) => Err(not_found("ClusterNotFound", format!("Cluster {other} not found."))),
        (None, Some(other)) => {
            let message = format!("The custom domain {other} is not associated with a cluster.");
            Err(not_found("CustomDomainAssociationNotFoundFault", message))
        }
    }
}

fn not_found(code: &'static str, message: String) -> Failure {
    Failure::new(code, StatusCode::NOT_FOUND, message)
}

fn get_cluster_credentials(aws: &Aws, call: &Call) -> Result<Value, Failure> {
    check_cluster(call)?;
    let user = call.required("DbUser")?;
    if user.eq_ignore_ascii_case("public") || user.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Failure::invalid("DbUser is not a valid user name."));
    }
    let create = call.flag("AutoCreate");
    let login = format!("{}:{user}", if create { "IAMA" } else { "IAM" });
    let whom = For {
        login: login.clone(),
        user: user.to_lowercase(),
        create,
        groups: call.list("DbGroups"),
        database: call.text("DbName").map(str::to_owned),
    };
    let issued = issue(aws, call, "DurationSeconds", whom)?;
    Ok(json!({ "DbUser": login, "DbPassword": issued.password.expose(), "Expiration": iso(issued.expires) }))
}

fn get_cluster_credentials_with_iam(aws: &Aws, call: &Call) -> Result<Value, Failure> {
    check_cluster(call)?;
    let whom = For::identity(call, call.text("DbName"));
    let user = whom.login.clone();
    let issued = issue(aws, call, "DurationSeconds", whom)?;
    let expires = iso(issued.expires);
    Ok(json!({
        "DbUser": user,
        "DbPassword": issued.password.expose(),
        "Expiration": expires,
        "NextRefreshTime": expires,
    }))
}

fn describe_clusters(aws: &Aws, call: &Call) -> Result<Value, Failure> {
    check_cluster(call)?;
    let cluster = &aws.cluster;
    Ok(json!({ "Clusters": [{ "Cluster": {
        "ClusterIdentifier": CLUSTER,
        "ClusterStatus": "available",
        "ClusterAvailabilityStatus": "Available",
        "NodeType": "ra3.large",
        "NumberOfNodes": 1,
        "MasterUsername": cluster.user,
        "DBName": cluster.database,
        "Endpoint": { "Address": cluster.host, "Port": cluster.port },
        "ClusterNamespaceArn": aws.arn(NAME, &format!("namespace:{CLUSTER}")),
    }}]}))
}

/// Drivers ask which cluster answers to the host that they were given.
fn describe_custom_domains(aws: &Aws, call: &Call) -> Result<Value, Failure> {
    match call.text("CustomDomainName") {
        None | Some(CUSTOM_DOMAIN) => Ok(json!({ "Associations": [{ "Association": {
            "CustomDomainCertificateArn": aws.arn("acm", "certificate/twinhouse-sandbox"),
            "CertificateAssociations": [{ "CertificateAssociation": {
                "CustomDomainName": CUSTOM_DOMAIN,
                "ClusterIdentifier": CLUSTER,
            }}],
        }}]})),
        Some(other) => {
            let message = format!("The custom domain {other} is not associated with a cluster.");
            Err(not_found("CustomDomainAssociationNotFoundFault", message))
        }
    }
}
