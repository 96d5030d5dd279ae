"""A server that speaks S3 (moto's), on the port given, with one bucket; every request must be signed with the key given.

python s3.py PORT BUCKET KEY_ID SECRET
"""

import hmac
import json
import sys

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.s3.models import s3_backends
from moto.server import create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple

PORT, BUCKET, KEY_ID, SECRET = int(sys.argv[1]), *sys.argv[2:5]


def is_signed(environ):
    """Signs the request again, and compares."""
    sent = environ.get("HTTP_AUTHORIZATION", "")
    if f"Credential={KEY_ID}/" not in sent or "SignedHeaders=" not in sent:
        return False
    region = sent.split("Credential=")[1].split(",")[0].split("/")[2]
    names = sent.split("SignedHeaders=")[1].split(",")[0].split(";")
    headers = {}
    for name in names:
        key = name.upper().replace("-", "_")
        value = environ.get(key) if name.startswith("content-") else None
        headers[name] = value or environ.get(f"HTTP_{key}") or ""
    path, query = environ["RAW_URI"].partition("?")[::2]
    url = f"http://{environ['HTTP_HOST']}{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method=environ["REQUEST_METHOD"], url=url, headers=headers)
    request.context["timestamp"] = environ["HTTP_X_AMZ_DATE"]
    signer = S3SigV4Auth(Credentials(KEY_ID, SECRET), "s3", region)
    signer.headers_to_sign = lambda _: request.headers
    signer.payload = lambda _: environ["HTTP_X_AMZ_CONTENT_SHA256"]
    text = signer.string_to_sign(request, signer.canonical_request(request))
    wanted = signer.signature(text, request)
    return hmac.compare_digest(wanted, sent.split("Signature=")[1])


def state():
    """The names of all objects, and of the uploads in parts that are open."""
    bucket = s3_backends["123456789012"]["aws"].buckets[BUCKET]
    uploads = [upload.key_name for upload in bucket.multiparts.values()]
    return json.dumps({"objects": sorted(bucket.keys.keys()), "open": uploads}).encode()


def checked(app):
    def call(environ, start_response):
        if environ["RAW_URI"] == "/-/state":
            start_response("200 OK", [("Content-Type", "application/json")])
            return [state()]
        if is_signed(environ):
            return app(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "application/xml")])
        return [b"<Error><Code>SignatureDoesNotMatch</Code></Error>"]

    return call


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


s3_backends["123456789012"]["aws"].create_bucket(BUCKET, "us-east-1")
app = create_backend_app("s3")
run_simple("127.0.0.1", PORT, checked(app), threaded=True, request_handler=Quiet)
