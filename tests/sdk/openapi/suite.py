"""Reads a document and answers from standard input, and says what about the document is not OpenAPI 3.1,
and which of the answers it does not describe."""

import json
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator


def resolved(document, part):
    """The part, or what it refers to."""
    while "$ref" in part:
        found = document
        for word in part["$ref"].removeprefix("#/").split("/"):
            found = found[word]
        part = found
    return part


def mistakes(document, answers):
    for error in OpenAPIV31SpecValidator(document).iter_errors():
        yield error.message
    for answer in answers:
        operation = document["paths"][answer["path"]][answer["method"].lower()]
        described = resolved(document, operation["responses"][str(answer["status"])])
        schema = described["content"]["application/json"]["schema"]
        whole = {"components": document["components"], "allOf": [schema]}
        for error in Draft202012Validator(whole).iter_errors(answer["body"]):
            yield f"{answer['method']} {answer['path']} {answer['status']}: {error.message}"


given = json.load(sys.stdin)
found = list(mistakes(given["document"], given["answers"]))
print("\n".join(found))
sys.exit(1 if found else 0)
