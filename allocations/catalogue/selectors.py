"""Reads of what there is to use."""

from __future__ import annotations

from django.db.models import QuerySet

from portal.core.errors import Refusal

from .models import Profile, Resource


def resource_list() -> QuerySet[Resource]:
    """All resources with their sites and providers."""
    return Resource.objects.select_related("site__provider").order_by("slug")


def resource_get(*, slug: str) -> Resource:
    """
    One resource.

    :raises Refusal: `resource_unknown`, naming those there are
    """
    resource = Resource.objects.select_related("site__provider").filter(slug=slug).first()
    if resource is None:
        names = ", ".join(Resource.objects.order_by("slug").values_list("slug", flat=True))
        raise Refusal("resource_unknown", f"There is no resource {slug!r}. There are: {names}.", status=422)
    return resource


def profile_list() -> QuerySet[Profile]:
    """All sizes, smallest first."""
    return Profile.objects.all()


def profile_get(*, slug: str) -> Profile:
    """
    One size.

    :raises Refusal: `profile_unknown`, naming those there are
    """
    profile = Profile.objects.filter(slug=slug).first()
    if profile is None:
        names = ", ".join(Profile.objects.values_list("slug", flat=True))
        raise Refusal("profile_unknown", f"There is no profile {slug!r}. There are: {names}.", status=422)
    return profile
