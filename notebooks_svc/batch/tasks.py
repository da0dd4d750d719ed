from __future__ import annotations

from celery import shared_task
from django.utils import timezone


@shared_task
def batch_collect(**_: object) -> None:
    """Read batch sites' accounting."""
    from . import collecting

    collecting.batch_collect(at=timezone.now())
