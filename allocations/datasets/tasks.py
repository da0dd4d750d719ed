from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from . import checking


@shared_task
def upload_check(*, upload_id: int, **_: object) -> None:
    """Check an uploaded file."""
    checking.upload_check(upload_id=upload_id, at=timezone.now())
