"""Pages of the reviewer, and the officer's buttons about reviews."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from allocations.applications.changes import changes_of
from allocations.applications.reading import content_rows
from allocations.applications.selectors import application_get_for_user
from portal.accounts.models import Role
from portal.accounts.policies import check_role
from portal.core.errors import Malformed, NotYours, Refusal
from portal.core.words import text_fitting, whole_number

from . import policies, selectors, services
from .forms import AssignForm, ConflictForm, ProfileForm, ReopenForm, ReviewForm
from .models import Review
from .pool import candidates, profile_of, profile_save
from .states import S
from .steps import step_record

PAGE = 25


@login_required
def review_list(request: HttpRequest) -> HttpResponse:
    """What the reviewer was asked for, the most urgent first."""
    user: Any = request.user
    rows = selectors.review_list_for_user(user=user)
    if not rows.exists():
        check_role(user, Role.REVIEWER)  # applicants who review each other have no role, but reviews
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return render(request, "reviews/list.html", {"page": page})


@login_required
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """A review: first the declaration, then the application beside the criteria, then what the others wrote."""
    user: Any = request.user
    review = _own(user, pk)
    if review.state == S.INVITED:
        proposed = policies.conflicts_proposed(application=review.application, reviewer=user)
        return render(request, "reviews/declare.html", {"review": review, "form": ConflictForm(), "proposed": proposed})
    if review.state not in (S.OPEN, S.SUBMITTED):
        return render(request, "reviews/closed.html", {"review": review})
    return _writing(request, review, ReviewForm(review) if review.state == S.OPEN else None)


def _writing(request: HttpRequest, review: Review, form: ReviewForm | None, status: int = 200) -> HttpResponse:
    return render(
        request,
        "reviews/detail.html",
        {
            "review": review,
            "application": review.application,
            "groups": content_rows(review.application),
            "changes": changes_of(review.application),
            "form": form,
            "criteria": review.application.version.rules.review,
            "others": selectors.others_of(review),
        },
        status=status,
    )


@login_required
@require_POST
def declare(request: HttpRequest, pk: int) -> HttpResponse:
    """Declare a conflict or none."""
    user: Any = request.user
    review = _own(user, pk)
    form = ConflictForm(request.POST)
    if not form.is_valid():
        return render(request, "reviews/declare.html", {"review": review, "form": form}, status=422)
    given = form.cleaned_data
    try:
        services.conflict_declare(
            review=review,
            has_conflict=given["has_conflict"] == "yes",
            kind=given["kind"],
            note=given["note"],
            by=user,
            at=timezone.now(),
        )
    except Refusal as refusal:
        if refusal.facts.get("field") != "kind":
            raise
        form.add_error("kind", refusal.message)
        return render(request, "reviews/declare.html", {"review": review, "form": form}, status=422)
    return redirect("reviews:detail", pk=pk)


@login_required
@require_POST
def save(request: HttpRequest, pk: int) -> HttpResponse:
    """Save the draft while the reviewer writes; answers in one line of text."""
    user: Any = request.user
    try:
        review = _own(user, pk)
        form = ReviewForm(review, request.POST)
        form.is_valid()
        version = request.POST.get("version", "")
        saved = services.review_save(
            review=review,
            scores=form.scores(),
            recommended=form.cleaned_data.get("recommended"),
            comment=request.POST.get("comment", ""),
            by=user,
            base=whole_number(version),
        )
    except Refusal as refusal:
        return HttpResponse(refusal.message, status=refusal.status, content_type="text/plain; charset=utf-8")
    if not saved:
        words = "Another window saved a newer draft. Load the page again before you go on."
        return HttpResponse(words, status=409, content_type="text/plain")
    answer = HttpResponse(f"Saved at {timezone.now().astimezone(user.zone):%H:%M:%S}.", content_type="text/plain")
    answer["X-Version"] = str(review.revision)
    return answer


@login_required
@require_POST
def submit(request: HttpRequest, pk: int) -> HttpResponse:
    """Hand it in. A second press finds it in and shows the same page."""
    user: Any = request.user
    review = _own(user, pk)
    if review.state == S.SUBMITTED:
        return redirect("reviews:detail", pk=pk)
    form = ReviewForm(review, request.POST)
    if not form.is_valid():
        return _writing(request, review, form, status=422)
    try:
        services.review_submit(
            review=review,
            scores=form.scores(),
            recommended=form.cleaned_data["recommended"],
            comment=form.cleaned_data["comment"],
            by=user,
            at=timezone.now(),
        )
    except Refusal as refusal:
        field = refusal.facts.get("field", "")
        form.add_error(field if field in form.fields else None, refusal.message)
        return _writing(request, review, form, status=refusal.status)
    messages.success(request, "Your review is in. Thank you.")
    return redirect("reviews:detail", pk=pk)


@login_required
@require_POST
def decline(request: HttpRequest, pk: int) -> HttpResponse:
    """Say that one cannot review this."""
    user: Any = request.user
    note = text_fitting(request.POST.get("note", ""), most=5000, field="note")
    services.review_decline(review=_own(user, pk), note=note, by=user, at=timezone.now())
    messages.success(request, "The officer will ask somebody else. Thank you for saying so.")
    return redirect("reviews:list")


@login_required
@require_POST
def assign(request: HttpRequest, code: str) -> HttpResponse:
    """Officer: ask reviewers."""
    user: Any = request.user
    application = application_get_for_user(user=user, code=code)
    people = candidates(application, today=timezone.now().date())
    rules = application.version.rules.review
    form = AssignForm(people, rules.reviewers if rules else 0, request.POST)
    chosen = form.cleaned_data["reviewers"] if form.is_valid() else []
    services.reviewers_assign(
        application=application,
        reviewers=[one.person for one in people if str(one.person.pk) in chosen],
        by=user,
        at=timezone.now(),
    )
    messages.success(request, "The reviewers were asked by mail.")
    return redirect("applications:detail", code=code)


@login_required
@require_POST
def step(request: HttpRequest, code: str) -> HttpResponse:
    """Officer: record the outcome of a step."""
    user: Any = request.user
    application = application_get_for_user(user=user, code=code)
    step_record(
        application=application,
        key=request.POST.get("key", ""),
        passed="passed" in request.POST,
        note=text_fitting(request.POST.get("note", ""), most=5000, field="note"),
        by=user,
        at=timezone.now(),
    )
    return redirect("applications:detail", code=code)


@login_required
@require_POST
def release(request: HttpRequest, pk: int) -> HttpResponse:
    """Officer: take a request back."""
    user: Any = request.user
    review = selectors.review_get_for_user(user=user, pk=pk)
    services.review_release(review=review, by=user, at=timezone.now())
    return redirect("applications:detail", code=review.application.code)


@login_required
@require_POST
def reopen(request: HttpRequest, pk: int) -> HttpResponse:
    """Officer: give a review back, with a reason."""
    user: Any = request.user
    review = selectors.review_get_for_user(user=user, pk=pk)
    form = ReopenForm(request.POST)
    reason = form.cleaned_data["reason"] if form.is_valid() else ""
    try:
        services.review_reopen(review=review, reason=reason, by=user, at=timezone.now())
    except Malformed as wrong:
        raise Malformed(" ".join(map(str, form.errors.get("reason", [wrong.message]))), field="reason") from None
    return redirect("applications:detail", code=review.application.code)


@login_required
def profile(request: HttpRequest) -> HttpResponse:
    """A reviewer says what they know, how much they take on, and when they are away."""
    user: Any = request.user
    kept = profile_of(user=user)
    names = ("sectors", "words", "load_max", "away_until")
    form = ProfileForm(request.POST or None, initial={name: getattr(kept, name) for name in names})
    if request.method == "POST" and form.is_valid():
        profile_save(by=user, at=timezone.now(), **form.cleaned_data)
        messages.success(request, "Kept. Officers see it when they choose reviewers.")
        return redirect("reviews:list")
    return render(request, "reviews/profile.html", {"form": form}, status=422 if form.errors else 200)


def _own(user: Any, pk: int) -> Review:
    review = selectors.review_get_for_user(user=user, pk=pk)
    if review.reviewer_id != user.pk:
        raise NotYours("review")
    return review
