"""Reads of people, for those who look after them."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from portal.audit.models import Event
from portal.audit.selectors import event_list_about
from portal.core.errors import NotYours

from .models import Role, User

SHUT = "shut"
WORDS = {
    "role.granted": "Given the role",
    "role.taken": "No longer",
    "person.deactivated": "Shut out",
    "person.let_in": "Let in again",
}


def person_list_for_operator(*, user: User, words: str = "", role: str = "") -> QuerySet[User]:
    """
    Everybody, the newest first; nobody for others than operators.

    :param role: a portal role, `any` for those who hold one, `shut` for those who are shut out
    """
    if Role.OPERATOR not in user.role_set:
        return User.objects.none()
    rows = User.objects.prefetch_related("roles").order_by("-joined_at", "-pk")
    if words:
        rows = rows.filter(Q(full_name__icontains=words) | Q(email__icontains=words))
    if role == SHUT:
        return rows.filter(is_active=False)
    if role == "any":
        return rows.filter(roles__isnull=False).distinct()
    return rows.filter(roles__role=role) if role else rows


def person_get_for_operator(*, user: User, pk: int) -> User:
    """
    One person.

    :raises NotYours: for others than operators
    """
    person = person_list_for_operator(user=user).filter(pk=pk).first()
    if person is None:
        raise NotYours("person")
    return person


def person_history(*, user: User) -> list[tuple[str, Event]]:
    """What was done about a person in words: roles given and taken, shut out and let in, newest first."""
    rows = event_list_about(about=f"person:{user.pk}").order_by("-pk")[:20]
    return [(WORDS.get(event.kind, event.kind), event) for event in rows]
