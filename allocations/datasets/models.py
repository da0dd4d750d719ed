from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from allocations.projects.models import Allocation
from portal.organisations.models import Organisation
from portal.web.badges import Badge

from .states import BADGES, CLASS_BADGES, OPEN_STATES, UPLOAD_BADGES, VERSION_BADGES, A, AccessClass, U, V


class Dataset(models.Model):
    """Data under one name. In the catalogue once `published_at` is set; what it holds is in its versions."""

    slug = models.SlugField(max_length=60, unique=True)
    title = models.CharField(max_length=160)
    summary = models.CharField(max_length=300)
    description = models.TextField(blank=True)
    access_class = models.CharField(max_length=10, choices=[(c, c) for c in AccessClass])
    commercial_use = models.BooleanField(help_text="whether an enterprise may use it to earn money")
    commercial_note = models.CharField(max_length=200, blank=True)
    licence = models.CharField(max_length=60, help_text="SPDX identifier, or LicenseRef-…")
    licence_url = models.CharField(max_length=300, blank=True)
    domain = models.CharField(max_length=60)
    keywords = models.JSONField(default=list, blank=True)
    country = models.CharField(max_length=2, blank=True, help_text="where it was collected; empty: everywhere")
    duo_codes = models.JSONField(default=list, blank=True)
    publisher = models.CharField(max_length=160)
    organisation = models.ForeignKey(Organisation, null=True, blank=True, on_delete=models.PROTECT, related_name="datasets")
    steward = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="stewarded")
    delegate = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", help_text="decides too"
    )
    delegate_until = models.DateField(null=True, blank=True)
    needs_agreement = models.BooleanField(default=False, help_text="a request comes with a signed agreement")
    agreement_text = models.TextField(blank=True, help_text="what is to be signed")
    source = models.TextField(blank=True, help_text="provenance: where it comes from and what was done to it")
    source_url = models.CharField(max_length=300, blank=True)
    citation = models.TextField(blank=True)
    preview_public = models.BooleanField(default=False)
    # Of the newest version, for lists and facets: written by `publishing.newest_write`, worked out from the versions.
    size_bytes = models.BigIntegerField(default=0)
    rows = models.BigIntegerField(null=True, blank=True)
    formats = models.CharField(max_length=200, blank=True, help_text=",csv,parquet,")
    search_text = models.TextField(blank=True)
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_reason = models.TextField(blank=True)
    closed_at = models.DateTimeField(
        null=True, blank=True, help_text="when it was last closed to some who could read it: from open to another class"
    )

    class Meta:
        indexes = [
            models.Index(fields=["title"], condition=Q(published_at__isnull=False), name="datasets_catalogue_by_title"),
            # All that facets count, and all that the condition asks, without the long texts: counted from the index alone.
            models.Index(
                fields=[
                    *("access_class", "commercial_use", "domain", "licence", "country", "formats", "size_bytes"),
                    *("published_at", "withdrawn_at"),
                ],
                condition=Q(published_at__isnull=False, withdrawn_at__isnull=True),
                name="datasets_facets",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="datasets_what_is_withdrawn_says_why", condition=Q(withdrawn_at__isnull=True) | ~Q(withdrawn_reason="")
            )
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def class_badge(self) -> Badge:
        return CLASS_BADGES[AccessClass(self.access_class)]

    @property
    def licence_words(self) -> str:
        """The licence as people say it."""
        return (
            self.licence.removeprefix("LicenseRef-").replace("-", " ").capitalize() if "Ref-" in self.licence else self.licence
        )

    @property
    def about(self) -> str:
        """What events and letters call it."""
        return f"dataset:{self.slug}"


class Terms(models.Model):
    """The conditions of a dataset. A new text is a new number; what somebody accepted is never changed."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="terms")
    number = models.PositiveIntegerField()
    text = models.TextField()
    published_at = models.DateTimeField()

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["dataset", "number"], name="datasets_each_terms_have_their_number")]

    def __str__(self) -> str:
        return f"{self.dataset_id}: terms {self.number}"


class TermsAcceptance(models.Model):
    """A person accepted terms for an allocation's project. Once per version of the terms."""

    terms = models.ForeignKey(Terms, on_delete=models.PROTECT, related_name="acceptances")
    allocation = models.ForeignKey(Allocation, on_delete=models.CASCADE, related_name="+")
    accepted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    accepted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["terms", "allocation"], name="datasets_terms_are_accepted_once_per_allocation")
        ]

    def __str__(self) -> str:
        return f"{self.terms_id}: {self.accepted_by_id}"


class Version(models.Model):
    """A state of a dataset that never changes once `published_at` is set."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="versions")
    name = models.CharField(max_length=20)
    number = models.PositiveIntegerField(help_text="order of versions; the newest is the largest")
    notes = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=[(v, v) for v in V], default=V.DRAFT)
    personal_data = models.JSONField(default=dict, blank=True, help_text="answers of the questionnaire")
    submitted_at = models.DateTimeField(null=True, blank=True)
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    review_note = models.TextField(blank=True, help_text="why it was returned, or what the reviewer said")
    reviewed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    terms = models.ForeignKey(
        Terms,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="in force when it was published; who accepted older ones accepts these before reading it",
    )
    size_bytes = models.BigIntegerField(default=0)
    file_count = models.PositiveIntegerField(default=0)
    rows = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_reason = models.TextField(blank=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="datasets_each_version_has_its_number"),
            models.UniqueConstraint(fields=["dataset", "name"], name="datasets_each_version_has_its_name"),
            models.CheckConstraint(
                name="datasets_a_withdrawn_version_says_why", condition=Q(withdrawn_at__isnull=True) | ~Q(withdrawn_reason="")
            ),
            models.CheckConstraint(
                name="datasets_a_version_is_published_on_a_day",
                condition=Q(state__in=[V.DRAFT, V.IN_REVIEW], published_at__isnull=True, withdrawn_at__isnull=True)
                | Q(state=V.PUBLISHED, published_at__isnull=False, withdrawn_at__isnull=True)
                | Q(state=V.WITHDRAWN, published_at__isnull=False, withdrawn_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset_id} version {self.name}"

    @property
    def badge(self) -> Badge:
        return VERSION_BADGES[V(self.state)]


class DatasetFile(models.Model):
    """A file of a version, with what stores do not keep: its sha256 and the columns it has."""

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="files")
    path = models.CharField(max_length=500)
    key = models.CharField(max_length=700, unique=True, help_text="where it lies in the store")
    size_bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    media_type = models.CharField(max_length=100)
    description = models.CharField(max_length=300, blank=True)
    rows = models.BigIntegerField(null=True, blank=True)
    columns = models.JSONField(default=list, help_text="[{name, type, description, statistics}]")
    preview = models.JSONField(default=list, help_text="first rows as text; shown only where the owner made it public")

    class Meta:
        ordering = ["path"]
        constraints = [
            models.UniqueConstraint(fields=["version", "path"], name="datasets_each_path_is_in_a_version_once"),
            models.CheckConstraint(name="datasets_a_sha256_has_64_digits", condition=Q(sha256__regex=r"^[0-9a-f]{64}$")),
            models.CheckConstraint(name="datasets_no_file_is_empty", condition=Q(size_bytes__gt=0)),
        ]

    def __str__(self) -> str:
        return self.path


class Upload(models.Model):
    """
    A file on its way into a version: its parts go straight to the store, then it is checked in the background.

    `due_at` is when it is to be looked at next; whoever moves it on (compare-and-set) has the row for that while.
    """

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="uploads")
    path = models.CharField(max_length=500)
    state = models.CharField(max_length=10, choices=[(u, u) for u in U], default=U.RECEIVING)
    size_bytes = models.BigIntegerField()
    part_bytes = models.BigIntegerField()
    sha256_said = models.CharField(max_length=64, blank=True, help_text="what the sender worked out")
    changed = models.CharField(
        max_length=20, blank=True, help_text="when the file was last changed, as a browser says that sends it"
    )
    key = models.CharField(max_length=700, unique=True, help_text="where it lies until checked; no link reads there")
    store_upload = models.CharField(max_length=300)
    checked_bytes = models.BigIntegerField(default=0)
    moved = models.BooleanField(default=False, help_text="its object lies under the file's key")
    error = models.TextField(blank=True)
    notes = models.JSONField(default=list, help_text="what the checks found that a reviewer should know")
    file = models.OneToOneField(DatasetFile, null=True, blank=True, on_delete=models.SET_NULL, related_name="upload")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "path"],
                condition=Q(state__in=[U.RECEIVING, U.CHECKING]),
                name="datasets_one_upload_of_a_path_at_a_time",
            ),
            models.CheckConstraint(name="datasets_a_refused_upload_says_why", condition=~Q(state=U.REFUSED) | ~Q(error="")),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state__in=[U.RECEIVING, U.CHECKING]), name="datasets_uploads_by_due")
        ]

    def __str__(self) -> str:
        return self.path

    @property
    def badge(self) -> Badge:
        return UPLOAD_BADGES[U(self.state)]

    @property
    def part_count(self) -> int:
        return -(-self.size_bytes // self.part_bytes)

    @property
    def percent(self) -> int:
        """How far the check is."""
        return min(100, 100 * self.checked_bytes // self.size_bytes)


class Agreement(models.Model):
    """A signed document of an enterprise. Uploaded once, shown with each request it is named in."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="agreements")
    title = models.CharField(max_length=160)
    key = models.CharField(max_length=700, unique=True)
    media_type = models.CharField(max_length=100)
    size_bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    uploaded_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["organisation", "sha256"], name="datasets_an_agreement_is_kept_once"),
        ]

    def __str__(self) -> str:
        return self.title


class Access(models.Model):
    """What an allocation may do with a dataset: asked for, decided, granted until a day, ended. One row for the whole life."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="accesses")
    allocation = models.ForeignKey(Allocation, on_delete=models.CASCADE, related_name="dataset_accesses")
    state = models.CharField(max_length=15, choices=[(s, s) for s in A])
    purpose = models.TextField(blank=True)
    answers = models.JSONField(default=dict, blank=True)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    asked_at = models.DateTimeField()
    wished_until = models.DateField(null=True, blank=True)
    due_on = models.DateField(null=True, blank=True, help_text="by when the steward answers")
    reminded_at = models.DateTimeField(null=True, blank=True)
    terms = models.ForeignKey(Terms, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    agreement = models.ForeignKey(Agreement, null=True, blank=True, on_delete=models.PROTECT, related_name="accesses")
    renews = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="renewals")
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True)
    granted_until = models.DateField(null=True, blank=True, help_text="the last day, in UTC")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "allocation", "state"],
                condition=Q(state__in=OPEN_STATES),
                name="datasets_one_open_access_of_a_kind",
            ),
            models.CheckConstraint(
                name="datasets_a_grant_has_a_last_day", condition=~Q(state=A.GRANTED) | Q(granted_until__isnull=False)
            ),
            models.CheckConstraint(
                name="datasets_a_refusal_has_a_reason", condition=~Q(state__in=[A.REJECTED, A.REVOKED]) | ~Q(reason="")
            ),
            models.CheckConstraint(
                name="datasets_a_waiting_request_has_a_due_date", condition=~Q(state=A.REQUESTED) | Q(due_on__isnull=False)
            ),
        ]
        indexes = [
            models.Index(F("due_on"), condition=Q(state=A.REQUESTED), name="datasets_requests_by_due"),
            models.Index(fields=["allocation", "state"], name="datasets_access_of_allocation"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset_id} for {self.allocation_id}: {self.state}"

    @property
    def badge(self) -> Badge:
        return BADGES[A(self.state)]


class DatasetUse(models.Model):
    """What one project read of a dataset on one day, by the store's own log. `allocation` is null for visitors of open data."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="use")
    allocation = models.ForeignKey(Allocation, null=True, on_delete=models.PROTECT, related_name="+")
    day = models.DateField()
    reads = models.PositiveBigIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    denials = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "allocation", "day"],
                condition=Q(allocation__isnull=False),
                name="datasets_use_is_one_row_a_day_and_project",
            ),
            models.UniqueConstraint(
                fields=["dataset", "day"],
                condition=Q(allocation__isnull=True),
                name="datasets_use_of_visitors_is_one_row_a_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset_id} on {self.day}: {self.reads}"
