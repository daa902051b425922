"""Resolves the credentials of setups with botocore. Each line of stdin is the environment of a setup in JSON, each
line of stdout the result. All requests go to the server whose port is the argument."""

import http.client
import io
import json
import os
import sys

import botocore.awsrequest
import botocore.credentials
import botocore.httpsession
import botocore.loaders
import botocore.session
import botocore.utils


class Raw(io.BytesIO):
    def stream(self, **_):
        yield self.read()


def send(_, request):
    conn = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    headers = {str(k): v.decode() if isinstance(v, bytes) else str(v) for k, v in request.headers.items()}
    headers["X-Setup-Url"] = request.url
    conn.request(request.method, "/", body=request.body, headers=headers)
    response = conn.getresponse()
    body = response.read()
    conn.close()
    return botocore.awsrequest.AWSResponse(request.url, response.status, dict(response.getheaders()), Raw(body))


def no_prompt(*_):
    raise EOFError("MFA code required")


def resolve(env):
    os.environ.clear()
    os.environ.update(env)
    session = botocore.session.Session()
    session.register_component("data_loader", LOADER)
    session.get_component("credential_provider").get_provider("assume-role")._prompter = no_prompt
    credentials = session.get_credentials()
    if credentials is None:
        return {"Error": "no credentials"}
    frozen = credentials.get_frozen_credentials()
    expires = getattr(credentials, "_expiry_time", None)
    return {
        "Key": frozen.access_key,
        "Secret": frozen.secret_key,
        "Token": frozen.token or "",
        "Account": getattr(frozen, "account_id", None) or "",
        "Expires": int(expires.timestamp()) if expires else 0,
    }


botocore.httpsession.URLLib3Session.send = send
botocore.utils.ContainerMetadataFetcher.SLEEP_TIME = 0
LOADER = botocore.loaders.create_loader()

print(botocore.__version__, flush=True)
for line in sys.stdin:
    try:
        result = resolve(json.loads(line))
    except Exception as e:
        result = {"Error": f"{type(e).__name__}: {e}"}
    print(json.dumps(result), flush=True)
