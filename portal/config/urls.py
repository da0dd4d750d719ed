"""All addresses of the portal."""

from django.urls import include, path, re_path

from portal.api.root import api
from portal.api.views import docs, unknown

api.add_router("", "portal.organisations.api.router")
api.add_router("", "portal.organisations.facts_api.router")
api.add_router("", "allocations.projects.api.router")
api.add_router("", "allocations.usage.api.router")
api.add_router("", "allocations.calls.api.router")
api.add_router("", "allocations.calls.staff_api.router")
api.add_router("", "allocations.applications.api.router")
api.add_router("", "allocations.reviews.api.router")
api.add_router("", "allocations.awards.api.router")
api.add_router("", "allocations.datasets.access_api.router")
api.add_router("", "allocations.datasets.use_api.router")
api.add_router("", "allocations.datasets.contribute_api.router")
api.add_router("", "notebooks_svc.sessions.api.router")
api.add_router("", "notebooks_svc.storage.api.router")
api.add_router("", "notebooks_svc.batch.api.router")

urlpatterns = [
    path("", include("portal.web.urls")),
    path("", include("portal.accounts.urls")),
    path("", include("portal.audit.urls")),
    path("", include("portal.organisations.urls")),
    path("accounts/", include("allauth.urls")),
    path("", include("allauth.idp.urls")),
    path("", include("allocations.calls.urls")),
    path("", include("allocations.datasets.urls")),
    path("", include("allocations.projects.urls")),
    path("", include("allocations.reports.urls")),
    path("", include("allocations.applications.urls")),
    path("", include("allocations.reviews.urls")),
    path("", include("allocations.awards.urls")),
    path("", include("notebooks_svc.sessions.urls")),
    path("", include("notebooks_svc.storage.urls")),
    path("", include("portal.api.urls")),
    path("", include("notebooks_svc.batch.urls")),
    path("api/v1/docs", docs, name="api_docs"),
    path("api/v1/", api.urls),
    re_path("^api/", unknown),
]
