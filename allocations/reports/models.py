from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from allocations.projects.models import Allocation
from portal.web.badges import Badge

from .states import BADGES, S


class Report(models.Model):
    """
    What an awarded team owes. `due_on` follows the allocation: so many days after its first or last day, also when it is
    extended. `facts` are what the portal itself knows, as they stood when the report was handed in.
    """

    class Kind(models.TextChoices):
        MIDTERM = "midterm", "Mid-term report"
        FINAL = "final", "Final report"

    allocation = models.ForeignKey(Allocation, on_delete=models.PROTECT, related_name="reports")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    days = models.PositiveSmallIntegerField(help_text="after the first day (mid-term) or the last day (final)")
    due_on = models.DateField()
    blocks = models.BooleanField(default=True, help_text="while it is overdue the enterprise cannot apply anew")
    state = models.CharField(max_length=10, choices=[(s, s) for s in S], default=S.DUE)
    answers = models.JSONField(default=dict)
    facts = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(default=0)
    handed_in_at = models.DateTimeField(null=True, blank=True)
    handed_in_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    answer = models.TextField(blank=True, help_text="what the officer said")
    reminded = models.PositiveSmallIntegerField(default=0, help_text="how many reminders went out")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["allocation", "kind"], name="reports_each_kind_is_owed_once"),
            models.CheckConstraint(
                name="reports_the_handed_in_have_a_date",
                condition=~Q(state__in=[S.HANDED_IN, S.ACCEPTED]) | Q(handed_in_at__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["state", "due_on"], name="reports_by_day")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} on {self.allocation_id}"

    @property
    def badge(self) -> Badge:
        return BADGES[S(self.state)]
