"""The steward's pages: what waits, one decision, many alike, ending a grant, naming a delegate."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from portal.accounts.models import Role, User
from portal.core.errors import Refusal
from portal.core.words import whole_number

from . import policies, selectors, services
from .duo import USES, duo_findings
from .forms import PURPOSE, QUESTIONS, BulkForm, DecisionForm, DelegateForm, RevokeForm
from .models import Access, TermsAcceptance
from .states import A

PAGE = 20


@login_required
@require_GET
def queue(request: HttpRequest) -> HttpResponse:
    """What waits for this steward, the soonest due first; and what is granted."""
    user: Any = request.user
    waiting = Paginator(selectors.queue_for_steward(user=user), PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "datasets/queue.html",
        {
            "page": waiting,
            "granted": list(selectors.granted_for_steward(user=user)[:50]),
            "today": timezone.now().date(),
            "reviews": list(selectors.reviews_for(user=user)[:50]) if Role.STEWARD in user.role_set else [],
            "bulk": BulkForm(),
            "datasets": list(selectors.stewarded_list(user=user)[:200]),
            "delegate": DelegateForm(datasets=list(selectors.own_list(user=user)[:200])),
        },
    )


@login_required
@require_POST
def decide_many(request: HttpRequest) -> HttpResponse:
    """The same decision for every ticked request; each applicant is told."""
    user: Any = request.user
    form = BulkForm(request.POST)
    ticked = [pk for text in request.POST.getlist("access")[:200] if (pk := whole_number(text)) is not None]
    rows = list(selectors.queue_for_steward(user=user).filter(pk__in=ticked))
    if not form.is_valid() or not rows:
        messages.error(request, "Tick at least one request and choose a decision.")
        return redirect("datasets:queue")
    done = services.accesses_decide(accesses=rows, by=user, at=timezone.now(), **form.cleaned_data)
    wrong = [said for _, said in done if said]
    if len(done) > len(wrong):
        messages.success(request, f"{len(done) - len(wrong)} decided. Each applicant was told.")
    for said in dict.fromkeys(wrong):
        messages.error(request, said)
    return redirect("datasets:queue")


@login_required
@require_POST
def delegate(request: HttpRequest) -> HttpResponse:
    """Let another steward decide too while this one is away."""
    user: Any = request.user
    mine = list(selectors.own_list(user=user)[:200])
    form = DelegateForm(request.POST, datasets=mine)
    if not form.is_valid():
        messages.error(request, "Write the e-mail address of another data steward.")
        return redirect("datasets:queue")
    said = form.cleaned_data
    other = User.objects.filter(email__iexact=said["email"]).first() if said["email"] else None
    if said["email"] and other is None:
        messages.error(request, f"{said['email']} is no data steward here.")
        return redirect("datasets:queue")
    try:
        for dataset in [d for d in mine if not said["dataset"] or d.slug == said["dataset"]]:
            services.delegate_set(dataset=dataset, delegate=other, until=said["until"], by=user, at=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{other} decides too." if other else "Nobody decides in your place any more.")
    return redirect("datasets:queue")


@login_required
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """One request with its answers; grant or refuse it. A granted one can be ended here."""
    user: Any = request.user
    access = selectors.access_get_for_user(user=user, pk=pk)
    policies.check_may_steward(user=user, dataset=access.dataset)
    revoking = access.state == A.GRANTED
    form = RevokeForm(request.POST or None) if revoking else DecisionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            if revoking:
                services.access_revoke(access=access, by=user, at=timezone.now(), **form.cleaned_data)
            else:
                services.access_decide(access=access, by=user, at=timezone.now(), **form.cleaned_data)
        except Refusal as refusal:
            form.add_error(refusal.facts.get("field") if refusal.facts.get("field") in form.fields else None, refusal.message)
        else:
            messages.success(request, f"{access.badge.label}. {access.asked_by or 'The applicant'} was told.")
            return redirect("datasets:queue")
    return render(
        request,
        "datasets/decide.html",
        {"access": access, "form": form, "answers": _answers(access), "revoking": revoking, "duo": _duo(access)}
        | {"accepted": access.terms is not None and _accepted(access)},
        status=422 if form.errors else 200,
    )


def _duo(access: Access) -> list[Any]:
    use = str(access.answers.get("use", ""))
    return duo_findings(access.dataset.duo_codes, use=use, ends=access.wished_until is not None)


def _answers(access: Access) -> list[tuple[str, str, str]]:
    """Heading, question and answer: the Five Safes first, each also when nothing was said; then whatever else was sent."""
    said = dict(access.answers)
    use = said.pop("use", None)
    rows = [("Project", PURPOSE, access.purpose or "Not said.")]
    if use:
        rows.append(("", "What kind of use is it?", USES.get(str(use), str(use))))
    rows += [(name.capitalize(), label, str(said.pop(name, "") or "Not said.")) for name, label, _ in QUESTIONS]
    return rows + [("", str(name), str(answer)) for name, answer in said.items()]


def _accepted(access: Access) -> bool:
    """Whether the project has accepted the terms that were shown with the request: by a program, it may ask without."""
    return TermsAcceptance.objects.filter(terms=access.terms, allocation=access.allocation).exists()
