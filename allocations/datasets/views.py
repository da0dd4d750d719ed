from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def datasets_list(request: HttpRequest) -> HttpResponse:
    """The list."""
    return render(request, "datasets/list.html")
