"""Pages of contributors and reviewers."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from portal.core.errors import Malformed, NotAllowed, NotYours, Refusal
from portal.organisations.models import OrgRole
from portal.organisations.selectors import organisation_get_for_user, organisation_list_for_user

from . import croissant_read, direct, handing_in, offering, policies, uploading
from .contribute_forms import DatasetForm, FileForm, OfferForm, PersonalForm, ReviewForm, VersionForm, WithdrawForm
from .handing_in import PERSONAL_QUESTIONS
from .models import Dataset, Version
from .offering import EDITABLE
from .states import U, V


@login_required
def offer(request: HttpRequest) -> HttpResponse:
    """Begin a dataset; a Croissant file fills the form in."""
    user: Any = request.user
    mine = organisation_list_for_user(user=user).filter(
        memberships__user=user, memberships__role__in=[OrgRole.OWNER, OrgRole.MANAGER]
    )
    organisations = list(mine)
    if not organisations:
        return render(request, "datasets/offer_nobody.html")
    form = OfferForm(request.POST or None, request.FILES or None, organisations=organisations)
    if request.method == "POST" and request.POST.get("go") == "fill":
        form = _filled(request, organisations)
    elif request.method == "POST" and form.is_valid():
        said = {key: value for key, value in form.cleaned_data.items() if key != "croissant"}
        organisation = organisation_get_for_user(user=user, pk=int(said.pop("organisation")))
        try:
            dataset = offering.dataset_offer(organisation=organisation, by=user, at=timezone.now(), **said)
        except Refusal as refusal:
            _tell(form, refusal)
        else:
            messages.success(request, "Begun. Now add a version with its files.")
            return redirect("datasets:manage", slug=dataset.slug)
    return render(request, "datasets/offer.html", {"form": form}, status=422 if form.is_bound and form.errors else 200)


def _filled(request: HttpRequest, organisations: list[Any]) -> OfferForm:
    upload = request.FILES.get("croissant")
    try:
        body = upload.read(croissant_read.SIZE_MAX + 1) if upload else b""  # type: ignore[union-attr]
        found = croissant_read.facts(body)
    except Malformed as wrong:
        messages.error(request, wrong.message)
        found = {}
    else:
        messages.success(request, "Filled in from the file. Please check everything; nothing is saved yet.")
    return OfferForm(initial=found, organisations=organisations)


@login_required
def manage(request: HttpRequest, slug: str) -> HttpResponse:
    """A dataset's own page for those who keep it: versions, files, what is missing."""
    user: Any = request.user
    dataset = _kept(user, slug)
    versions = list(dataset.versions.prefetch_related("uploads"))
    draft = next((version for version in versions if version.state in (V.DRAFT, V.IN_REVIEW)), None)
    return render(
        request,
        "datasets/manage.html",
        {
            "dataset": dataset,
            "versions": versions,
            "draft": draft,
            "files": list(draft.files.all()[:200]) if draft else [],
            "uploads": [u for u in draft.uploads.all() if u.state in (U.RECEIVING, U.CHECKING, U.REFUSED)] if draft else [],
            "version_form": VersionForm(),
            "file_form": FileForm(),
            "personal_form": PersonalForm(),
            "withdraw_form": WithdrawForm(auto_id="withdraw_%s"),
            "terms": dataset.terms.first(),
            "part_bytes": uploading.PART_BYTES,
        },
    )


@login_required
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """Change what the dataset says of itself."""
    user: Any = request.user
    dataset = _kept(user, slug)
    terms = dataset.terms.first()
    initial = {name: getattr(dataset, name) for name in EDITABLE}
    initial |= {"commercial_use": "yes" if dataset.commercial_use else "no", "terms": terms.text if terms else ""}
    form = DatasetForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            offering.dataset_edit(dataset=dataset, by=user, at=timezone.now(), **form.cleaned_data)
        except Refusal as refusal:
            _tell(form, refusal)
        else:
            messages.success(request, "Saved. What was before is kept in the record.")
            return redirect("datasets:manage", slug=slug)
    return render(request, "datasets/offer.html", {"form": form, "dataset": dataset}, status=422 if form.errors else 200)


@login_required
@require_POST
def version_new(request: HttpRequest, slug: str) -> HttpResponse:
    """Begin a version."""
    user: Any = request.user
    dataset, form = _kept(user, slug), VersionForm(request.POST)
    if form.is_valid():
        _do(request, "Begun. Add its files.", handing_in.version_begin, dataset=dataset, **form.cleaned_data)
    return redirect("datasets:manage", slug=slug)


@login_required
@require_POST
def file_send(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """A file through the portal, for browsers without JavaScript; it then goes the same way as all others."""
    user: Any = request.user
    version, form = _version(user, slug, name), FileForm(request.POST, request.FILES)
    if form.is_valid():
        file = form.cleaned_data["file"]
        path = form.cleaned_data["path"] or file.name
        _do(request, f"{path} has arrived and is being checked.", direct.upload_whole, version=version, path=path, file=file)
    else:
        messages.error(request, "Choose a file that is not empty.")
    return redirect("datasets:manage", slug=slug)


@login_required
@require_POST
def file_remove(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Take a file out of a draft, or give an upload up."""
    user: Any = request.user
    version = _version(user, slug, name)
    path = request.POST.get("path", "")
    for upload in version.uploads.filter(path=path, state=U.RECEIVING):
        uploading.upload_give_up(upload=upload, by=user, at=timezone.now())
    version.uploads.filter(path=path, state=U.REFUSED).update(state=U.ABANDONED)
    try:
        uploading.file_remove(version=version, path=path, by=user)
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return redirect("datasets:manage", slug=slug)


@login_required
@require_POST
def submit(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Hand a version in, or take it back."""
    user: Any = request.user
    version = _version(user, slug, name)
    if request.POST.get("go") == "back":
        _do(request, "Taken back.", handing_in.version_take_back, version=version)
    else:
        said = {key: request.POST.get(key, "") for key in (*dict(PERSONAL_QUESTIONS), "note")}
        _do(
            request,
            "Handed in. A data steward looks at it; you get a mail.",
            handing_in.version_submit,
            version=version,
            personal=said,
        )
    return redirect("datasets:manage", slug=slug)


@login_required
@require_POST
def withdraw(request: HttpRequest, slug: str) -> HttpResponse:
    """Withdraw a version, or with no version named the whole dataset."""
    dataset = Dataset.objects.filter(slug=slug, published_at__isnull=False).first()
    if dataset is None:
        raise NotYours("dataset")
    name = request.POST.get("version", "")
    version = dataset.versions.filter(name=name).first() if name else None
    if name and version is None:
        raise NotYours("version")
    reason = request.POST.get("reason", "")
    _do(request, "Withdrawn.", handing_in.withdraw, dataset=dataset, version=version, reason=reason)
    return redirect("datasets:detail", slug=slug)


@login_required
def review(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """A version handed in: everything about it, and the decision."""
    user: Any = request.user
    version = (
        Version.objects.select_related("dataset__steward", "submitted_by", "reviewed_by")
        .filter(dataset__slug=slug, name=name)
        .first()
    )
    if version is None or version.state == V.DRAFT:
        raise NotYours("version")
    policies.check_may_review(user=user, dataset=version.dataset)
    form = ReviewForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            handing_in.version_review(
                version=version, by=user, at=timezone.now(), seen=request.POST.get("seen", ""), **form.cleaned_data
            )
        except Refusal as refusal:
            _tell(form, refusal)
        else:
            messages.success(request, "Done. The contributor was told.")
            return redirect("datasets:queue")
    answers = [(question, version.personal_data.get(key, "")) for key, question in PERSONAL_QUESTIONS]
    context = {
        "version": version,
        "dataset": version.dataset,
        "files": list(version.files.select_related("upload")[:200]),
        "answers": answers,
        "note": version.personal_data.get("note", ""),
        "terms": version.dataset.terms.first(),
        "form": form,
        "seen": handing_in.version_mark(version),
    }
    return render(request, "datasets/review.html", context, status=422 if form.errors else 200)


@login_required
def upload_live(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """The changing list of uploads and files of a draft."""
    user: Any = request.user
    version = _version(user, slug, name)
    uploads = [u for u in version.uploads.all() if u.state in (U.RECEIVING, U.CHECKING, U.REFUSED)]
    answer = render(
        request,
        "datasets/uploads.html",
        {"draft": version, "dataset": version.dataset, "uploads": uploads, "files": list(version.files.all()[:200])},
    )
    answer["Cache-Control"] = "private, no-store"
    answer["X-Every"] = "1500" if any(u.state == U.CHECKING for u in uploads) else "10000"
    return answer


def _kept(user: Any, slug: str) -> Dataset:
    dataset = Dataset.objects.select_related("steward", "organisation").filter(slug=slug, withdrawn_at__isnull=True).first()
    if dataset is None:
        raise NotYours("dataset")
    policies.check_may_edit(user=user, dataset=dataset)
    return dataset


def _version(user: Any, slug: str, name: str) -> Version:
    version = Version.objects.select_related("dataset").filter(dataset=_kept(user, slug), name=name).first()
    if version is None:
        raise NotYours("version")
    return version


def _do(request: HttpRequest, said: str, service: Any, **values: Any) -> None:
    """Call a service; its refusal becomes a message on the next page."""
    try:
        service(by=request.user, at=timezone.now(), **values)
    except (NotYours, NotAllowed):
        raise
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, said)


def _tell(form: Any, refusal: Refusal) -> None:
    field = refusal.facts.get("field")
    form.add_error(field if field in form.fields else None, refusal.message)
