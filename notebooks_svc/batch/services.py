"""Open and close a batch hold. Credits are held before anybody may submit anything; the site hears after the commit."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from allocations.ledger import services as ledger
from allocations.projects import policies as projects_policy
from allocations.projects import selectors as projects_read
from allocations.projects.models import Allocation, AllocationResource
from notebooks_svc.sessions.mirror import sites_mirror_now
from notebooks_svc.sessions.quotes import check_resource_takes_launches
from portal.accounts.models import Role, User
from portal.audit import services as audit
from portal.core.errors import Malformed, NotAllowed, NotYours, Refusal
from portal.core.ids import BATCH_ID, batch_id_new
from portal.core.quantities import credits_text

from . import policies
from .models import BatchHold, BatchPerson
from .pricing import smallest_minute
from .selectors import live_on
from .states import Actor, S, check_transition

LIVE_MAX = 10  # of one allocation
PEOPLE_MAX = 100


def batch_open(
    *,
    user: User,
    allocation: str,
    resource: str,
    amount: int,
    at: datetime,
    people: list[str] | None = None,
    id: str = "",
) -> BatchHold:
    """
    Set credits aside for jobs that people submit themselves at a batch site.

    :param amount: micro-credits: all that such jobs can ever cost
    :param people: e-mail addresses of those who may submit; None means the caller alone; others need an owner or manager
    :param id: made with the form, so that a double click opens once
    :raises Refusal: with the reason; then nothing was written
    """
    id = id or batch_id_new()
    if not BATCH_ID.fullmatch(id):
        raise Malformed("That is no id of a batch hold.", field="id")
    if done := BatchHold.objects.filter(pk=id).first():
        if done.opened_by_id != user.pk:
            raise NotYours("batch hold")
        return done
    granted = projects_read.allocation_get_for_user(user=user, code=allocation)
    projects_policy.check_may_spend(user=user, allocation=granted, at=at)
    covered = projects_read.covered_get(allocation=granted, resource=resource)
    check_takes_batch(covered, at=at)
    if amount < smallest_minute(covered.rate):
        least = credits_text(smallest_minute(covered.rate))
        raise Malformed(f"Set aside at least {least} credits: less pays for no minute of the smallest job.", field="credits")
    inside = _people(user, granted, people)
    return _write(id=id, user=user, allocation=granted, covered=covered, amount=amount, people=inside, at=at)


def check_takes_batch(covered: AllocationResource, *, at: datetime) -> None:
    """
    Let a resource pass at whose site people can submit jobs themselves.

    :raises Refusal: `not_a_batch_site`, and those of a launch
    """
    if covered.resource.site.engine == "local":
        raise Refusal(
            "not_a_batch_site",
            f"{covered.resource} has no batch scheduler: there is nothing to submit jobs to. Launch a notebook.",
        )
    check_resource_takes_launches(covered.resource, at=at)


def _people(user: User, allocation: Allocation, addresses: list[str] | None) -> list[User]:
    """
    Who may submit.

    :raises NotAllowed: for members who name others
    :raises Malformed: for an address of nobody who may use the allocation
    """
    if addresses is None:
        return [user]
    wanted = sorted({address.strip().lower() for address in addresses if address.strip()})
    if not wanted or len(wanted) > PEOPLE_MAX:
        raise Malformed(f"Name one to {PEOPLE_MAX} people.", field="people")
    if wanted != [user.email.lower()] and not projects_policy.may_manage(user=user, allocation=allocation):
        raise NotAllowed(
            "You can set credits aside for your own jobs. For colleagues, ask an owner or manager of the enterprise."
        )
    found = []
    known = {person.email.lower(): person for person in User.objects.filter(email__in=wanted, is_active=True)}
    for address in wanted:
        person = known.get(address)
        if person is None or not projects_policy.may_use(user=person, allocation=allocation):
            raise Malformed(f"{address} may not use {allocation.code}. Invite them to the enterprise first.", field="people")
        found.append(person)
    return found


@transaction.atomic
def _write(
    *,
    id: str,
    user: User,
    allocation: Allocation,
    covered: AllocationResource,
    amount: int,
    people: list[User],
    at: datetime,
) -> BatchHold:
    # Nothing was sent anywhere yet, but a hold without a clock is right: the row is there in the same moment, and closes it.
    ledger.hold(
        id=id,
        allocation=allocation.account,
        amount=amount,
        resource=covered.resource.slug,
        subject=f"batch:{id}",
        at=at,
        expires_at=None,
        by=f"person:{user.pk}",
        explanation={
            "text": f"batch hold {id[-6:]} on {covered.resource.slug}, for jobs submitted without the portal",
            "who": ", ".join(map(str, people)),
            "formula": f"{credits_text(amount)} credits: the most such jobs can cost",
            "batch": id,
        },
    )
    # The hold locked the allocation's row: the first of two clicks has written its row by now.
    if done := BatchHold.objects.filter(pk=id).first():
        return done
    if live_on(allocation=allocation) >= LIVE_MAX:
        raise Refusal(
            "too_many_batch_holds", f"{allocation.code} has {LIVE_MAX} batch holds open. Close one first.", status=429
        )
    if projects_read.not_usable_any_more([allocation.code]):
        raise Refusal("allocation_not_active", f"{allocation.code} has ended just now.")
    hold = BatchHold.objects.create(
        id=id,
        allocation=allocation,
        resource=covered.resource,
        opened_by=user,
        amount=amount,
        rate_frozen=covered.rate.as_dict(),
        hold=id,
        hold_amount=amount,
        opened_at=at,
        due_at=at + settle_every(),
    )
    BatchPerson.objects.bulk_create([BatchPerson(hold=hold, user=person) for person in people])
    audit.event_record(
        kind="batch.opened",
        actor=user,
        about=hold.subject,
        at=at,
        allocation=allocation.code,
        resource=covered.resource.slug,
        amount=amount,
        people=[person.email for person in people],
    )
    sites_mirror_now()
    return hold


def settle_every() -> timedelta:
    """How often books are brought up to date: once a day, unless set otherwise."""
    return timedelta(seconds=settings.BATCH_SETTLE_EVERY_S)


def batch_close(*, hold: BatchHold, by: User | None, reason: str = "person", let_finish: bool, at: datetime) -> None:
    """
    Ask for a batch hold's end: nothing new is taken, jobs that wait are cancelled. Safe to repeat; asking again to cancel what
    was let finish does so.

    :param let_finish: what runs may finish inside the hold; otherwise it is cancelled, and charged at most a minute more
    :param reason: a key of `states.ENDS`
    :raises NotAllowed: unless the person may close it
    """
    actor = Actor.PORTAL
    if by is not None:
        if not policies.may_close(user=by, hold=hold):
            raise NotAllowed(
                "Only who opened it, an owner or manager of the enterprise or an operator may close this batch hold."
            )
        actor, reason = _closer(hold, by)
    check_transition(old=S.OPEN, new=S.CLOSING, actor=actor)
    with transaction.atomic():
        row = BatchHold.objects.select_for_update().get(pk=hold.pk)
        if row.state == S.OPEN:
            changes = {"state": S.CLOSING, "close_asked_at": at, "close_reason": reason, "let_finish": let_finish, "due_at": at}
        elif row.state == S.CLOSING and row.let_finish and not let_finish:
            # From now on, as if it had been asked for now: what ran on until here was let run.
            changes = {"let_finish": False, "close_asked_at": at, "quiet_since": None, "due_at": at}
        else:
            return
        BatchHold.objects.filter(pk=row.pk).update(**changes)
        audit.event_record(kind="batch.close_asked", actor=by, about=row.subject, at=at, reason=reason, let_finish=let_finish)
        sites_mirror_now()
    hold.refresh_from_db()


def _closer(hold: BatchHold, by: User) -> tuple[Actor, str]:
    """In which role the person closes it."""
    if by.pk == hold.opened_by_id:
        return Actor.PERSON, "person"
    if projects_policy.may_manage(user=by, allocation=hold.allocation):
        return Actor.PERSON, "manager"
    assert Role.OPERATOR in by.role_set  # noqa: S101 (`may_close` looked)
    return Actor.OPERATOR, "operator"
