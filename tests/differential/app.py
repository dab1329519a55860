"""What a WSGI application reads of a request, as JSON. Bytes are hexadecimal: neither paths nor fields
need be text."""

import json
from urllib.parse import parse_qsl, unquote_to_bytes


def hexed(text):
    return text.encode("latin-1").hex()


def reading(reader, segments):
    return {"reader": reader, "segments": [segment.hex() for segment in segments], "route": None}


def application(environ, start_response):
    target = environ["RAW_URI"]
    raw = target.split("?", 1)[0].split("/")[1:]
    told = environ["PATH_INFO"].encode("latin-1").split(b"/")[1:]
    pairs = parse_qsl(
        environ["QUERY_STRING"], keep_blank_values=True, encoding="utf-8", errors="surrogateescape"
    )
    said = ("HTTP_", "REMOTE_", "AUTH_")
    answer = {
        "method": environ["REQUEST_METHOD"],
        "target": hexed(target),
        "paths": [
            reading("WSGI PATH_INFO", told),
            reading("WSGI RAW_URI", [unquote_to_bytes(piece) for piece in raw]),
        ],
        "parameters": [
            [part.encode("utf-8", "surrogateescape").hex() for part in pair] for pair in pairs
        ],
        "fields": [
            [hexed(name), hexed(value)]
            for name, value in environ.items()
            if name.startswith(said) and isinstance(value, str)
        ],
    }
    body = json.dumps(answer).encode()
    start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]
