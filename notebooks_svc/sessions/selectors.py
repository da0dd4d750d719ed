"""Reads of sessions and clusters for a person."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from portal.accounts.models import Role, User
from portal.core.errors import NotYours
from portal.organisations.models import OrgRole

from .models import Cluster, Session
from .states import OPEN


def _visible(user: User) -> Q:
    if Role.OPERATOR in user.role_set:
        return Q()
    managed = Q(
        allocation__organisation__memberships__user=user,
        allocation__organisation__memberships__left_at__isnull=True,
        allocation__organisation__memberships__role__in=[OrgRole.OWNER, OrgRole.MANAGER],
    )
    return Q(user=user) | managed


def session_list_for_user(*, user: User) -> QuerySet[Session]:
    """Sessions a person may see: their own, those of allocations they manage, all for operators. Newest first."""
    rows = (
        Session.objects.filter(_visible(user))
        .select_related("user", "allocation", "resource__site", "profile")
        .prefetch_related("holds")
    )
    return rows.distinct().order_by("-pk")


def session_get_for_user(*, user: User, id: str) -> Session:
    """
    One session.

    :raises NotYours: for one that is not there or not theirs to see
    """
    rows = Session.objects.filter(_visible(user)).select_related(
        "user", "allocation__organisation", "resource__site__provider", "profile"
    )
    session = rows.filter(pk=id).distinct().first()
    if session is None:
        raise NotYours("session")
    return session


def open_sessions_of(*, user: User) -> QuerySet[Session]:
    """A person's own sessions that are not over."""
    return Session.objects.filter(user=user, state__in=OPEN).select_related("allocation", "resource", "profile").order_by("-pk")


def cluster_list_for_user(*, user: User) -> QuerySet[Cluster]:
    """Clusters of sessions a person may see, newest first."""
    sessions = Session.objects.filter(_visible(user)).values("pk")
    return Cluster.objects.filter(session__in=sessions).select_related("session__user", "session__allocation").order_by("-pk")


def cluster_get_for_user(*, user: User, id: str) -> Cluster:
    """
    One cluster.

    :raises NotYours: for one that is not theirs to see
    """
    cluster = cluster_list_for_user(user=user).filter(pk=id).first()
    if cluster is None:
        raise NotYours("cluster")
    return cluster
