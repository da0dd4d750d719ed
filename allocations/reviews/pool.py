"""The pool of reviewers: who knows what, who is full or away, and whom to ask first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction
from django.db.models import Count, Q

from allocations.applications.models import Application
from portal.accounts.models import Role, User
from portal.accounts.policies import check_role
from portal.audit import services as audit
from portal.core.errors import Malformed, Refusal
from portal.organisations.models import SECTORS

from .models import Review, ReviewerProfile
from .states import WAITING

LOAD_DEFAULT = 5
POOL_MAX = 200
SECTOR_WORDS = dict(SECTORS)


@dataclass(frozen=True)
class Candidate:
    """Somebody who could be asked, with what speaks for and against it."""

    person: User
    load: int
    load_max: int
    knows: bool
    words: str
    away_until: date | None = None

    @property
    def full(self) -> bool:
        return self.load >= self.load_max

    @property
    def can(self) -> bool:
        return not self.full and self.away_until is None

    @property
    def label(self) -> str:
        """One line for the officer's form."""
        parts = [f"{self.person}", f"{self.load} of {self.load_max} waiting"]
        if self.knows:
            parts.append("knows this sector")
        if self.words:
            parts.append(self.words)
        if self.away_until:
            parts.append(f"away until {self.away_until:%-d %B}")
        elif self.full:
            parts.append("full")
        return " · ".join(parts)


def candidates(application: Application, *, today: date) -> list[Candidate]:
    """
    Everybody in the pool who was not asked yet and does not belong to the enterprise. Those who can come first: first who
    knows the sector, then who has the least to do.
    """
    asked = Review.objects.filter(application=application).values("reviewer_id")
    inside = application.organisation.memberships.values("user_id")
    load = Count("reviews", filter=Q(reviews__state__in=WAITING))
    people = (
        User.objects.filter(roles__role=Role.REVIEWER, is_active=True)
        .exclude(pk__in=asked)
        .exclude(pk__in=inside)
        .select_related("reviewer_profile")
        .annotate(load=load)
        .order_by("full_name", "pk")[:POOL_MAX]
    )
    found = [_candidate(person, application.organisation.sector, today) for person in people]
    return sorted(found, key=lambda one: (not one.can, not one.knows, one.load))


def _candidate(person: User, sector: str, today: date) -> Candidate:
    profile: ReviewerProfile | None = getattr(person, "reviewer_profile", None)
    away = profile.away_until if profile and profile.away_until and profile.away_until >= today else None
    return Candidate(
        person=person,
        load=person.load,  # type: ignore[attr-defined]
        load_max=profile.load_max if profile else LOAD_DEFAULT,
        knows=bool(sector and profile and sector in profile.sectors),
        words=profile.words if profile else "",
        away_until=away,
    )


def check_has_room(*, people: Sequence[User], today: date) -> None:
    """
    Let people pass who may be given one more review.

    :raises Refusal: `reviewer_full` or `reviewer_away`, naming the person
    """
    rows = User.objects.filter(pk__in=[person.pk for person in people]).select_related("reviewer_profile")
    for person in rows.annotate(load=Count("reviews", filter=Q(reviews__state__in=WAITING))):
        one = _candidate(person, "", today)
        if one.away_until:
            raise Refusal("reviewer_away", f"{person} is away until {one.away_until:%-d %B %Y}. Ask somebody else.")
        if one.full:
            raise Refusal(
                "reviewer_full", f"{person} has {one.load} reviews waiting and takes at most {one.load_max}. Ask somebody else."
            )


def profile_of(*, user: User) -> ReviewerProfile:
    """A reviewer's own profile, with the usual limit where none was kept."""
    check_role(user, Role.REVIEWER)
    return ReviewerProfile.objects.filter(user=user).first() or ReviewerProfile(user=user, load_max=LOAD_DEFAULT)


@transaction.atomic
def profile_save(
    *, sectors: Sequence[str], words: str, load_max: int, away_until: date | None, by: User, at: datetime
) -> ReviewerProfile:
    """
    Keep what a reviewer says of themselves. What they were asked before stays with them.

    :raises NotAllowed: not a reviewer
    :raises Malformed: an unknown sector, or a limit that is none
    """
    check_role(by, Role.REVIEWER)
    if unknown := [one for one in sectors if one not in SECTOR_WORDS]:
        raise Malformed(f"There is no sector {unknown[0]!r}.", field="sectors")
    if not 0 <= load_max <= 50:
        raise Malformed("Take between 0 and 50 reviews at once.", field="load_max")
    values = {
        "sectors": sorted(set(sectors)),
        "words": words.strip()[:300],
        "load_max": load_max,
        "away_until": away_until,
        "changed_at": at,
    }
    profile, _ = ReviewerProfile.objects.update_or_create(user=by, defaults=values)
    audit.event_record(kind="reviewer.profile", actor=by, about=f"person:{by.pk}", at=at, load_max=load_max)
    return profile
