"""What notebooks and workers ask for data, by the token they carry. JSON in, JSON out; a refusal says what a person
should do."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET

from allocations.datasets.access import page_url
from portal.core.errors import Refusal

from .data import SessionOver, dataset_for_bearer, datasets_for_session
from .tokens import Bearer, bearer_find
from .warning import lab_plan


def bearer_request(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let a request pass that shows the token of a living session or cluster."""

    @csrf_exempt
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            bearer = bearer_find(request.headers.get("Authorization", "").removeprefix("Bearer "))
            if bearer is None:
                raise SessionOver
            answer = view(request, bearer, *args, **kwargs)
        except Refusal as refusal:
            body = {"code": refusal.code, "detail": refusal.message, **refusal.facts}
            answer = JsonResponse(body, status=refusal.status, content_type="application/problem+json")
        answer["Cache-Control"] = "private, no-store"
        return answer

    return guarded


@bearer_request
@require_GET
def datasets(_: HttpRequest, bearer: Bearer) -> HttpResponse:
    """What may be read here now."""
    rows = datasets_for_session(bearer.session, at=timezone.now())
    items = [{"slug": d.slug, "title": d.title, "access_class": d.access_class, "page": page_url(d.slug)} for d in rows]
    return JsonResponse({"items": items})


@bearer_request
@require_GET
def dataset(request: HttpRequest, bearer: Bearer, slug: str) -> HttpResponse:
    """The files of a dataset, with links."""
    found = dataset_for_bearer(bearer=bearer, slug=slug, version=request.GET.get("version", ""), at=timezone.now())
    return JsonResponse(found)


@bearer_request
@require_GET
def session(_: HttpRequest, bearer: Bearer) -> HttpResponse:
    """What the workbench is to say of the session's end, and when it is to save everything."""
    return JsonResponse(lab_plan(bearer.session, at=timezone.now()))
