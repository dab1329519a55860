"""A WebSocket client and server that know nothing of the gateway between them. One line per case:
`ok <sentence>`, or `FAIL <sentence>: …`; the exit code is 1 if any failed.
"""

import asyncio
import os
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

URL, PORT = os.environ["TOLLGATE_URL"], int(os.environ["BACKEND_PORT"])
TOKEN, SHORT = os.environ["TOLLGATE_TOKEN"], os.environ["TOLLGATE_SHORT_TOKEN"]

seen, closed, failed = [], asyncio.Queue(), False


def check(sentence, holds, found=""):
    global failed
    failed |= not holds
    print("ok %s" % sentence if holds else "FAIL %s: %r" % (sentence, found))


async def echo(socket):
    seen.append(socket.request)
    try:
        async for message in socket:
            await socket.send(message)
    except ConnectionClosed:
        pass
    await closed.put((socket.close_code, socket.close_reason))


def through(target, token=None, **more):
    fields = {"Authorization": "Bearer " + token} if token else {}
    return connect(URL + target, additional_headers=fields, max_size=None, proxy=None, **more)


async def messages():
    async with through("/chat/1?room=a", TOKEN, subprotocols=["chat"]) as socket:
        check("a subprotocol is agreed on through the gateway", socket.subprotocol == "chat")
        for message in ["", "grüße", b"", bytes(range(256)) * 800, "x" * 200_000]:
            await socket.send(message)
            back = await socket.recv()
            check("a message of %d passes unchanged" % len(message), back == message)
        await socket.send(["a fragmented ", "message ", "of three"])
        check("a fragmented message passes", await socket.recv() == "a fragmented message of three")
        pong = await socket.ping()
        await asyncio.wait_for(pong, 20)
        check("a ping is answered", True)
    check("the client closes and the server hears it", (await closed.get())[0] == 1000)
    head = seen[-1].headers
    check("the server is told who it is", head["X-Auth-Subject"] == "eve", head)
    check("and gets no credential", "Authorization" not in head and TOKEN not in str(head))


async def refused():
    for target, token, status in [("/chat/1", None, 401), ("/plain", TOKEN, 403)]:
        try:
            async with through(target, token):
                check("%s is refused" % target, False)
        except InvalidStatus as error:
            check("%s is refused" % target, error.response.status_code == status, error)


async def expired():
    async with through("/chat/2", SHORT, subprotocols=["chat"]) as socket:
        await socket.send("still here?")
        await socket.recv()
        try:
            await asyncio.wait_for(socket.recv(), 30)
            check("the client is closed", False)
        except ConnectionClosed as error:
            told = (error.rcvd.code, error.rcvd.reason) if error.rcvd else None
            check("the client is told why", told == (1008, "token_expired"), told)
    told = await asyncio.wait_for(closed.get(), 20)
    check("the server is told why", told == (1008, "token_expired"), told)


async def main():
    async with serve(echo, "127.0.0.1", PORT, subprotocols=["chat"], max_size=None):
        # First, for its token lives for some seconds only.
        await expired()
        await messages()
        await refused()
    print("failed" if failed else "done")
    return failed


sys.exit(asyncio.run(main()))
