from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from .root import api


def docs(request: HttpRequest) -> HttpResponse:
    """The routes in words, drawn from the same description that programs read."""
    schema = api.get_openapi_schema()
    routes = [
        (method.upper(), path, operation.get("summary", ""), operation.get("description", ""))
        for path, methods in sorted(schema["paths"].items())
        for method, operation in methods.items()
    ]
    return render(request, "api/docs.html", {"routes": routes})
