from __future__ import annotations

import hashlib
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from allocations.catalogue.selectors import profile_list
from allocations.datasets.access import readable_datasets
from allocations.projects import selectors as projects_read
from allocations.projects.policies import may_use
from allocations.projects.states import S as AllocationState
from allocations.usage.selectors import usage_totals
from portal.core.errors import NotAllowed, NotYours, Refusal
from portal.core.ids import launch_id_new

from . import clusters, idle, policies, selectors, services
from .failures import CATALOGUE, ENDS
from .forms import ExtendForm, LaunchForm
from .models import ClusterState, Session
from .queue import WAITED_LONG
from .quotes import quote
from .start_here import FILE_NAME
from .states import BEFORE_READY, OVER, S, Target
from .warning import warning_of

PAGE, DATASETS_SHOWN = 25, 50
EVERY_STARTING_MS, EVERY_RUNNING_MS = 400, 15_000


@login_required
def session_list(request: HttpRequest) -> HttpResponse:
    """The person's sessions, newest first."""
    user: Any = request.user
    rows = selectors.session_list_for_user(user=user)
    cursor = request.GET.get("cursor", "")
    if cursor:
        rows = rows.filter(pk__lt=cursor)
    found = list(rows[: PAGE + 1])
    shown = found[:PAGE]
    return render(
        request,
        "sessions/list.html",
        {"sessions": shown, "next": shown[-1].pk if len(found) > PAGE else ""},
    )


@login_required
def launch(request: HttpRequest) -> HttpResponse:
    """Choose a size and a length, see the most it can cost, launch."""
    user: Any = request.user
    usable = list(projects_read.allocation_list_for_user(user=user).filter(state=AllocationState.ACTIVE)[:50])
    code = (request.POST or request.GET).get("allocation") or (usable[0].code if usable else "")
    if not code:
        return render(request, "sessions/nothing_to_launch.html")
    allocation = projects_read.allocation_get_for_user(user=user, code=code)
    if not may_use(user=user, allocation=allocation):
        raise NotAllowed(f"Only the people of {allocation.code} launch notebooks on it.")
    resources = list(projects_read.covered_resources(allocation=allocation))
    profiles = list(profile_list())
    readable = list(readable_datasets(allocation=allocation, at=timezone.now())[:DATASETS_SHOWN])
    choices: dict[str, Any] = {"resources": resources, "profiles": profiles, "datasets": readable}
    if request.method == "POST" and request.POST.get("go") == "launch":
        form = LaunchForm(request.POST, **choices)
        if form.is_valid():
            try:
                session = services.session_launch(user=user, at=timezone.now(), **form.cleaned_data)
            except NotYours:
                raise
            except Refusal as refusal:
                form.add_error(None, refusal.message)
            else:
                return redirect("sessions:detail", id=session.pk)
        status = 409
    else:
        # A changed size or length without JavaScript: the button "Show the price" comes here with what was chosen.
        chosen = request.GET if "profile" in request.GET else {}
        form = LaunchForm(
            initial={
                "id": launch_id_new(),
                "allocation": allocation.code,
                "resource": chosen.get("resource", resources[0].resource.slug if resources else ""),
                "profile": chosen.get("profile", profiles[0].slug),
                "minutes": chosen.get("minutes", 120),
                "datasets": request.GET.getlist("datasets") if chosen else [dataset.slug for dataset in readable],
            },
            **choices,
        )
        status = 200
    return render(
        request,
        "sessions/launch.html",
        {"form": form, "allocation": allocation, "usable": usable, **_quote_context(request, form)},
        status=status,
    )


def _quote_context(request: HttpRequest, form: LaunchForm) -> dict[str, Any]:
    user: Any = request.user
    values = {name: form[name].value() for name in ("allocation", "resource", "profile", "minutes")}
    try:
        values["minutes"] = int(values["minutes"] or 0)
        return {"quote": quote(user=user, at=timezone.now(), ask_site=True, **values), "quote_refusal": None}
    except Refusal as refusal:
        return {"quote": None, "quote_refusal": refusal}
    except ValueError:
        return {"quote": None, "quote_refusal": Refusal("malformed", "Choose a length.")}


@login_required
@require_GET
def quote_part(request: HttpRequest) -> HttpResponse:
    """The sentence with the price, for the launch page when a choice changes."""
    user: Any = request.user
    asked = {name: request.GET.get(name, "") for name in ("allocation", "resource", "profile")}
    try:
        minutes = int(request.GET.get("minutes", "0") or 0)
        found = quote(user=user, at=timezone.now(), minutes=minutes, ask_site=True, **asked)
    except (Refusal, ValueError) as refusal:
        return render(request, "sessions/quote.html", {"quote": None, "quote_refusal": refusal})
    return render(request, "sessions/quote.html", {"quote": found})


@login_required
@require_GET
def detail(request: HttpRequest, id: str) -> HttpResponse:
    """A session: what happens, what it costs, the notebook's door."""
    user: Any = request.user
    session = selectors.session_get_for_user(user=user, id=id)
    context = _context(request, session)
    return render(request, "sessions/detail.html", context)


@login_required
@require_GET
def live(request: HttpRequest, id: str) -> HttpResponse:
    """The changing part of a session's page; 304 while nothing changed; sends the person on once it is ready."""
    user: Any = request.user
    session = selectors.session_get_for_user(user=user, id=id)
    text = render_to_string("sessions/live.html", _context(request, session), request=request)
    etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
    unchanged = request.headers.get("If-None-Match") == etag
    answer = HttpResponse(status=304) if unchanged else HttpResponse(text)
    answer["ETag"] = etag
    answer["Cache-Control"] = "private, no-store"
    answer["X-Every"] = str(EVERY_STARTING_MS if session.state in (*BEFORE_READY, S.STOPPING) else EVERY_RUNNING_MS)
    if session.state in OVER:
        answer["X-Done"] = "1"
    if session.state == S.READY and request.GET.get("follow") and policies.may_open(user=user, session=session):
        answer["X-Go-To"] = notebook_url(session)
    return answer


def notebook_url(session: Session) -> str:
    """Where the person's browser reaches the notebook."""
    base = session.resource.site.notebooks_url or settings.NOTEBOOKS_URL
    return f"{base}/user/{session.user.hub_username}/{session.pk}/lab/tree/{FILE_NAME}"


def _context(request: HttpRequest, session: Session) -> dict[str, Any]:
    user: Any = request.user
    now = timezone.now()
    left_s = int((session.deadline - now).total_seconds()) if session.deadline and session.state == S.READY else None
    return {
        "session": session,
        "notes": list(session.notes.all()),
        "clusters": list(session.clusters.exclude(state=ClusterState.ENDED)),
        "left_minutes": max(0, left_s // 60) if left_s is not None else None,
        "warning": warning_of(session, at=now) if session.state == S.READY else None,
        "may_open": policies.may_open(user=user, session=session),
        "may_stop": policies.may_stop(user=user, session=session) and session.target_state == Target.READY and session.is_open,
        "may_extend": session.state == S.READY and session.target_state == Target.READY and session.user_id == user.pk,
        "letter_after_minutes": int(WAITED_LONG.total_seconds() // 60),
        "starting": session.state in BEFORE_READY and session.target_state == Target.READY,
        "failure": CATALOGUE.get(session.failure),
        "end_words": ENDS.get(session.stop_reason, ""),
        "usage": usage_totals(launch=session.pk) if session.state in OVER else None,
        "extend": ExtendForm(),
        "url": notebook_url(session),
        "follow": "1" if session.state in BEFORE_READY else "",
    }


@login_required
@require_POST
def stop(request: HttpRequest, id: str) -> HttpResponse:
    """Stop a session."""
    user: Any = request.user
    session = selectors.session_get_for_user(user=user, id=id)
    services.session_stop(session=session, by=user, reason="person", at=timezone.now())
    return redirect("sessions:detail", id=id)


@login_required
@require_POST
def extend(request: HttpRequest, id: str) -> HttpResponse:
    """Buy more minutes."""
    user: Any = request.user
    session = selectors.session_get_for_user(user=user, id=id)
    form = ExtendForm(request.POST)
    if form.is_valid():
        try:
            services.session_extend(session=session, by=user, minutes=form.cleaned_data["minutes"], at=timezone.now())
            messages.success(request, f"Extended by {form.cleaned_data['minutes']} minutes.")
        except NotAllowed:
            raise
        except Refusal as refusal:
            messages.error(request, refusal.message)
    return redirect("sessions:detail", id=id)


@login_required
@require_POST
def keep(request: HttpRequest, id: str) -> HttpResponse:
    """Its owner still needs a session that looked idle."""
    user: Any = request.user
    session = selectors.session_get_for_user(user=user, id=id)
    idle.session_keep(session=session, by=user, at=timezone.now())
    return redirect("sessions:detail", id=id)


@login_required
@require_POST
def cluster_stop(request: HttpRequest, id: str) -> HttpResponse:
    """Stop a Dask cluster."""
    user: Any = request.user
    cluster = selectors.cluster_get_for_user(user=user, id=id)
    clusters.cluster_stop(cluster=cluster, by=user, reason="person", at=timezone.now())
    return redirect("sessions:detail", id=cluster.session_id)
