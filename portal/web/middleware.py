"""
A refusal that reaches the top becomes a page that says what, why and what next; and characters no text has never reach a view.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from portal.core.errors import Refusal


class RefusalMiddleware:
    """Draw a `Refusal` raised by a view as a page with its own status."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Called by Django when a view raised."""
        if not isinstance(exception, Refusal):
            return None
        return render(request, "web/refusal.html", {"refusal": exception}, status=exception.status)


NUL_IN_JSON = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
FORMS = ("application/x-www-form-urlencoded", "application/json", "application/problem+json")


class NullCharacterMiddleware:
    """
    Refuse a request that holds the character U+0000: no text has it, and PostgreSQL cannot keep it.

    Looks at addresses, and at the bodies of forms and of API calls; uploads are bytes and pass.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not self._holds_null(request):
            return self.get_response(request)
        words = "The request holds a character (U+0000) that no text has. Type the text anew; nothing was changed."
        if request.path.startswith("/api/"):
            body = {"type": "urn:commons:malformed", "title": "malformed", "status": 422, "code": "malformed", "detail": words}
            return JsonResponse(body, status=422, content_type="application/problem+json")
        return HttpResponse(words, status=422, content_type="text/plain; charset=utf-8")

    def _holds_null(self, request: HttpRequest) -> bool:
        if "\x00" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            return True
        if request.method not in ("POST", "PUT", "PATCH") or request.content_type not in FORMS:
            return False
        body = request.body
        if request.content_type == FORMS[0]:
            return b"%00" in body or b"\x00" in body
        return NUL_IN_JSON.search(body) is not None
