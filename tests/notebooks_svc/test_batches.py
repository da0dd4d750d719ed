"""A tick costs the same number of queries however many sessions live."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext

from allocations.catalogue.models import Site
from allocations.projects.models import AllocationMember
from allocations.projects.policies import may_use, may_use_among
from notebooks_svc.sessions import clusters, looking, watch
from notebooks_svc.sessions.models import Session
from portal.core.ids import launch_id_new

from .conftest import World


def many(world: World, number: int) -> None:
    """So many sessions that run, and as many processes at the site."""
    first = world.ready()
    row = Session.objects.get(pk=first.pk)
    copies = []
    for _ in range(number - 1):
        row.pk = launch_id_new()
        copies.append(Session(**{f.attname: getattr(row, f.attname) for f in Session._meta.concrete_fields}))
    Session.objects.bulk_create(copies)
    server = world.site.servers[first.pk]
    for copy in copies:
        world.site.servers[copy.pk] = type(server)(**{**server.__dict__, "launch": copy.pk})


def tick(world: World) -> int:
    site = Site.objects.select_related("provider").get(slug="room")
    look = world.site.look(since=0)
    assert len(look.items) == Session.objects.count()
    with CaptureQueriesContext(connection) as seen:
        looking.look_apply(site=site, look=look, at=world.now)
        watch.no_longer_allowed(at=world.now)
        clusters.clusters_advance_due(at=world.now)
    return len(seen)


def test_queries_of_a_tick_do_not_grow_with_sessions(world: World) -> None:
    many(world, 2)
    few = tick(world)
    many(world, 300)
    assert tick(world) == few
    assert not Session.objects.exclude(state="ready").exists()


def test_people_are_judged_together_as_they_are_one_by_one(world: World) -> None:
    people = [world.founder, world.colleague, world.rival]
    cases = [(named, domains) for named in (False, True) for domains in ([], ["example.org"], ["elsewhere.org"])]
    for named, domains in cases:
        world.allocation.named_people_only, world.allocation.mail_domains = named, domains
        world.allocation.save()
        for member in (False, True):
            if member:
                AllocationMember.objects.create(allocation=world.allocation, user=world.colleague, added_at=world.now)
            together = may_use_among({(person.pk, world.allocation.pk) for person in people})
            assert together == {
                (person.pk, world.allocation.pk) for person in people if may_use(user=person, allocation=world.allocation)
            }
        AllocationMember.objects.all().delete()
    world.founder.memberships.update(left_at=world.now + timedelta(0))
    assert may_use_among({(world.founder.pk, world.allocation.pk)}) == set()
