"""Links for a person's browser or program, outside of sessions. The ticket names person and allocation; both are asked
anew each time."""

from __future__ import annotations

from datetime import datetime, timedelta

from allocations.projects.models import Allocation
from allocations.projects.policies import may_use
from portal.accounts.models import User
from portal.core.errors import Refusal
from portal.objects.door import store

from .access import access_check, version_for
from .models import DatasetFile
from .states import AccessClass

LINK_LIFE = timedelta(hours=1)


def file_link(*, file: DatasetFile, user: User | None, allocation: Allocation | None, at: datetime) -> str:
    """An address that reads one file for an hour, for as long as the access holds."""
    ticket = f"p.{user.pk if user else 0}-{allocation.pk if allocation else 0}"
    return store().link(file.key, ticket=ticket, expires=at + LINK_LIFE)


def ticket_check(words: str, *, key: str, at: datetime) -> None:
    """
    Whether the person may still read the file for the allocation.

    :raises Refusal: with the reason
    """
    file = DatasetFile.objects.select_related("version__dataset").filter(key=key, version__published_at__isnull=False).first()
    if file is None:
        raise Refusal("no_such_file", "There is no such file (any more).", status=404)
    dataset = file.version.dataset
    if dataset.withdrawn_at or file.version.withdrawn_at:
        raise Refusal("dataset_withdrawn", f"{dataset.slug} was withdrawn: {dataset.withdrawn_reason}", status=410)
    if dataset.access_class == AccessClass.OPEN:
        return
    user_pk, _, allocation_pk = words.partition("-")
    user = User.objects.filter(pk=int(user_pk), is_active=True).first()
    allocation = Allocation.objects.filter(pk=int(allocation_pk)).first()
    if user is None or allocation is None or not may_use(user=user, allocation=allocation):
        raise Refusal("not_yours", "This link was made for somebody who may not use it any more.", status=403)
    access_check(allocation=allocation, dataset=dataset, at=at)
    version_for(allocation=allocation, dataset=dataset, name=file.version.name)
