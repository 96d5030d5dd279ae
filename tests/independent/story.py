"""Two libraries that share nothing with the server use it: pyotp as the device, authlib as the client of OAuth 2.0."""

import datetime
import sys
import time

import pyotp
import requests
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client
from requests.auth import AuthBase

BASE, EMAIL, PASSWORD, KEY_ID, KEY = sys.argv[1:]


class RequestsAuth(AuthBase, ClientAuth):
    """authlib's way of authenticating a client, in requests."""

    def __call__(self, request):
        request.url, request.headers, request.body = self.prepare(
            request.method, request.url, request.headers, request.body
        )
        return request


class Client(OAuth2Client):
    """authlib's client over requests."""

    client_auth_class = RequestsAuth
    oauth_error_class = RuntimeError
    SESSION_REQUEST_PARAMS = ("timeout",)

    def _http_post(self, url, body=None, auth=None, headers=None, **kwargs):
        return self.session.post(url, data=body, headers=headers, auth=auth, **kwargs)


def api(method, path, token=None, body=None):
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return requests.request(method, BASE + path, headers=headers, json=body, timeout=60)


def expect(answer, status):
    assert answer.status_code == status, (answer.status_code, answer.text)
    return answer.json() if answer.content else None


def sign_in_with_a_device():
    credentials = {"email": EMAIL, "password": PASSWORD}
    expect(api("POST", "/v1/users", body=credentials), 201)
    first = expect(api("POST", "/v1/sessions", body=credentials), 201)["access_token"]
    enrolment = expect(api("POST", "/v1/me/totp", first), 201)
    device = pyotp.parse_uri(enrolment["otpauth_uri"])
    assert device.secret == enrolment["secret"], "the URI and the secret agree"
    assert (device.digits, device.interval, device.name) == (6, 30, EMAIL)
    used = device.now()
    codes = expect(api("POST", "/v1/me/totp/confirm", first, {"code": used}), 200)
    assert len(codes["recovery_codes"]) == 10
    challenge = expect(api("POST", "/v1/sessions", body=credentials), 202)["challenge"]
    proof = {"challenge": challenge, "code": used}
    expect(api("POST", "/v1/sessions/second-factor", body=proof), 401)
    # A step is accepted once; the next one's code is taken as drift.
    proof["code"] = device.at(datetime.datetime.now(), counter_offset=1)
    return expect(api("POST", "/v1/sessions/second-factor", body=proof), 201)


def ask_about_tokens(signed_in):
    session = requests.Session()
    client = Client(session, client_id=KEY_ID, client_secret=KEY)
    for name, token_type in (("access_token", "Bearer"), ("refresh_token", "refresh_token")):
        for hint in (None, name):
            answer = client.introspect_token(
                BASE + "/v1/oauth/introspect", token=signed_in[name], token_type_hint=hint
            )
            facts = expect(answer, 200)
            assert facts["active"] is True and facts["token_type"] == token_type, facts
            assert facts["sub"] == signed_in["user"]["id"], facts
            assert facts["iat"] <= time.time() < facts["exp"], facts
            assert facts["sid"] == signed_in["session"]["id"], facts
            assert facts["amr"] == ["pwd", "otp", "mfa"], facts
    stranger = Client(session, client_id=KEY_ID, client_secret="0" * 64)
    refused = stranger.introspect_token(BASE + "/v1/oauth/introspect", token="x")
    assert expect(refused, 401)["error"] == "invalid_client"
    revoke = BASE + "/v1/oauth/revoke"
    for _ in range(2):
        answer = client.revoke_token(revoke, token=signed_in["access_token"])
        assert answer.status_code == 200, answer.text
    answer = client.introspect_token(
        BASE + "/v1/oauth/introspect", token=signed_in["refresh_token"]
    )
    assert expect(answer, 200) == {"active": False}
    expect(api("GET", "/v1/me", signed_in["access_token"]), 401)


ask_about_tokens(sign_in_with_a_device())
print("the story ends well")
