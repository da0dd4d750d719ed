from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

from .root import api, problem


def docs(request: HttpRequest) -> HttpResponse:
    """The routes in words, drawn from the same description that programs read."""
    schema = api.get_openapi_schema()
    routes = [
        (method.upper(), path, operation.get("summary", ""), operation.get("description", ""))
        for path, methods in sorted(schema["paths"].items())
        for method, operation in methods.items()
    ]
    return render(request, "api/docs.html", {"routes": routes})


@csrf_exempt
def unknown(request: HttpRequest) -> HttpResponse:
    """An address under `/api/` that is none: answered to programs, not as a page."""
    return problem(
        status=404, code="not_found", detail=f"There is no {request.method} {request.path}. See /api/v1/docs for what there is."
    )
