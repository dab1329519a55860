"""gRPC's own client and server with the gateway between them.

`serve` runs the server and prints its port; `call` makes the calls and says one line per case.
"""

import os
import sys
import threading
from concurrent import futures

import grpc

PATIENCE = 20


class Echo(grpc.GenericRpcHandler):
    """Every method of every service: bytes in, bytes out."""

    def __init__(self):
        self.cancelled = threading.Semaphore(0)

    def service(self, call):
        method = call.method.rsplit("/", 1)[-1]
        return {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Server": grpc.unary_stream_rpc_method_handler(self.server),
            "Client": grpc.stream_unary_rpc_method_handler(self.client),
            "Bidi": grpc.stream_stream_rpc_method_handler(self.bidi),
            "Fails": grpc.unary_unary_rpc_method_handler(self.fails),
            "Slow": grpc.unary_stream_rpc_method_handler(self.slow),
            "Cancelled": grpc.unary_unary_rpc_method_handler(self.was_cancelled),
        }.get(method)

    def unary(self, request, context):
        metadata = dict(context.invocation_metadata())
        context.set_trailing_metadata([("x-sum", str(len(request)))])
        who = metadata.get("x-auth-subject", "nobody")
        assert "authorization" not in metadata
        return who.encode() + b":" + request

    def server(self, request, context):
        for number in range(int(request)):
            yield str(number).encode()

    def client(self, requests, context):
        return b"".join(requests)

    def bidi(self, requests, context):
        for request in requests:
            yield request.upper()

    def fails(self, request, context):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today")

    def slow(self, request, context):
        ended = threading.Event()
        context.add_callback(ended.set)
        yield b"begun"
        if ended.wait(PATIENCE):
            self.cancelled.release()

    def was_cancelled(self, request, context):
        return b"yes" if self.cancelled.acquire(timeout=PATIENCE) else b"no"


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers([Echo()])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()  # until whoever started us goes
    server.stop(None)


def case(name, found, expected):
    print("ok " + name if found == expected else f"FAIL {name}: {found!r}, not {expected!r}", flush=True)


def code(call):
    """The code that a call ends with, and what it says."""
    try:
        call()
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


def call():
    channel = grpc.insecure_channel(os.environ["TOLLGATE"])
    eve = [("authorization", "Bearer " + os.environ["TOKEN"])]
    unary = channel.unary_unary("/test.Echo/Unary")
    answer, info = unary.with_call(b"hello", metadata=eve, timeout=PATIENCE)
    case("unary", answer, b"eve:hello")
    case("trailers", dict(info.trailing_metadata()).get("x-sum"), "5")
    case("open to guests", channel.unary_unary("/test.Open/Unary")(b"x", timeout=PATIENCE), b"nobody:x")

    stream = channel.unary_stream("/test.Echo/Server")(b"500", metadata=eve, timeout=PATIENCE)
    case("server streaming", list(stream), [str(number).encode() for number in range(500)])
    join = channel.stream_unary("/test.Echo/Client")
    pieces = [b"x" * 10_000 for _ in range(50)]
    case("client streaming", len(join(iter(pieces), metadata=eve, timeout=PATIENCE)), 500_000)

    # The second word goes only when the first has come back.
    returned = threading.Event()

    def words():
        yield b"one"
        returned.wait(PATIENCE)
        yield b"two"

    came = []
    for word in channel.stream_stream("/test.Echo/Bidi")(words(), metadata=eve, timeout=PATIENCE):
        came.append(word)
        returned.set()
    case("both ways at once", came, [b"ONE", b"TWO"])

    fails = channel.unary_unary("/test.Echo/Fails")
    found = code(lambda: fails(b"", metadata=eve, timeout=PATIENCE))
    case("an answer of trailers alone", found, (grpc.StatusCode.FAILED_PRECONDITION, "not today"))

    found, _ = code(lambda: unary(b"x", timeout=PATIENCE))
    case("nobody", found, grpc.StatusCode.UNAUTHENTICATED)
    found, _ = code(lambda: unary(b"x", metadata=[("authorization", "Bearer bad")], timeout=PATIENCE))
    case("a bad token", found, grpc.StatusCode.UNAUTHENTICATED)
    admin = channel.unary_unary("/test.Admin/Unary")
    found, said = code(lambda: admin(b"x", metadata=eve, timeout=PATIENCE))
    case("not an admin", found, grpc.StatusCode.PERMISSION_DENIED)
    case("says why", "role" in said, True)

    slow = channel.unary_stream("/test.Echo/Slow")
    found, _ = code(lambda: list(slow(b"", metadata=eve, timeout=1)))
    case("a deadline", found, grpc.StatusCode.DEADLINE_EXCEEDED)
    cancelled = channel.unary_unary("/test.Echo/Cancelled")
    case("the server learns of it", cancelled(b"", metadata=eve, timeout=2 * PATIENCE), b"yes")

    begun = slow(b"", metadata=eve, timeout=PATIENCE)
    case("begun", next(begun), b"begun")
    begun.cancel()
    case("cancelled", begun.code(), grpc.StatusCode.CANCELLED)
    case("the server learns of that", cancelled(b"", metadata=eve, timeout=2 * PATIENCE), b"yes")

    # Many calls on one channel at once.
    calls = [unary.future(str(n).encode(), metadata=eve, timeout=PATIENCE) for n in range(60)]
    found = [call.result() for call in calls]
    case("many at once", found, [f"eve:{n}".encode() for n in range(60)])
    channel.close()


{"serve": serve, "call": call}[sys.argv[1]]()
