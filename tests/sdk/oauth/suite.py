"""A standard OAuth 2.0 client against the gateway. One line per case: `ok <sentence>`, or
`FAIL <sentence>: expected …, found …`; the exit code is 1 if any failed.

The recording backend tells in its answers what reached it: each entity of an answer has `received`
(method and path), `subject` and `kind` (the identity fields of the request).
"""

import json
import os
import re
import sys
import time
import traceback

# Read by the library when it is imported: plain HTTP is fine on this machine, and RFC 6749's
# `token_type` is asked for.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
os.environ["OAUTHLIB_STRICT_TOKEN_TYPE"] = "1"

import requests
from oauthlib.oauth2 import BackendApplicationClient, LegacyApplicationClient, OAuth2Error, TokenExpiredError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session


def env(name):
    return os.environ["TOLLGATE_" + name]


URL, SHOP = env("URL"), "%s/%s/%s" % (env("URL"), env("ORG"), env("APP"))
SHOP_TOKEN, MANAGEMENT_TOKEN = SHOP + "/token", URL + "/management/token"
APP_CLIENT, ORG_CLIENT = (
    (env(level + "_CLIENT_ID"), env(level + "_CLIENT_SECRET")) for level in ("APP", "ORG")
)
NAME, PASSWORD = "otto", "otto secret+1 &=%41é"
TOKEN = re.compile(r"YWMt[A-Za-z0-9_-]{59}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

failed = 0


def same(sentence, found, expected):
    """One case. Values that no literal can name are written as the pattern that they match."""
    global failed
    wanted = [one.pattern if isinstance(one, re.Pattern) else one for one in expected]
    seen = [
        want.pattern if isinstance(want, re.Pattern) and want.fullmatch(str(one)) else one
        for one, want in zip(found, expected)
    ]
    if seen == wanted and len(found) == len(expected):
        print("ok " + sentence)
        return
    failed += 1
    print("FAIL %s: expected %s, found %s" % (sentence, json.dumps(wanted), json.dumps(found, default=str)))


def client_session(client, at=SHOP_TOKEN, secret=None, **options):
    """Form-encoded `client_credentials`, the client's id and secret by Basic authentication."""
    session = OAuth2Session(client=BackendApplicationClient(client_id=client[0]))
    session.fetch_token(at, auth=HTTPBasicAuth(client[0], secret or client[1]), **options)
    return session


def user_session(at=SHOP_TOKEN, name=NAME, password=PASSWORD, client_id=None, **options):
    """Form-encoded `password`."""
    session = OAuth2Session(client=LegacyApplicationClient(client_id=client_id))
    session.fetch_token(at, username=name, password=password, **options)
    return session


def reached(session):
    first = session.get(SHOP + "/orders").json().get("entities", [{}])[0]
    return [first.get("received"), first.get("kind")]


def error_of(login):
    try:
        login()
    except OAuth2Error as error:
        return [type(error).__name__, error.error, error.description]
    return ["it was let in", None, None]


def clients():
    session = client_session(APP_CLIENT)
    token = session.token
    same("an application's client logs in by Basic authentication",
         [token["access_token"], token["token_type"], token["expires_in"], token["application"], "refresh_token" in token],
         [TOKEN, "Bearer", 604800, UUID, False])
    same("and its call reaches the backend", reached(session), ["GET /acme/shop/orders", "application"])
    session = client_session(ORG_CLIENT, MANAGEMENT_TOKEN)
    same("an organization's client logs in by Basic authentication",
         [session.token["token_type"], session.token["organization"]["name"]], ["Bearer", "acme"])
    same("and its call reaches the backend", reached(session), ["GET /acme/shop/orders", "organization"])
    session = OAuth2Session(client=BackendApplicationClient(client_id=APP_CLIENT[0]))
    session.fetch_token(SHOP_TOKEN, client_secret=APP_CLIENT[1], include_client_id=True)
    same("a client logs in with its secret in the form", reached(session), ["GET /acme/shop/orders", "application"])


def users():
    person = {"username": NAME, "email": "otto@shop.example", "password": PASSWORD}
    uuid = requests.post(SHOP + "/users", json=person).json()["entities"][0]["uuid"]
    session = user_session()
    same("a user logs in with a form",
         [session.token["access_token"], session.token["token_type"], session.token["expires_in"], session.token["user"]["uuid"]],
         [TOKEN, "Bearer", 604800, uuid])
    same("and its call reaches the backend", reached(session), ["GET /acme/shop/orders", "application_user"])
    same("and asks who it is", [session.get(SHOP + "/users/me").json()["entities"][0]["username"]], ["otto"])
    session = user_session(client_id="an-app-of-otto")
    same("Basic with an empty secret beside a password is no credential", reached(session),
         ["GET /acme/shop/orders", "application_user"])
    session = user_session(client_id=APP_CLIENT[0], client_secret=APP_CLIENT[1])
    same("a client that names itself logs a user in", reached(session), ["GET /acme/shop/orders", "application_user"])
    session = user_session(MANAGEMENT_TOKEN, env("ADMIN"), env("ADMIN_PASSWORD"))
    same("an admin logs in with a form", [session.token["token_type"], session.token["user"]["username"]], ["Bearer", "olga"])
    same("and its call reaches the backend", reached(session), ["GET /acme/shop/orders", "admin_user"])


def refusals():
    wrong = ["InvalidGrantError", "invalid_grant", "invalid username or password"]
    same("a wrong password is `invalid_grant`", error_of(lambda: user_session(password="otto secret 1 &=%41é")), wrong)
    same("so is an unknown user", error_of(lambda: user_session(name="nobody")), wrong)
    same("so is a wrong secret in the form", error_of(lambda: OAuth2Session(
        client=BackendApplicationClient(client_id=APP_CLIENT[0])).fetch_token(
            SHOP_TOKEN, client_secret="YXA6" + "A" * 27, include_client_id=True)), wrong)
    same("a wrong secret by Basic authentication is told", error_of(lambda: client_session(APP_CLIENT, secret="YXA6" + "A" * 27)),
         ["CustomOAuth2Error", "auth_invalid_credentials", "Unable to authenticate due to invalid client credentials"])
    heads = []
    session = OAuth2Session(client=BackendApplicationClient(client_id=APP_CLIENT[0]))
    session.register_compliance_hook("access_token_response", lambda answer: heads.append(answer) or answer)
    session.fetch_token(SHOP_TOKEN, auth=HTTPBasicAuth(*APP_CLIENT))
    same("nobody may keep a token's answer", [heads[0].status_code, heads[0].headers.get("Cache-Control"), heads[0].headers.get("Content-Type")],
         [200, "no-store", "application/json"])


def ends():
    session = user_session(ttl="1000")
    token, shop = session.token["access_token"], {"Authorization": "Bearer " + session.token["access_token"]}
    give_up = time.monotonic() + 20
    while (answer := requests.get(SHOP + "/users/me", headers=shop)).status_code == 200 and time.monotonic() < give_up:
        time.sleep(0.05)
    same("a token ends at its time", [session.token["expires_in"], token, answer.status_code, answer.json()["error"]],
         [1, TOKEN, 401, "expired_token"])
    while time.time() < session.token["expires_at"]:  # the library counts from when it got the answer
        time.sleep(0.05)
    try:
        told = session.get(SHOP + "/orders/refused").status_code
    except TokenExpiredError:
        told = "the library knows"
    same("and the library knows when", [told], ["the library knows"])
    session, other = user_session(), user_session()
    gone = other.put(SHOP + "/users/me/revoketoken", params={"token": session.token["access_token"]})
    answer = session.get(SHOP + "/orders/refused")
    same("a token that was revoked is refused", [gone.json()["action"], answer.status_code, answer.json()["error"]],
         ["revoked user token", 401, "auth_invalid"])
    same("no other is", reached(other), ["GET /acme/shop/orders", "application_user"])


if __name__ == "__main__":
    try:
        clients()
        users()
        refusals()
        ends()
    except Exception:
        failed += 1
        print("FAIL the suite ended early: " + traceback.format_exc())
    sys.exit(1 if failed else 0)
