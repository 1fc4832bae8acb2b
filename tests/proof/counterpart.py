"""An imitation of AWS that nobody here wrote, moto's server, for our own AWS side to be held against.

    counterpart.py <settings.json> <folder> <seen.jsonl>

The settings say what there shall be: a bucket, a secret, a user of the database. The keys that may be used are printed
as JSON, in one line, when everything is there and signatures are checked. What is put into the bucket is also written
to the folder, where a sandbox finds it; every call is noted with its outcome. It ends with its standard input.
"""

import io
import json
import logging
import os
import sys
import threading
import urllib.request
from pathlib import Path

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

REGION = "us-east-1"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class Observed:
    """moto's own application; what goes in and comes out is looked at on the way."""

    def __init__(self, app, folder, seen):
        self.app, self.folder, self.seen, self.lock = app, Path(folder), open(seen, "w"), threading.Lock()

    def __call__(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)

        def begin(status, headers, *more):
            code = int(status.split()[0])
            key = path.lstrip("/")
            if method == "PUT" and code == 200 and "/" in key and not environ.get("QUERY_STRING"):
                file = self.folder / key
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(body)
            target = environ.get("HTTP_X_AMZ_TARGET") or (body[:200].decode("latin-1") if path == "/" else path)
            with self.lock:
                self.seen.write(json.dumps([method, target, code, body.count(b"<Key>")]) + "\n")
                self.seen.flush()
            return start_response(status, headers, *more)

        return self.app(environ, begin)


def main(settings, folder, seen):
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # nobody reads what it says
    settings = json.loads(Path(settings).read_text())
    server = make_server("127.0.0.1", 0, Observed(DomainDispatcherApplication(create_backend_app), folder, seen), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"

    def client(service):
        first = dict(aws_access_key_id="first", aws_secret_access_key="first", region_name=REGION)
        return boto3.client(service, endpoint_url=url, **first)

    client("s3").create_bucket(Bucket=settings["bucket"])
    iam = client("iam")
    iam.create_user(UserName="ours")
    iam.put_user_policy(UserName="ours", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING))
    key = iam.create_access_key(UserName="ours")["AccessKey"]
    trusted = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}]}
    role = iam.create_role(RoleName="night", AssumeRolePolicyDocument=json.dumps(trusted))["Role"]["Arn"]
    iam.put_role_policy(RoleName="night", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING))
    assumed = client("sts").assume_role(RoleArn=role, RoleSessionName="night")["Credentials"]
    client("secretsmanager").create_secret(Name="login", SecretString=json.dumps(settings["login"]))
    client("redshift").create_cluster(
        ClusterIdentifier="counterpart", NodeType="ra3.large", MasterUsername="somebody", MasterUserPassword="Some-body-1")
    # From now on every signature is checked.
    request = urllib.request.Request(url + "/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"})
    urllib.request.urlopen(request).close()
    print(json.dumps({
        "endpoint": url, "region": REGION, "cluster": "counterpart", "secret": "login",
        "id": key["AccessKeyId"], "key": key["SecretAccessKey"],
        "assumed": [assumed["AccessKeyId"], assumed["SecretAccessKey"], assumed["SessionToken"]],
    }), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
