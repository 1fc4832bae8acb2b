"""Amazon's own driver for Python: log-in by temporary credentials."""

import os

import cluster
import pytest
import redshift_connector
from claims import claim, refusal

CLIENT = "redshift_connector"


@pytest.fixture(autouse=True)
def authority(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", cluster.CA)


def connect(**changes):
    login = dict(
        iam=True,
        database=cluster.DATABASE,
        region=os.environ["AWS_REGION"],
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        iam_disable_cache=True,
    )
    return redshift_connector.connect(**{**login, **changes})


def who(connection):
    with connection:
        return connection.cursor().execute("select current_user").fetchone()[0]


@claim("a user of the cluster logs in by GetClusterCredentials, and the cluster is found by DescribeClusters",
       call="GetClusterCredentials, DescribeClusters", engine="PostgreSQL")
def test_cluster():
    assert who(connect(cluster_identifier=cluster.CLUSTER, db_user=cluster.USER)) == cluster.USER


@claim("the driver's request without ClusterIdentifier means the one cluster there is",
       call="GetClusterCredentials", engine="PostgreSQL")
def test_host_and_port():
    login = dict(host=cluster.HOST, port=cluster.PORT, db_user=cluster.USER)
    assert who(connect(**login)) == cluster.USER


@claim("a user that does not exist yet is made where the caller says so", call="GetClusterCredentials AutoCreate",
       engine="PostgreSQL")
def test_auto_create(unique):
    assert who(connect(cluster_identifier=cluster.CLUSTER, db_user=unique, auto_create=True)) == unique


@claim("the caller's own identity is a user of the cluster", call="GetClusterCredentialsWithIAM", engine="PostgreSQL")
def test_with_iam():
    assert who(connect(cluster_identifier=cluster.CLUSTER, group_federation=True)) == "IAM:sandbox"


@claim("the same database is a serverless workgroup", call="RedshiftServerless.GetCredentials, GetWorkgroup",
       engine="PostgreSQL")
def test_serverless():
    assert who(connect(is_serverless=True, serverless_work_group=cluster.CLUSTER)) == "IAM:sandbox"


@refusal("a cluster of another name", call="GetClusterCredentials", message="Cluster other not found.")
def test_unknown_cluster(refused):
    with pytest.raises(Exception) as error:
        connect(cluster_identifier="other", db_user=cluster.USER)
    assert refused in str(error.value)


@refusal("temporary credentials for a user that is not there and is not to be made", call="StartupMessage", message='password authentication failed for user "IAM:nobody_here"')
def test_unknown_user(refused):
    with pytest.raises(Exception) as error:
        connect(cluster_identifier=cluster.CLUSTER, db_user="nobody_here")
    assert refused in str(error.value)


@refusal("keys that are not the sandbox's", call="SigV4",
         message="The security token included in the request is invalid.")
def test_wrong_keys(refused):
    with pytest.raises(Exception) as error:
        connect(cluster_identifier=cluster.CLUSTER, db_user=cluster.USER, access_key_id="AKIAWRONG")
    assert refused in str(error.value)
