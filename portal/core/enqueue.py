"""Puts a message on the queue after the commit. A message lost costs seconds, never a result: the sweep looks at rows."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from django.db import transaction

log = logging.getLogger(__name__)

MESSAGE_LIFE_S = 15  # by then the sweep has looked anyway


def enqueue(task: str, **ids: Any) -> None:
    """
    Send the named task once the running transaction has committed (at once when there is none).

    :param task: full name, for example `notebooks_svc.sessions.tasks.session_advance`; services never import tasks
    :param ids: ids and little else
    """
    transaction.on_commit(partial(_send, task, ids))


def _send(task: str, ids: dict[str, Any]) -> None:
    from celery import current_app

    try:
        current_app.send_task(task, kwargs=ids, ignore_result=True, expires=MESSAGE_LIFE_S)
    except Exception:
        log.warning("queue unreachable, %s %s waits for the sweep", task, ids, exc_info=True)
