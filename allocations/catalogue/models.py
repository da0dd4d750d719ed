from __future__ import annotations

from django.db import models
from django.db.models import Q

from .rates import Rate, Size


class Provider(models.Model):
    """An organisation that runs machines."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    country = models.CharField(max_length=2)

    def __str__(self) -> str:
        return self.name

    @property
    def account(self) -> str:
        """Code of the provider's account in the ledger."""
        return f"provider:{self.slug}"


class Site(models.Model):
    """
    A provider's machine room: one hub, one gateway, one site agent.

    `looked_at` and `clock_skew_s` come from the last complete look; a site whose clock is off takes no launches. `lease_*`
    let one reconciler at a time look at it.
    """

    slug = models.SlugField(unique=True)
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT)
    hub_url = models.URLField(help_text="where the portal reaches the hub's API")
    agent_url = models.URLField(help_text="where the portal reaches the site agent")
    notebooks_url = models.URLField(help_text="where people's browsers reach notebooks")
    engine = models.CharField(max_length=20, default="local")
    enabled = models.BooleanField(default=True)
    looked_at = models.DateTimeField(null=True)
    seen_complete_at = models.DateTimeField(null=True, help_text="the last complete look, by the site's clock")
    last_error = models.TextField(blank=True)
    clock_skew_s = models.FloatField(null=True)
    silent_since = models.DateTimeField(null=True)
    lease_holder = models.CharField(max_length=60, blank=True)
    lease_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.slug


class Resource(models.Model):
    """Something credits can be spent on at one site."""

    class Status(models.TextChoices):
        UP = "up", "Up"
        MAINTENANCE = "maintenance", "Maintenance"
        DOWN = "down", "Down"

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    summary = models.CharField(max_length=300, blank=True)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="resources")
    partition = models.CharField(max_length=40, blank=True, help_text="what a batch scheduler calls it")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.UP)
    cores = models.PositiveIntegerField(help_text="cores people can have at the same time")
    memory_gib = models.PositiveIntegerField()
    gpus = models.PositiveIntegerField(default=0)
    core_hour = models.BigIntegerField(help_text="micro-credits per core-hour")
    gib_hour = models.BigIntegerField(help_text="micro-credits per GiB-hour")
    gpu_hour = models.BigIntegerField(default=0, help_text="micro-credits per GPU-hour")
    rule = models.CharField(max_length=3, choices=[("sum", "sum"), ("max", "largest share of a node")], default="sum")
    node_hour = models.BigIntegerField(default=0)
    node_cores = models.PositiveIntegerField(default=0)
    node_memory_gib = models.PositiveIntegerField(default=0)
    node_gpus = models.PositiveIntegerField(default=0)
    watts_per_core = models.FloatField(default=10.0)
    watts_per_gpu = models.FloatField(default=300.0)
    pue = models.FloatField(default=1.3)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="catalogue_a_max_rule_knows_its_node",
                condition=Q(rule="sum") | Q(node_hour__gt=0, node_cores__gt=0, node_memory_gib__gt=0),
            ),
            models.CheckConstraint(
                name="catalogue_rates_are_never_negative",
                condition=Q(core_hour__gte=0, gib_hour__gte=0, gpu_hour__gte=0, node_hour__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def rate(self) -> Rate:
        """Today's rate; an award freezes it."""
        node = Size(self.node_cores, self.node_memory_gib, self.node_gpus) if self.rule == "max" else None
        return Rate(self.core_hour, self.gib_hour, self.gpu_hour, self.rule, self.node_hour, node)


class Profile(models.Model):
    """A size of session, with the cluster it may open beside it."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=60)
    summary = models.CharField(max_length=200, blank=True)
    order = models.PositiveSmallIntegerField(default=50)
    cores = models.PositiveSmallIntegerField()
    memory_gib = models.PositiveSmallIntegerField()
    gpus = models.PositiveSmallIntegerField(default=0)
    workers_max = models.PositiveSmallIntegerField(default=2)
    worker_cores = models.PositiveSmallIntegerField(default=1)
    worker_memory_gib = models.PositiveSmallIntegerField(default=2)

    class Meta:
        ordering = ["order", "slug"]

    def __str__(self) -> str:
        return self.name

    @property
    def size(self) -> Size:
        return Size(self.cores, self.memory_gib, self.gpus)

    @property
    def worker_size(self) -> Size:
        return Size(self.worker_cores, self.worker_memory_gib)
