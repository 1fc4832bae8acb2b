//! What the name of a host says about the server behind it.

/// A host that is named as AWS names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint<'a> {
    /// `<cluster>.<hash>.<region>.redshift.amazonaws.com`
    Cluster { identifier: &'a str, region: &'a str },
    /// `<workgroup>.<account>.<region>.redshift-serverless.amazonaws.com`; older ones lack the account.
    Serverless { workgroup: &'a str, region: &'a str },
    /// A name of one's own, an address, a tunnel: it says nothing.
    Other,
}

impl<'a> Endpoint<'a> {
    pub(crate) fn of(host: &'a str) -> Self {
        let host = host.trim_end_matches('.');
        // China has a domain of its own; GovCloud has not.
        let Some(name) = strip_suffix(host, ".amazonaws.com.cn").or_else(|| strip_suffix(host, ".amazonaws.com"))
        else {
            return Self::Other;
        };
        let parts: Vec<_> = name.split('.').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Self::Other;
        }
        let is = |service: &str, wanted: &str| {
            let service = service.to_ascii_lowercase();
            service.strip_suffix("-dev").unwrap_or(&service) == wanted
        };
        match *parts {
            [identifier, _, region, service] if is(service, "redshift") => Self::Cluster { identifier, region },
            [workgroup, _, region, service] | [workgroup, region, service] if is(service, "redshift-serverless") => {
                Self::Serverless { workgroup, region }
            }
            _ => Self::Other,
        }
    }

    pub(crate) fn region(&self) -> Option<&'a str> {
        match self {
            Self::Cluster { region, .. } | Self::Serverless { region, .. } => Some(region),
            Self::Other => None,
        }
    }
}

/// Names of hosts have no case.
fn strip_suffix<'a>(host: &'a str, suffix: &str) -> Option<&'a str> {
    let (name, end) = host.split_at_checked(host.len().checked_sub(suffix.len())?)?;
    end.eq_ignore_ascii_case(suffix).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_name_says_what_it_says_and_no_more() {
        let cluster = |identifier, region| Endpoint::Cluster { identifier, region };
        let serverless = |workgroup, region| Endpoint::Serverless { workgroup, region };
        for (host, wanted) in [
            ("sales.abc123xyz.eu-west-1.redshift.amazonaws.com", cluster("sales", "eu-west-1")),
            ("sales.abc123xyz.us-gov-west-1.redshift.amazonaws.com", cluster("sales", "us-gov-west-1")),
            ("sales.abc123xyz.cn-north-1.redshift.amazonaws.com.cn", cluster("sales", "cn-north-1")),
            ("sales.abc.us-east-1.redshift-dev.amazonaws.com", cluster("sales", "us-east-1")),
            ("Sales.abc.us-east-1.Redshift.AmazonAWS.com.", cluster("Sales", "us-east-1")),
            ("wg.123456789012.us-east-1.redshift-serverless.amazonaws.com", serverless("wg", "us-east-1")),
            ("wg.us-east-1.redshift-serverless.amazonaws.com", serverless("wg", "us-east-1")),
            ("wg.123456789012.cn-north-1.redshift-serverless.amazonaws.com.cn", serverless("wg", "cn-north-1")),
            ("warehouse.example.com", Endpoint::Other),
            ("sales.abc.eu-west-1.rds.amazonaws.com", Endpoint::Other),
            ("sales.eu-west-1.redshift.amazonaws.com", Endpoint::Other),
            ("a..eu-west-1.redshift.amazonaws.com", Endpoint::Other),
            ("redshift.amazonaws.com", Endpoint::Other),
            ("sales.abc.eu-west-1.redshift.amazonaws.com.evil.example", Endpoint::Other),
            ("127.0.0.1", Endpoint::Other),
            ("é", Endpoint::Other),
            ("", Endpoint::Other),
        ] {
            assert_eq!(Endpoint::of(host), wanted, "{host}");
        }
    }
}
