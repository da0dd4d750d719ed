"""What the page's script asks while it sends a file: JSON, by the person's web session, with the same services as the API."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from portal.core.errors import Malformed, NotYours, Refusal

from . import policies, uploading
from .contribute_api import upload_row
from .models import Upload, Version


def _json(view: Callable[..., dict[str, Any]]) -> Callable[..., HttpResponse]:
    @login_required
    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return JsonResponse(view(request, *args, **kwargs))
        except Refusal as refusal:
            return JsonResponse({"code": refusal.code, "detail": refusal.message}, status=refusal.status)

    return answered


@require_POST
@_json
def begin(request: HttpRequest, slug: str, name: str) -> dict[str, Any]:
    """Begin an upload, or go on with one."""
    user: Any = request.user
    version = Version.objects.select_related("dataset").filter(dataset__slug=slug, name=name).first()
    if version is None:
        raise NotYours("version")
    policies.check_may_edit(user=user, dataset=version.dataset)
    try:
        said = json.loads(request.body)
        path, size, changed = str(said["path"]), int(said["size_bytes"]), str(said.get("changed", ""))[:20]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise Malformed("Say path and size_bytes.") from None
    upload = uploading.upload_begin(version=version, path=path, size_bytes=size, changed=changed, by=user, at=timezone.now())
    return upload_row(upload)


@require_GET
@_json
def look(request: HttpRequest, pk: int) -> dict[str, Any]:
    """Which parts have arrived."""
    return upload_row(_upload(request, pk))


@require_POST
@_json
def complete(request: HttpRequest, pk: int) -> dict[str, Any]:
    """All parts have arrived."""
    user: Any = request.user
    return upload_row(uploading.upload_complete(upload=_upload(request, pk), by=user, at=timezone.now()))


def _upload(request: HttpRequest, pk: int) -> Upload:
    user: Any = request.user
    upload = Upload.objects.select_related("version__dataset").filter(pk=pk).first()
    if upload is None:
        raise NotYours("upload")
    policies.check_may_edit(user=user, dataset=upload.version.dataset)
    return upload
