from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from . import services


@shared_task
def letters_send(**_: object) -> None:
    """Look at letters that are due."""
    services.letters_send(at=timezone.now())
