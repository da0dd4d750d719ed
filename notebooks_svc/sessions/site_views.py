"""What hub and gateway ask of the portal, by the site token: specs, events, grants, claims, and the orderly shutdown."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST
from pydantic import ValidationError

from notebooks_svc.wire import ClusterAsk, ClusterClaim, Events
from portal.core.errors import Refusal

from . import clusters, services
from .events import event_take
from .models import Cluster, ClusterState
from .spec import cluster_spec, session_spec

log = logging.getLogger(__name__)


def site_request(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let a request pass that shows the site token; refusals and malformed payloads answer as JSON."""

    @csrf_exempt
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        said = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(said.encode(), settings.SITE_TOKEN.encode()):
            return JsonResponse({"code": "unauthorised", "detail": "The site token is wrong."}, status=401)
        try:
            return view(request, *args, **kwargs)
        except Refusal as refusal:
            return JsonResponse({"code": refusal.code, "detail": refusal.message}, status=refusal.status)
        except ValidationError as wrong:
            return JsonResponse({"code": "malformed", "detail": str(wrong)}, status=422)

    return guarded


@site_request
@require_GET
def spec(request: HttpRequest, launch: str) -> HttpResponse:
    """The hub asks what to start."""
    found = session_spec(launch=launch, hub_username=request.GET.get("hub_username", ""))
    return HttpResponse(found.model_dump_json(), content_type="application/json")


@site_request
@require_POST
def events(request: HttpRequest) -> HttpResponse:
    """A site tells what it saw: hints. Taken even when they say nothing new, so that they are not sent again."""
    for event in Events.model_validate_json(request.body).events:
        event_take(event, at=timezone.now())
    return JsonResponse({"ok": True})


@site_request
@require_POST
def grant(request: HttpRequest) -> HttpResponse:
    """The gateway asks whether a session may have a cluster, and how large."""
    ask = ClusterAsk.model_validate_json(request.body)
    cluster = clusters.cluster_grant(launch=ask.launch, hub_username=ask.hub_username, at=timezone.now())
    return HttpResponse(cluster_spec(cluster).model_dump_json(), content_type="application/json", status=201)


@site_request
@require_POST
def claim(request: HttpRequest) -> HttpResponse:
    """The gateway is about to start a granted cluster."""
    said = ClusterClaim.model_validate_json(request.body)
    clusters.cluster_claim(id=said.cluster, gateway_name=said.gateway_name, at=timezone.now())
    return JsonResponse({"ok": True})


@site_request
@require_POST
def shutdown(_: HttpRequest) -> HttpResponse:
    """The supervisor is about to stop everything: end sessions the normal way. Asked again until none is open."""
    left = services.sessions_stop_all(at=timezone.now(), reason="shutdown")
    left += Cluster.objects.exclude(state=ClusterState.ENDED).count()
    return JsonResponse({"open": left})
