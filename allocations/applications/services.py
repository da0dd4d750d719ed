"""Writes about applications: drafts, submissions, returns, withdrawals. Decisions are made upstairs, in awards."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from portal.core.errors import Refusal

from .models import Application
from .states import Actor, S, check_transition


def application_move(*, application: Application, new: S, actor: Actor, at: datetime, **fields: Any) -> None:
    """
    Move an application by compare-and-set, so that two who act at once cannot both succeed.

    :param fields: other columns to write in the same statement
    :raises Refusal: `move_not_allowed`, or `changed_meanwhile` when somebody else was first
    """
    old = S(application.state)
    check_transition(old=old, new=new, actor=actor)
    fields = {**fields, "state": new, "changed_at": at}
    done = Application.objects.filter(pk=application.pk, state=old, revision=application.revision).update(
        **fields, revision=application.revision + 1
    )
    if not done:
        raise Refusal("changed_meanwhile", "Somebody else changed this application just now. Look at it again.")
    application.revision += 1
    for name, value in fields.items():
        setattr(application, name, value)
