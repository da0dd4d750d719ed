"""
What a notebook or a worker shows the portal: bound to launch, generation and kind, valid exactly while its session lives.

A token is `c<kind>_<id>_<generation>_<mac>`, mac = HMAC-SHA256 with the installation's key. The same launch and generation give
the same token, so an adopted server keeps working. Nothing is stored; validity is read from the rows at each call.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass

from django.conf import settings

from .models import Cluster, ClusterState, Session
from .states import S

FORM = re.compile(r"c(?P<kind>[sc])_(?P<id>[sc][0-9a-z]{26})_(?P<generation>\d{1,6})_(?P<mac>[a-z2-7]{52})")
REF = re.compile(r"(?P<id>[sc][0-9a-z]{26})-(?P<generation>\d{1,6})")
LIVE = (S.REQUESTED, S.QUEUED, S.STARTING, S.READY)


@dataclass(frozen=True)
class Bearer:
    """Who speaks: a session, directly or through its cluster."""

    session: Session
    cluster: Cluster | None = None

    @property
    def ref(self) -> str:
        """Who it is, without proof: for tickets that are signed by others and checked with `bearer_alive`."""
        return f"{self.cluster.pk if self.cluster else self.session.pk}-{self.session.generation}"


def session_token(session: Session) -> str:
    """The token a session's processes carry."""
    return _token("s", session.pk, session.generation)


def cluster_token(cluster: Cluster) -> str:
    """The token a cluster's scheduler and workers carry."""
    return _token("c", cluster.pk, cluster.session.generation)


def bearer_find(token: str) -> Bearer | None:
    """Who shows this token, or None when it is none, forged, or its session is over."""
    match = FORM.fullmatch(token)
    if match is None:
        return None
    kind, id, generation = match["kind"], match["id"], int(match["generation"])
    if not hmac.compare_digest(_token(kind, id, generation), token):
        return None
    return _alive(kind, id, generation)


def bearer_alive(ref: str) -> Bearer | None:
    """The bearer a `Bearer.ref` names, or None when its session is over or its person inactive."""
    match = REF.fullmatch(ref)
    return _alive(match["id"][0], match["id"], int(match["generation"])) if match else None


def _alive(kind: str, id: str, generation: int) -> Bearer | None:
    rows = Session.objects.select_related("user", "allocation__organisation", "resource__site")
    if kind == "s":
        session = rows.filter(pk=id, generation=generation, state__in=LIVE).first()
        return Bearer(session) if session and session.user.is_active else None
    cluster = Cluster.objects.filter(pk=id).exclude(state=ClusterState.ENDED).first()
    if cluster is None:
        return None
    session = rows.filter(pk=cluster.session_id, generation=generation, state__in=LIVE).first()
    return Bearer(session, cluster) if session and session.user.is_active else None


def _token(kind: str, id: str, generation: int) -> str:
    text = f"{kind}:{id}:{generation}"
    mac = hmac.new(settings.SESSION_TOKEN_KEY.encode(), text.encode(), hashlib.sha256).digest()
    return f"c{kind}_{id}_{generation}_{base64.b32encode(mac).decode().lower().rstrip('=')}"
