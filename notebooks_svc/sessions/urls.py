from django.urls import path

from . import data_views, outage_views, site_views, views

app_name = "sessions"
urlpatterns = [
    path("launch/", views.launch, name="launch"),
    path("launch/quote/", views.quote_part, name="quote"),
    path("sessions/", views.session_list, name="list"),
    path("sessions/<str:id>/", views.detail, name="detail"),
    path("sessions/<str:id>/live/", views.live, name="live"),
    path("sessions/<str:id>/stop/", views.stop, name="stop"),
    path("sessions/<str:id>/extend/", views.extend, name="extend"),
    path("sessions/<str:id>/keep/", views.keep, name="keep"),
    path("clusters/<str:id>/stop/", views.cluster_stop, name="cluster_stop"),
    path("outages/", outage_views.outage_list, name="outages"),
    path("outages/<int:pk>/", outage_views.outage_page, name="outage"),
    # For notebooks and workers, by the token of their session or cluster.
    path("data/v1/datasets", data_views.datasets, name="data_datasets"),
    path("data/v1/datasets/<str:slug>", data_views.dataset, name="data_dataset"),
    path("data/v1/session", data_views.session, name="data_session"),
    # For hubs, gateways and the supervisor, by the site token.
    path("site/v1/sessions/<str:launch>/spec", site_views.spec, name="site_spec"),
    path("site/v1/events", site_views.events, name="site_events"),
    path("site/v1/clusters", site_views.grant, name="site_grant"),
    path("site/v1/clusters/claim", site_views.claim, name="site_claim"),
    path("site/v1/shutdown", site_views.shutdown, name="site_shutdown"),
]
