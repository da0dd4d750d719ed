from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def calls_list(request: HttpRequest) -> HttpResponse:
    """The list."""
    return render(request, "calls/list.html")
