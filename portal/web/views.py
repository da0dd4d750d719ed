from __future__ import annotations

import logging

from django.db import connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from .registry import registry

log = logging.getLogger(__name__)


def home(request: HttpRequest) -> HttpResponse:
    """The start page: what this is for strangers, what is going on for people who signed in."""
    if request.user.is_authenticated:
        return render(request, "web/dashboard.html")
    return render(request, "web/welcome.html")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that was open too long, or came from elsewhere."""
    log.info("form refused: %s", reason)
    return render(request, "web/csrf.html", status=403)


def health_live(_: HttpRequest) -> HttpResponse:
    """The process answers."""
    return JsonResponse({"ok": True})


def health_ready(_: HttpRequest) -> HttpResponse:
    """Everything the portal cannot do without is in place; otherwise 503 with the sentence for the operator."""
    problems = []
    try:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception as error:
        problems.append(f"the database does not answer: {error}")
    else:
        for check in registry.health_checks:
            try:
                registry.call(check)
            except Exception as error:
                problems.append(str(error))
    return JsonResponse({"ok": not problems, "problems": problems}, status=503 if problems else 200)
