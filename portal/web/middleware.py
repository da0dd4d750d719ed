"""
A refusal that reaches the top becomes a page that says what, why and what next; and characters no text has never reach a view.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import render

from portal.core.errors import Refusal
from portal.core.words import NULL, text_clean, text_unkeepable

JSON = ("application/json", "application/problem+json")


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
        kept, written = _typed(request)
        facts = {"refusal": exception, "kept": kept, "written": written}
        return render(request, "web/refusal.html", facts, status=exception.status)


def _typed(request: HttpRequest) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """
    What a refused form held: its short answers, and the texts that somebody wrote, which stay in sight to be sent again.

    Passwords never come back, and neither does anything beside them.
    """
    if request.method != "POST" or request.content_type in JSON or any("password" in name for name in request.POST):
        return [], []
    given = [(name, value) for name, values in request.POST.lists() for value in values if name != "csrfmiddlewaretoken"]
    written = [(name, value) for name, value in given if len(value.split()) > 1]
    return [one for one in given if one not in written], written


WORDS = "The request holds a character (U+0000) that no text has. Type the text anew; nothing was changed."


class CharacterMiddleware:
    """
    One rule for the characters of every text: those that nobody sees and no database keeps (U+0000 first) are dropped from
    every form, those with files too. An address or a body of the API that holds what cannot be kept is refused.

    Passwords are left alone, and files are bytes.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if NULL in request.path or "%00" in request.META.get("QUERY_STRING", "") or self._in_json(request):
            return self._refused(request)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, *_: Any) -> HttpResponse | None:
        """Called by Django before the view: by now the form was read, to find its CSRF token."""
        if request.method != "POST" or request.content_type in JSON or getattr(view, "csrf_exempt", False):
            return None
        cleaned = QueryDict(mutable=True)
        for name, values in request.POST.lists():
            cleaned.setlist(name, values if "password" in name else [text_clean(text) for text in values])
        request.POST = cleaned  # type: ignore[assignment]  # the stubs know only what Django parsed itself
        return None

    @staticmethod
    def _in_json(request: HttpRequest) -> bool:
        if request.method not in ("POST", "PUT", "PATCH") or request.content_type not in JSON or b"\\u" not in request.body:
            return False
        try:
            return text_unkeepable(json.loads(request.body))
        except ValueError:
            return False  # whoever reads the body says so

    @staticmethod
    def _refused(request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/api/"):
            body = {"type": "urn:commons:malformed", "title": "malformed", "status": 422, "code": "malformed", "detail": WORDS}
            return JsonResponse(body, status=422, content_type="application/problem+json")
        return HttpResponse(WORDS, status=422, content_type="text/plain; charset=utf-8")
