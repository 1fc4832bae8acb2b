"""The cluster of the sandbox, as every PostgreSQL client is told of it."""

import os

HOST, PORT = "localhost", int(os.environ.get("PGPORT", "0"))
USER, PASSWORD, DATABASE = (os.environ.get(name, "") for name in ("PGUSER", "PGPASSWORD", "PGDATABASE"))
# The authority that signed the cluster's certificate.
CA = os.environ.get("TWINHOUSE_SANDBOX_CA", "")
# What COPY and UNLOAD may use.
KEYS = "ACCESS_KEY_ID '{}' SECRET_ACCESS_KEY '{}'".format(
    os.environ.get("AWS_ACCESS_KEY_ID", ""), os.environ.get("AWS_SECRET_ACCESS_KEY", "")
)
STAGING = os.environ.get("TWINHOUSE_STAGING_S3", "")
BUCKET = STAGING.removeprefix("s3://").partition("/")[0]
CLUSTER = "twinhouse-sandbox"
ROLE = "arn:aws:iam::123456789012:role/twinhouse-sandbox"
