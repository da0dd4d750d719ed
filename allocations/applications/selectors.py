"""Reads of applications for a person."""

from __future__ import annotations

from collections import Counter
from datetime import date

from django.db.models import Q, QuerySet

from allocations.calls.eligibility import Award, Eligibility, Facts, eligibility
from allocations.calls.models import Call
from allocations.reports.selectors import reports_overdue
from portal.accounts.models import Role, User
from portal.core.errors import NotYours
from portal.organisations.declarations import in_force
from portal.organisations.models import Organisation
from portal.organisations.subsidies import aid_by_years
from portal.web.registry import cached_import

from .models import Application
from .states import UNDER_WAY, Outcome, S

# Upper rooms name here who else may read an application: dotted paths of functions (user) → queryset of application ids.
READERS: list[str] = []
CODE_MAX = 20  # longer ones are no codes, and no pattern a database would look for


def application_list_for_user(*, user: User) -> QuerySet[Application]:
    """The applications of a person's enterprises, newest first."""
    inside = Q(organisation__memberships__user=user, organisation__memberships__left_at__isnull=True)
    return _rows().filter(inside).distinct().order_by("-pk")


def application_list_for_officer(*, user: User) -> QuerySet[Application]:
    """What was sent by anybody; an officer reads no drafts, nor what their own enterprise sent. Others get nothing."""
    if Role.OFFICER not in user.role_set:
        return Application.objects.none()
    own = user.memberships.filter(left_at__isnull=True).values("organisation_id")  # type: ignore[attr-defined]
    return _rows().filter(submitted_at__isnull=False).exclude(organisation_id__in=own).order_by("-pk")


def application_get_for_user(*, user: User, code: str) -> Application:
    """
    One application: for its enterprise, for officers once it was sent, for those whom upper rooms let read it.

    :raises NotYours: otherwise
    """
    inside = Q(organisation__memberships__user=user, organisation__memberships__left_at__isnull=True)
    if Role.OFFICER in user.role_set:
        inside |= Q(submitted_at__isnull=False)
    for reader in READERS:
        inside |= Q(pk__in=cached_import(reader)(user))
    application = _rows().filter(inside, code__iexact=code).distinct().first() if len(code) <= CODE_MAX else None
    if application is None:
        raise NotYours("application")
    return application


def application_visible_for_user(*, user: User) -> QuerySet[Application]:
    """Everything `application_get_for_user` would give, for lists of the API."""
    inside = Q(organisation__memberships__user=user, organisation__memberships__left_at__isnull=True)
    if Role.OFFICER in user.role_set:
        inside |= Q(submitted_at__isnull=False)
    return _rows().filter(inside).distinct()


def _rows() -> QuerySet[Application]:
    return Application.objects.select_related(
        "call__current", "version__call", "organisation", "allocation", "submitted_by", "follows"
    ).prefetch_related("organisation__related_firms", "organisation__accounting_years")


def facts_of(*, organisation: Organisation, today: date, without: Application | None = None) -> Facts:
    """
    What eligibility rules look at, in a constant number of queries.

    :param without: an application that shall not count as open (the one being sent)
    """
    rows = list(
        Application.objects.filter(organisation=organisation, state__in=[*UNDER_WAY, S.DECIDED]).values_list(
            "pk", "call__slug", "state", "outcome", "decided_at"
        )
    )
    awards = [Award(call, at.date()) for _, call, _, outcome, at in rows if outcome == Outcome.AWARDED and at]
    open_ones = Counter(call for pk, call, state, _, _ in rows if state in UNDER_WAY and pk != getattr(without, "pk", None))
    return Facts(
        today=today,
        country=organisation.country,
        size=organisation.size.size,
        size_reason=organisation.size.reason,
        legal_form=organisation.legal_form or None,
        headcount=organisation.headcount,
        founded_on=organisation.founded_on,
        declarations=frozenset(in_force(organisation=organisation, today=today)),
        subsidies=aid_by_years(organisation=organisation, today=today),
        reports_overdue=[report.allocation.code for report in reports_overdue(organisation=organisation, today=today)],
        registry_checked=bool(organisation.registry_scheme or organisation.registry_confirmed_at),
        awards=awards,
        open_applications=open_ones,
    )


def facts_for_conditions(*, application: Application, today: date) -> Facts:
    """What rules over the application itself look at: size, legal form, and the aid received."""
    organisation = application.organisation
    return Facts(
        today=today,
        country=organisation.country,
        size=organisation.size.size,
        legal_form=organisation.legal_form or None,
        subsidies=aid_by_years(organisation=organisation, today=today),
    )


def eligibility_of(*, call: Call, organisation: Organisation, today: date, without: Application | None = None) -> Eligibility:
    """Whether the enterprise may apply to the call, with every reason."""
    facts = facts_of(organisation=organisation, today=today, without=without)
    return eligibility(rules=call.rules.who, facts=facts, call=call.slug)
