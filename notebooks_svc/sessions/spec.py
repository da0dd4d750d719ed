"""What a site is told about a launch: everything it needs, nothing a person sent."""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone

from allocations.catalogue.rates import Size
from notebooks_svc.wire import ClusterGrant, EngineName, SeedFile, SessionSpec
from portal.core.errors import NotYours, Refusal
from portal.objects.door import session_environment

from .data import datasets_for_session
from .mirror import batch_wish
from .models import Cluster, Session
from .start_here import FILE_NAME, start_here
from .states import BEFORE_READY, Target
from .tokens import cluster_token, session_token

ENVIRONMENT = "base"
CLUSTER_IDLE_S = 20 * 60


def session_spec(*, launch: str, hub_username: str) -> SessionSpec:
    """
    The spec of a launch, given only while it should start and has not.

    :raises NotYours: unknown, or another person's
    :raises Refusal: `launch_over` (410) once it is ready, stopping or over
    """
    session = (
        Session.objects.select_related("user", "allocation", "resource__site")
        .filter(pk=launch, user__hub_username=hub_username)
        .first()
    )
    if session is None:
        raise NotYours("launch")
    if session.target_state != Target.READY or session.state not in BEFORE_READY:
        raise Refusal("launch_over", "This launch is ready, stopping or over.", status=410)
    home = f"{session.allocation.code}/{session.user.hub_username}"
    return SessionSpec(
        launch=session.pk,
        generation=session.generation,
        instance=settings.INSTANCE_ID,
        hub_username=session.user.hub_username,
        engine=engine_of(session),
        batch=batch_wish(session, session.size),
        cores=session.cores,
        memory_gib=session.memory_gib,
        gpus=session.gpus,
        minutes=session.minutes,
        boot_s=session.boot_s,
        environment=ENVIRONMENT,
        home=home,
        shared=f"{session.allocation.code}/shared",
        env=_data_env(session_token(session), session),
        files=[SeedFile(path=FILE_NAME, content=start_here(datasets_for_session(session, at=timezone.now())))],
        open_path=f"/lab/tree/{FILE_NAME}",
    )


def cluster_spec(cluster: Cluster) -> ClusterGrant:
    """The grant of a cluster: its workers see the notebook's environment and data."""
    session = cluster.session
    return ClusterGrant(
        cluster=cluster.pk,
        launch=session.pk,
        instance=settings.INSTANCE_ID,
        workers_max=cluster.workers_max,
        worker_cores=cluster.worker_cores,
        worker_memory_gib=cluster.worker_memory_gib,
        lease_end=cluster.lease_end.timestamp(),
        idle_timeout_s=CLUSTER_IDLE_S,
        environment=ENVIRONMENT,
        home=f"{session.allocation.code}/{session.user.hub_username}",
        env=_data_env(cluster_token(cluster), session),
        engine=engine_of(session),
        batch=batch_wish(session, Size(cluster.worker_cores, cluster.worker_memory_gib)),
    )


def engine_of(session: Session) -> EngineName:
    """What runs it at its site."""
    return "slurm" if session.resource.site.engine == "slurm" else "local"


def _data_env(token: str, session: Session) -> dict[str, str]:
    """Where data is asked for and what to show there. Valid exactly while the session lives."""
    return {
        "COMMONS_URL": settings.PORTAL_URL,
        "COMMONS_TOKEN": token,
        "COMMONS_SESSION": session.pk,
        "COMMONS_ALLOCATION": session.allocation.code,
        "AWS_EC2_METADATA_DISABLED": "true",
        **session_environment(session.allocation.code),
    }
