"""Logins of the official SDK, unmodified, against the sandbox."""

import base64
import json
import os
import urllib.error
import urllib.parse
import urllib.request

import pytest
from claims import claim
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.errors import PermissionDenied, Unauthenticated

CLIENT = "databricks-sdk"

HOST = os.environ["DATABRICKS_HOST"]
TOKEN = os.environ["DATABRICKS_TOKEN"]
PRINCIPAL = os.environ["TWINHOUSE_DATABRICKS_CLIENT_ID"]
SECRET = os.environ["TWINHOUSE_DATABRICKS_CLIENT_SECRET"]
ENDPOINT = f"{HOST}/oidc/v1/token"


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch, tmp_path):
    """Only what a test says counts: neither the environment nor a file of this machine."""
    for name in list(os.environ):
        if name.startswith(("DATABRICKS_", "ARM_", "AZURE_", "ACTIONS_ID_TOKEN", "GOOGLE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "databrickscfg"))
    return tmp_path


def identity(audience=ENDPOINT, **wishes):
    """A token of the sandbox's identity provider."""
    query = urllib.parse.urlencode({"audience": audience, **wishes})
    request = urllib.request.Request(f"{HOST}/identity/token?{query}", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["value"]


def me(**config):
    return WorkspaceClient(host=HOST, **config).current_user.me()


@claim("a personal access token is its user's", call="GET /api/2.0/preview/scim/v2/Me", engine="memory")
def test_token():
    user = me(token=TOKEN)
    assert user.user_name == "sandbox@twinhouse.invalid"
    assert user.active is True
    assert [mail.value for mail in user.emails] == ["sandbox@twinhouse.invalid"]


@claim("a wrong token is refused with 403, as the service's edge does", call="GET /api/2.0/preview/scim/v2/Me", engine="memory")
def test_wrong_token():
    with pytest.raises(PermissionDenied) as refused:
        me(token=TOKEN + "x")
    assert "Invalid access token" in str(refused.value)


@claim("a token that is sent as a password is refused with 401", call="GET /api/2.0/preview/scim/v2/Me", engine="memory")
def test_basic():
    with pytest.raises(Unauthenticated) as refused:
        me(username="token", password=TOKEN)
    assert "Credential was not sent" in str(refused.value)


@claim("a service principal logs in with its secret, and is who it is", call="POST /oidc/v1/token", engine="memory")
def test_machine():
    client = WorkspaceClient(host=HOST, client_id=PRINCIPAL, client_secret=SECRET)
    assert client.config.auth_type == "oauth-m2m"
    assert client.current_user.me().user_name == PRINCIPAL
    token = client.config.oauth_token()
    assert token.token_type == "Bearer" and token.access_token != TOKEN


@claim("a wrong secret is refused as invalid_client", call="POST /oidc/v1/token", engine="memory")
def test_wrong_secret():
    with pytest.raises(ValueError, match="invalid_client"):
        me(client_id=PRINCIPAL, client_secret=SECRET + "x")


@claim("a scope that the service does not have is refused as invalid_scope", call="POST /oidc/v1/token", engine="memory")
def test_wrong_scope():
    with pytest.raises(ValueError, match="invalid_scope"):
        me(client_id=PRINCIPAL, client_secret=SECRET, scopes=["everything"])


@claim("the host says where its tokens are issued and which workspace it is", call="GET /.well-known/databricks-config", engine="memory")
def test_host_metadata():
    config = Config(host=HOST, token=TOKEN)
    assert config.workspace_id and config.workspace_id.isdigit()
    assert config.discovery_url == f"{HOST}/oidc/.well-known/oauth-authorization-server"
    assert config.databricks_oidc_endpoints.token_endpoint == ENDPOINT
    assert WorkspaceClient(config=config).get_workspace_id() == int(config.workspace_id)


@claim("an identity in a variable is exchanged for a token of the service principal", call="POST /oidc/v1/token (token-exchange)", engine="memory")
def test_identity_in_the_environment(monkeypatch):
    monkeypatch.setenv("DATABRICKS_OIDC_TOKEN", identity())
    assert me(client_id=PRINCIPAL, auth_type="env-oidc").user_name == PRINCIPAL


@claim("an identity in a file is exchanged for a token of the service principal", call="POST /oidc/v1/token (token-exchange)", engine="memory")
def test_identity_in_a_file(nothing_configured):
    file = nothing_configured / "identity"
    file.write_text(identity())
    config = Config(host=HOST, client_id=PRINCIPAL, oidc_token_filepath=str(file), auth_type="file-oidc")
    assert WorkspaceClient(config=config).current_user.me().user_name == PRINCIPAL


@claim("a workflow asks the identity provider as it asks GitHub, for the audience of the workspace", call="GET /identity/token, POST /oidc/v1/token", engine="memory")
def test_github(monkeypatch):
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{HOST}/identity/token?api-version=2.0")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", TOKEN)
    client = WorkspaceClient(host=HOST, client_id=PRINCIPAL, auth_type="github-oidc")
    assert client.current_user.me().user_name == PRINCIPAL


def tampered():
    """Another subject under the signature of the right one."""
    head, payload, signature = identity().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    claims["exp"] += 3600
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{head}.{payload}.{signature}"


@claim("an identity is refused for a wrong audience, subject or signature, and when it has expired", call="POST /oidc/v1/token (token-exchange)", engine="memory")
@pytest.mark.parametrize(
    "make",
    [
        lambda: identity(audience="https://elsewhere.example"),
        lambda: identity(subject="repo:somebody/else"),
        lambda: identity(lifetime=0),
        tampered,
    ],
    ids=["audience", "subject", "expired", "signature"],
)
def test_identity_that_does_not_hold(monkeypatch, make):
    monkeypatch.setenv("DATABRICKS_OIDC_TOKEN", make())
    with pytest.raises(ValueError, match="invalid_grant"):
        me(client_id=PRINCIPAL, auth_type="env-oidc")


@claim("an identity is no use to a client that no policy names", call="POST /oidc/v1/token (token-exchange)", engine="memory")
def test_identity_of_another_client(monkeypatch):
    monkeypatch.setenv("DATABRICKS_OIDC_TOKEN", identity())
    with pytest.raises(ValueError, match="invalid_client"):
        me(client_id="somebody", auth_type="env-oidc")


@claim("the identity provider vouches for nobody without a token of the workspace", call="GET /identity/token", engine="memory")
def test_identity_for_strangers(monkeypatch):
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{HOST}/identity/token?api-version=2.0")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", TOKEN + "x")
    with pytest.raises(ValueError):
        me(client_id=PRINCIPAL, auth_type="github-oidc")


@claim("a profile of a file of profiles opens the workspace", call="GET /api/2.0/preview/scim/v2/Me", engine="memory")
def test_profile(nothing_configured):
    file = nothing_configured / "databrickscfg"
    file.write_text(
        f"[DEFAULT]\nhost = http://127.0.0.1:9\ntoken = wrong\n"
        f"[person]\nhost = {HOST}\ntoken = {TOKEN}\n"
        f"[machine]\nhost = {HOST}\nclient_id = {PRINCIPAL}\nclient_secret = {SECRET}\n"
    )
    assert WorkspaceClient(profile="person").current_user.me().user_name == "sandbox@twinhouse.invalid"
    assert WorkspaceClient(profile="machine").current_user.me().user_name == PRINCIPAL


@claim("the variables of the sandbox's environment are enough", call="GET /api/2.0/preview/scim/v2/Me", engine="memory")
def test_environment(monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", HOST)
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    assert WorkspaceClient().current_user.me().user_name == "sandbox@twinhouse.invalid"


@claim("tokens of the service principal open what the user's token opens", call="GET /api/2.0/sql/warehouses", engine="memory")
def test_same_rights():
    person = WorkspaceClient(host=HOST, token=TOKEN)
    machine = WorkspaceClient(host=HOST, client_id=PRINCIPAL, client_secret=SECRET)
    ids = [[warehouse.id for warehouse in client.warehouses.list()] for client in (person, machine)]
    assert ids[0] == ids[1] != []


@claim("behind TLS the workspace is the same, for whoever trusts its authority and nobody else", call="GET /api/2.0/preview/scim/v2/Me (https)", engine="memory")
def test_tls(monkeypatch):
    url = os.environ["TWINHOUSE_DATABRICKS_HTTPS_URL"]
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.environ["TWINHOUSE_SANDBOX_CA"])
    client = WorkspaceClient(host=url, client_id=PRINCIPAL, client_secret=SECRET)
    assert client.current_user.me().user_name == PRINCIPAL
    assert client.config.databricks_oidc_endpoints.token_endpoint == f"{url}/oidc/v1/token"
