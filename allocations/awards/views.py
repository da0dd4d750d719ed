"""Pages of the officer, and the letter everybody concerned reads."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from allocations.applications.models import Application
from allocations.applications.policies import check_may_officiate, may_officiate, may_write
from allocations.applications.selectors import application_get_for_user
from allocations.applications.states import S
from allocations.calls.selectors import call_list_public
from allocations.reviews.scoring import total
from allocations.reviews.selectors import reviews_of
from allocations.reviews.states import S as ReviewS
from portal.accounts.models import Role, User
from portal.accounts.policies import check_role
from portal.core.errors import Malformed, NotYours, Refusal
from portal.organisations.policies import org_role
from portal.organisations.selectors import organisation_get_for_user
from portal.organisations.subsidies import aid_total
from portal.threads.selectors import unread_of

from . import appeals, selectors, services
from .calendar import calendar_owner, calendar_text, calendar_token, entries
from .forms import AppealAnswerForm, AppealForm, DecideForm
from .pdf import letter_pdf, subsidy_pdf
from .reasons import reason_filled, score_of
from .selectors import QueueAsk
from .terms import Terms

PAGE = 50


@login_required
def queue(request: HttpRequest) -> HttpResponse:
    """Everything that waits, with filters; beside it what the pools still hold."""
    user: Any = request.user
    check_role(user, Role.OFFICER)
    ask = QueueAsk(*(request.GET.get(name, "")[:80] for name in ("state", "call", "q")))
    rows = selectors.queue_for_user(user=user, ask=ask).annotate(unread=unread_of(user=user, kind="application"))
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    given = {"state": ask.state, "call": ask.call, "q": ask.words}
    return render(
        request,
        "awards/queue.html",
        {
            "page": page,
            "ask": ask,
            "query": urlencode({name: value for name, value in given.items() if value}),
            "calls": [(call.slug, call.rules.title) for call in call_list_public()],
            "states": [S.SUBMITTED, S.IN_REVIEW, S.RETURNED, S.DECIDED, S.WITHDRAWN],
            "pools": selectors.pools(),
            "questions": selectors.questions(user=user),
            "appeals": list(selectors.appeals_open(user=user)[:20]),
            "today": timezone.now().date(),
        },
    )


@login_required
@require_POST
def decide(request: HttpRequest, code: str) -> HttpResponse:
    """Award or reject. A second press finds it decided and shows the letter."""
    user: Any = request.user
    application = application_get_for_user(user=user, code=code)
    check_may_officiate(user=user, application=application)
    if application.state == S.DECIDED:
        return redirect("awards:letter", code=code)
    form = DecideForm(application, request.POST)
    if form.is_valid():
        try:
            _decide(application, form.cleaned_data, by=user)
        except Refusal as refusal:
            field = refusal.facts.get("field", "")
            field = "reason_reject" if field == "reason" and form.cleaned_data["outcome"] == "reject" else field
            form.add_error(field if field in form.fields else None, refusal.message)
        else:
            told = "it goes out with the others" if form.cleaned_data["hold"] else "the applicant was told by mail"
            messages.success(request, f"{application.code} is decided; {told}.")
            return redirect("awards:letter", code=code)
    context = {"application": application, "form": form, "rules": application.version.rules, "pools": selectors.pools()}
    return render(request, "awards/decide.html", context, status=422)


def _decide(application: Application, given: dict[str, Any], *, by: User) -> None:
    now, score = timezone.now(), score_of(application)
    reason = reason_filled(given["reason"], application, credits=given["credits"], score=score)
    if given["outcome"] == "reject":
        services.application_reject(application=application, reason=reason, by=by, at=now, hold=given["hold"])
        return
    terms = Terms(given["credits"], given["months"] or 0, given["resources"], given.get("datasets", []))
    services.application_award(application=application, terms=terms, reason=reason, by=by, at=now, hold=given["hold"])


@login_required
def letter(request: HttpRequest, code: str) -> HttpResponse:
    """The decision letter: outcome, reasons, scores without names, what to do next, how to appeal."""
    context = _letter(request, code)
    appealable = context["writes"] and context["appeal"] is None and context["appeal_until"]
    form = AppealForm() if appealable and timezone.now() <= context["appeal_until"] else None
    return render(request, "awards/letter.html", {**context, "appeal_form": form})


@login_required
def letter_file(request: HttpRequest, code: str) -> HttpResponse:
    """The same letter as PDF."""
    answer = HttpResponse(letter_pdf(_letter(request, code)), content_type="application/pdf")
    answer["Content-Disposition"] = f'inline; filename="decision-{code}.pdf"'
    return answer


@login_required
def subsidy_file(request: HttpRequest, pk: int) -> HttpResponse:
    """A letter about the aid an enterprise received over three years, for its owner's next application elsewhere."""
    user: Any = request.user
    organisation = organisation_get_for_user(user=user, pk=pk)
    today = timezone.now().date()
    aid = aid_total(organisation=organisation, today=today)
    answer = HttpResponse(
        subsidy_pdf({"organisation": organisation, "aid": aid, "today": today}), content_type="application/pdf"
    )
    answer["Content-Disposition"] = f'inline; filename="aid-received-{today}.pdf"'
    return answer


def _letter(request: HttpRequest, code: str) -> dict[str, Any]:
    user: Any = request.user
    application = application_get_for_user(user=user, code=code)
    officiates, writes = may_officiate(user=user, application=application), may_write(user=user, application=application)
    inside = org_role(user=user, organisation_id=application.organisation_id) is not None
    decision = appeals.decision_of(application)
    if decision is None or not (officiates or (inside and application.published_at)):
        raise NotYours("decision")
    rules = application.version.rules
    criteria = rules.review.criteria if rules.review else []
    handed = [review for review in reviews_of(application) if review.state == ReviewS.SUBMITTED]
    return {
        "application": application,
        "decision": decision,
        "rules": rules,
        "reviews": [(review, total(criteria, review.scores)) for review in handed],
        "writes": writes,
        "appeal": getattr(decision, "appeal", None),
        "appeal_until": appeals.appeal_until(application),
    }


@login_required
def calendar_page(request: HttpRequest) -> HttpResponse:
    """The person's deadlines, and the link that puts them into their calendar."""
    user: Any = request.user
    url = f"{settings.PORTAL_URL}{reverse('awards:calendar_feed', args=[calendar_token(user)])}"
    return render(request, "awards/calendar.html", {"entries": entries(user), "url": url})


def calendar_feed(_: HttpRequest, token: str) -> HttpResponse:
    """A person's deadlines for calendar programs, which cannot sign in."""
    found = entries(calendar_owner(token))
    return HttpResponse(calendar_text(found, at=timezone.now()), content_type="text/calendar; charset=utf-8")


@login_required
@require_POST
def appeal_new(request: HttpRequest, code: str) -> HttpResponse:
    """Ask that other people look again."""
    user: Any = request.user
    application = application_get_for_user(user=user, code=code)
    appeals.appeal_create(application=application, text=request.POST.get("text", ""), by=user, at=timezone.now())
    messages.success(request, "Your appeal is with the officers. Somebody who did not decide will answer it.")
    return redirect("awards:letter", code=code)


@login_required
def appeal(request: HttpRequest, pk: int) -> HttpResponse:
    """An officer who did not decide answers an appeal."""
    user: Any = request.user
    row = selectors.appeal_get_for_officer(user=user, pk=pk)
    form = AppealAnswerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        accepted, answer = form.cleaned_data["accepted"] == "yes", form.cleaned_data["answer"]
        try:
            appeals.appeal_answer(appeal=row, accepted=accepted, answer=answer, by=user, at=timezone.now())
        except Malformed as wrong:
            form.add_error("answer", wrong.message)
        else:
            messages.success(request, "Answered; the applicant was told by mail.")
            return redirect("applications:detail", code=row.application.code)
    facts = {"appeal": row, "application": row.application, "form": form}
    return render(request, "awards/appeal.html", facts, status=422 if form.errors else 200)
