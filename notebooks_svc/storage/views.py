"""What helpers in notebooks and workers ask, by the token of their session or cluster."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from notebooks_svc.sessions.data_views import bearer_request
from notebooks_svc.sessions.tokens import Bearer

from .vending import credentials_for_bearer


@bearer_request
@require_GET
def credentials(request: HttpRequest, bearer: Bearer) -> HttpResponse:
    """A credential of the object store; `?dataset=` (any number) narrows it."""
    wanted = [slug for slug in request.GET.getlist("dataset") if slug]
    return JsonResponse(credentials_for_bearer(bearer=bearer, wanted=wanted, at=timezone.now()))
