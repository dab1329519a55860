"""The platform's own library for Python, unchanged, against the gateway. One line per case:
`ok <sentence>`, or `FAIL <sentence>: expected …, found …`; the exit code is 1 if any failed.

The recording backend tells in its answers what reached it: each entity of an answer has `received`
(method and path), `subject` and `kind` (the identity fields of the request).
"""

import json
import os
import re
import sys
import time
import traceback

from usergrid import Usergrid, UsergridAuth, UsergridClient, UsergridEntity, UsergridQueryIterator
from usergrid.management_templates import org_token_url_template
from usergrid.UsergridAuth import UsergridAppAuth, UsergridOrgAuth, UsergridUserAuth


def env(name):
    return os.environ["TOLLGATE_" + name]


URL, ORG, APP = env("URL"), env("ORG"), env("APP")
APP_CLIENT = {"client_id": env("APP_CLIENT_ID"), "client_secret": env("APP_CLIENT_SECRET")}
ORG_CLIENT = {"client_id": env("ORG_CLIENT_ID"), "client_secret": env("ORG_CLIENT_SECRET")}
NAME, EMAIL, PASSWORD = "nils", "nils@shop.example", "nils-secret-1"
TOKEN = re.compile(r"YWMt[A-Za-z0-9_-]{59}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
REFUSED = {"error": "invalid_grant", "error_description": "invalid username or password"}

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


def client(app=APP, **options):
    return UsergridClient(ORG, app, base_url=URL, **options)


def user(name=NAME, password=PASSWORD, **options):
    """A user's login, as the library does it."""
    auth = UsergridUserAuth(name, password, **options)
    auth.authenticate(client())
    return auth


def admin():
    auth = UsergridAuth("password", org_token_url_template, username=env("ADMIN"), password=env("ADMIN_PASSWORD"))
    auth.authenticate(client())
    return auth


def not_let_in(login):
    """What the library raises for a login that fails."""
    try:
        login()
    except ValueError as error:
        text = str(error)
        return [text[:24], json.loads(text[24:])]
    return ["it was let in", {}]


def reached(response):
    """What the backend says of a call."""
    first = response.first() or UsergridEntity({})
    return [first.get("received"), first.get("kind"), first.get("subject")]


def refusal(response):
    return [response.status_code, response.error, response.error_description]


def signing_up():
    person = {"username": NAME, "email": EMAIL, "name": "Nils H", "password": PASSWORD}
    made = client().POST("users", person)
    one = made.entity()
    same("a guest signs up", [made.ok, one.get("username"), one.get("type"), one.get("uuid"), one.get("password")],
         [True, "nils", "user", UUID, None])
    again = client().POST("users", person)
    same("and only once", [again.status_code, again.is_duplicate_unique_value_error(), again.exception != "not available"],
         [400, True, True])
    client().POST("users", {"username": "nina", "email": "nina@shop.example", "password": "nina-secret-1"})
    return one.get("uuid")


def logging_in(uuid):
    for word, name in [("name", NAME), ("e-mail address", EMAIL), ("UUID", uuid)]:
        auth = user(name)
        answer = client().GET("users", "me", auth=auth)
        same("a user logs in by %s and asks who it is" % word,
             [auth.access_token, answer.ok, answer.entity().get("uuid")], [TOKEN, True, uuid])
    same("a wrong password is refused", not_let_in(lambda: user(password="nils-secret-2")),
         ["Unable to authenticate: ", REFUSED])
    same("an unknown user hears the same", not_let_in(lambda: user("nobody")), ["Unable to authenticate: ", REFUSED])
    wrong = {"client_id": APP_CLIENT["client_id"], "client_secret": "YXA6" + "A" * 27}
    same("so does a client with a wrong secret", not_let_in(lambda: client(**wrong)),
         ["Unable to authenticate: ", REFUSED])
    over = not_let_in(lambda: user(token_ttl_seconds=604801))
    same("a lifetime above the maximum is an error that names it", [over[1].get("error"), over[1].get("error_description")],
         ["illegal_argument", "Your token age cannot be more than the maximum age of 604800000 milliseconds"])


def calling(uuid):
    here, auth = client(), user()
    same("a user's call reaches the backend in its name", reached(here.POST("orders", {"name": "first"}, auth=auth)),
         ["POST /acme/shop/orders", "application_user", uuid])
    same("the query goes along", [here.GET("orders", "first", auth=auth).entity().get("query")], ["connections=none"])
    same("changes go along", [here.PUT("orders", "first", {"size": 4}, auth=auth).entity().get("body")], ['{"size": 4}'])
    same("removals go along", reached(here.DELETE("orders", "first", auth=auth)),
         ["DELETE /acme/shop/orders/first", "application_user", uuid])
    same("an application's client calls with a token of its own", reached(client(**APP_CLIENT).GET("orders", "first"))[:2],
         ["GET /acme/shop/orders/first", "application"])
    auth = UsergridAppAuth(**APP_CLIENT)
    auth.authenticate(here)
    same("and with one given to each call", reached(here.GET("orders", "first", auth=auth))[:2],
         ["GET /acme/shop/orders/first", "application"])
    auth = UsergridOrgAuth(**ORG_CLIENT)
    auth.authenticate(here)
    same("so does an organization's client", [auth.access_token] + reached(here.GET("orders", "first", auth=auth))[:2],
         [TOKEN, "GET /acme/shop/orders/first", "organization"])
    auth = admin()
    same("so does an admin", [auth.access_token] + reached(here.GET("orders", "first", auth=auth))[:2],
         [TOKEN, "GET /acme/shop/orders/first", "admin_user"])


def refusing():
    same("a guest may not", refusal(client().GET("orders", "refused")),
         [401, "unauthorized", "Subject does not have permission to access this resource"])
    bad = user()
    bad.access_token = bad.access_token[:20] + "AAAA" + bad.access_token[24:]
    same("nor may a token that was changed", refusal(client().GET("orders", "refused", auth=bad)),
         [401, "auth_bad_access_token", "Unable to authenticate due to corrupt access token"])
    same("the sandbox takes calls without a token", reached(client("sandbox").POST("orders", {"name": "x"})),
         ["POST /acme/sandbox/orders", "guest", None])
    same("but none with a bad one", [client("sandbox").GET("orders", "refused", auth=bad).status_code], [401])
    same("nor a user of another application", [client("sandbox").GET("orders", "refused", auth=user()).status_code], [401])


def entities(uuid):
    Usergrid.init(ORG, APP, base_url=URL, **APP_CLIENT)
    order = Usergrid.POST("orders", {"name": "first"}).entity()
    saved = order.save().entity()
    same("an entity saves itself", [saved.get("received")], ["PUT /acme/shop/order/3f0e1d2c-7d2a-11ee-8a11-0123456789ab"])
    order.reload()
    same("and loads itself", [order.get("received")], ["GET /acme/shop/order/3f0e1d2c-7d2a-11ee-8a11-0123456789ab"])
    person = Usergrid.GET("users", NAME).entity()
    person.put_property("city", "Bergen")
    same("a user saves itself", [person.save().ok, Usergrid.GET("users", NAME).entity().get("city")], [True, "Bergen"])
    linked = person.connect("likes", order)
    same("a connection is the backend's, below the user's UUID", reached(linked)[:1],
         ["POST /acme/shop/users/%s/likes/order/3f0e1d2c-7d2a-11ee-8a11-0123456789ab" % uuid])
    same("so is its end", reached(person.disconnect("likes", order))[:1],
         ["DELETE /acme/shop/users/%s/likes/order/3f0e1d2c-7d2a-11ee-8a11-0123456789ab" % uuid])
    same("what does not exist is not found", refusal(Usergrid.GET("users", "nobody"))[:2], [404, "service_resource_not_found"])


def roles():
    Usergrid.init(ORG, APP, base_url=URL, **APP_CLIENT)
    made = Usergrid.POST("roles", {"name": "packer", "title": "Packer"})
    ruled = Usergrid.POST("roles/packer/permissions", {"permission": "get:/parcels/**"})
    same("a role is made with its permission", [made.entity().get("name"), ruled.body.get("data")], ["packer", ["get:/parcels/**"]])
    Usergrid.POST("roles/packer/users/nils", {})
    held = Usergrid.GET("users/nils", "roles")
    same("a user is given the role", [[one["name"] for one in held.entities]], [["packer"]])
    # The library's call for giving a role sends DELETE, with the entity's type in the singular.
    taken = Usergrid.assign_role("packer", Usergrid.GET("users", NAME).entity())
    same("and loses it", [taken.ok, Usergrid.GET("users/nils", "roles").entities], [True, []])
    same("a role is removed", [Usergrid.DELETE("roles", "packer").ok, Usergrid.GET("roles", "packer").status_code], [True, 404])


def pages():
    auth = admin()
    seen = UsergridQueryIterator("%s/%s/%s/users?limit=1" % (URL, ORG, APP), sleep_time=0,
                                 headers={"Authorization": "Bearer " + auth.access_token})
    names = []
    try:
        while len(names) < 100:
            names.append(seen.next()["username"])
    except StopIteration:
        pass
    same("a list comes in pages", [sorted(names), seen.page_counter >= 2], [["nils", "nina"], True])


def ending(uuid):
    here = client()
    short = user(token_ttl_seconds=1)
    give_up = time.monotonic() + 20
    while (answer := here.GET("users", "me", auth=short)).status_code == 200 and time.monotonic() < give_up:
        time.sleep(0.05)
    same("a token ends at its time", refusal(answer), [401, "expired_token", "Unable to authenticate due to expired access token"])
    one, two = user(), user()
    gone = here.PUT("users/nils", "revoketoken?token=" + one.access_token, {}, auth=two)
    same("one token is revoked", [gone.body.get("action")] + refusal(here.GET("users", "me", auth=one)),
         ["revoked user token", 401, "auth_invalid", "Unable to authenticate"])
    same("the other lives", [here.GET("users", "me", auth=two).entity().get("uuid")], [uuid])
    gone = here.PUT("users/nils", "revoketokens", {}, auth=two)
    same("all of a user are revoked", [gone.body.get("action"), here.GET("users", "me", auth=two).error],
         ["revoked user tokens", "auth_invalid"])
    changed = here.PUT("users/nils", "password", {"oldpassword": PASSWORD, "newpassword": "nils-secret-3"})
    same("a user changes its password", [changed.body.get("action"), user(password="nils-secret-3").access_token],
         ["set user password", TOKEN])
    same("the old one is refused", not_let_in(user), ["Unable to authenticate: ", REFUSED])
    held = user(password="nils-secret-3")
    removed = here.DELETE("users", NAME, auth=admin())
    same("a user is removed, and its token with it",
         [removed.ok, here.GET("orders", "refused", auth=held).status_code], [True, 401])


def main():
    uuid = signing_up()
    logging_in(uuid)
    calling(uuid)
    refusing()
    entities(uuid)
    roles()
    pages()
    ending(uuid)


if __name__ == "__main__":
    try:
        main()
    except Exception:
        failed += 1
        print("FAIL the suite ended early: " + traceback.format_exc())
    sys.exit(1 if failed else 0)
