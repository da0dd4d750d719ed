"""Each server answers only its own name, before any cookie is read or set (cookies ignore ports)."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse


class OwnHostMiddleware:
    """Answer 421 Misdirected Request to any Host but our own, naming the right address."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.META.get("HTTP_HOST", "").lower() != settings.OWN_HOST.lower():
            return HttpResponse(
                f"This server is {settings.OWN_HOST}. You asked for another name.\n",
                status=421,
                content_type="text/plain; charset=utf-8",
            )
        return self.get_response(request)
