"""Calls GetCallerIdentity at the endpoint in argv[1] for each line that it reads, and prints the fingerprint of its
credentials."""
import hashlib
import sys

import boto3

session = boto3.session.Session()
client = session.client("sts", endpoint_url=sys.argv[1])
for _ in sys.stdin:
    client.get_caller_identity()
    c = session.get_credentials().get_frozen_credentials()
    digest = hashlib.sha256("\n".join([c.access_key, c.secret_key, c.token or ""]).encode()).hexdigest()
    print(c.access_key, digest, flush=True)
