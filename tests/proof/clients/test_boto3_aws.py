"""boto3 on what is around the cluster: control planes, identities, secrets."""

import datetime
import json
import os

import boto3
import cluster
import psycopg2
import pytest
from botocore.exceptions import ClientError
from claims import claim, refusal

CLIENT = "boto3"


def refuses(code, call):
    with pytest.raises(ClientError) as error:
        call()
    assert error.value.response["Error"]["Code"] == code
    return error.value.response["Error"]["Message"]


def who(user, password):
    login = dict(host=cluster.HOST, port=cluster.PORT, dbname=cluster.DATABASE, sslmode="verify-full", sslrootcert=cluster.CA)
    connection = psycopg2.connect(user=user, password=password, **login)
    cursor = connection.cursor()
    cursor.execute("select current_user")
    (answer,) = cursor.fetchone()
    connection.close()
    return answer


@claim("the cluster is described, and its endpoint is the one that listens", call="redshift DescribeClusters", engine="memory")
def test_clusters():
    (told,) = boto3.client("redshift").describe_clusters()["Clusters"]
    assert (told["ClusterIdentifier"], told["ClusterStatus"], told["DBName"]) == (cluster.CLUSTER, "available", cluster.DATABASE)
    assert told["Endpoint"]["Port"] == cluster.PORT


@claim("the waiter for an available cluster ends at once", call="redshift DescribeClusters", engine="memory")
def test_waiter():
    boto3.client("redshift").get_waiter("cluster_available").wait(
        ClusterIdentifier=cluster.CLUSTER, WaiterConfig={"Delay": 1, "MaxAttempts": 1})


@claim("temporary credentials of the cluster log in, until they expire", call="redshift GetClusterCredentials",
       engine="PostgreSQL")
def test_cluster_credentials():
    issued = boto3.client("redshift").get_cluster_credentials(
        ClusterIdentifier=cluster.CLUSTER, DbUser=cluster.USER, DbName=cluster.DATABASE, DurationSeconds=900)
    assert issued["DbUser"] == f"IAM:{cluster.USER}"
    lives = issued["Expiration"] - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(minutes=14) < lives < datetime.timedelta(minutes=16)
    assert who(issued["DbUser"], issued["DbPassword"]) == cluster.USER


@claim("the caller's identity has credentials of its own", call="redshift GetClusterCredentialsWithIAM", engine="PostgreSQL")
def test_credentials_with_iam():
    issued = boto3.client("redshift").get_cluster_credentials_with_iam(ClusterIdentifier=cluster.CLUSTER)
    assert who(issued["DbUser"], issued["DbPassword"]) == "IAM:sandbox"


@claim("which cluster a custom name means", call="redshift DescribeCustomDomainAssociations", engine="memory")
def test_custom_domain():
    (told,) = boto3.client("redshift").describe_custom_domain_associations(CustomDomainName="localhost")["Associations"]
    assert told["CertificateAssociations"] == [{"CustomDomainName": "localhost", "ClusterIdentifier": cluster.CLUSTER}]


@claim("the workgroup is described, and its credentials log in", call="redshift-serverless GetWorkgroup, GetCredentials",
       engine="PostgreSQL")
def test_workgroup():
    serverless = boto3.client("redshift-serverless")
    told = serverless.get_workgroup(workgroupName=cluster.CLUSTER)["workgroup"]
    assert (told["status"], told["endpoint"]["port"]) == ("AVAILABLE", cluster.PORT)
    issued = serverless.get_credentials(workgroupName=cluster.CLUSTER, dbName=cluster.DATABASE)
    assert who(issued["dbUser"], issued["dbPassword"]) == "IAM:sandbox"


@claim("the login of the cluster's owner is a secret, in the shape of the console's", call="secretsmanager GetSecretValue",
       engine="memory")
def test_secret():
    secret = boto3.client("secretsmanager").get_secret_value(SecretId="twinhouse-sandbox/redshift")
    login = json.loads(secret["SecretString"])
    assert (login["engine"], login["dbClusterIdentifier"], login["port"]) == ("redshift", cluster.CLUSTER, cluster.PORT)
    assert who(login["username"], login["password"]) == cluster.USER


@claim("the caller is told who it is", call="sts GetCallerIdentity", engine="memory")
def test_identity():
    told = boto3.client("sts").get_caller_identity()
    assert (told["Account"], told["Arn"]) == ("123456789012", "arn:aws:iam::123456789012:user/sandbox")


@claim("an assumed role has its own keys and session token, and is somebody else in the database",
       call="sts AssumeRole", engine="PostgreSQL")
def test_assume_role():
    keys = boto3.client("sts").assume_role(RoleArn=cluster.ROLE, RoleSessionName="night")["Credentials"]
    session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    assert session.client("sts").get_caller_identity()["Arn"].endswith(":assumed-role/twinhouse-sandbox/night")
    issued = session.client("redshift").get_cluster_credentials_with_iam(ClusterIdentifier=cluster.CLUSTER)
    assert who(issued["DbUser"], issued["DbPassword"]) == "IAMR:twinhouse-sandbox"


@refusal("a signature made with another secret", call="SigV4",
         message="The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                 "Access Key and signing method. Consult the service documentation for details.")
def test_wrong_secret(refused):
    client = boto3.client(
        "sts", aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"], aws_secret_access_key="wrong")
    assert refuses("SignatureDoesNotMatch", client.get_caller_identity) == refused


@refusal("a role that cannot be assumed", call="sts AssumeRole",
         message="User: arn:aws:iam::123456789012:user/sandbox is not authorized to perform: sts:AssumeRole on resource: "
                 "arn:aws:iam::123456789012:role/other")
def test_unknown_role(refused):
    call = lambda: boto3.client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/other", RoleSessionName="night")  # noqa: E731
    assert refuses("AccessDenied", call) == refused


@refusal("a secret that is not there", call="secretsmanager GetSecretValue",
         message="Secrets Manager can't find the specified secret.")
def test_unknown_secret(refused):
    call = lambda: boto3.client("secretsmanager").get_secret_value(SecretId="other")  # noqa: E731
    assert refuses("ResourceNotFoundException", call) == refused


@refusal("making clusters: there is one", call="redshift CreateCluster",
         message="The sandbox does not imitate redshift:CreateCluster.")
def test_create_cluster(refused):
    call = lambda: boto3.client("redshift").create_cluster(  # noqa: E731
        ClusterIdentifier="two", NodeType="ra3.large", MasterUsername="u")
    assert refuses("InvalidAction", call) == refused


@refusal("another service", call="iam ListUsers", message="The sandbox does not imitate iam:ListUsers.")
def test_other_services(refused):
    client = boto3.client("iam", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    assert refuses("InvalidAction", client.list_users) == refused
