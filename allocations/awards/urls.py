from django.urls import path

from . import dryrun_views, panel_views, public_views, rest_views, views, wish_views

app_name = "awards"
urlpatterns = [
    path("queue/", views.queue, name="queue"),
    path("queue/panel/<slug:slug>/", panel_views.panel_page, name="panel"),
    path("queue/panel/<slug:slug>/decide/", panel_views.panel_decide, name="panel_decide"),
    path("queue/panel/<slug:slug>/publish/", panel_views.panel_publish, name="panel_publish"),
    path("queue/panel/<slug:slug>/lot/", panel_views.panel_lot, name="panel_lot"),
    path("queue/panel/<slug:slug>/reciprocal/", panel_views.panel_reciprocal, name="panel_reciprocal"),
    path("applications/<str:code>/rest/", rest_views.grant, name="rest"),
    path("calls/<slug:slug>/edit/dry-run/", dryrun_views.dry_run_page, name="dry_run"),
    path("calls/<slug:slug>/edit/dry-run.csv", dryrun_views.dry_run_file, name="dry_run_file"),
    path("allocations/<str:code>/ask/<slug:kind>/", wish_views.ask, name="wish"),
    path("applications/<str:code>/take-back/", panel_views.take_back, name="take_back"),
    path("applications/<str:code>/decide/", views.decide, name="decide"),
    path("applications/<str:code>/decision/", views.letter, name="letter"),
    path("applications/<str:code>/appeal/", views.appeal_new, name="appeal_new"),
    path("appeals/<int:pk>/", views.appeal, name="appeal"),
    path("applications/<str:code>/decision.pdf", views.letter_file, name="letter_pdf"),
    path("enterprise/<int:pk>/aid.pdf", views.subsidy_file, name="subsidy_pdf"),
    path("calendar/", views.calendar_page, name="calendar"),
    path("calendar/<str:token>.ics", views.calendar_feed, name="calendar_feed"),
    path("awards/", public_views.register_page, name="register"),
    path("awards/figures/", public_views.figures_page, name="figures"),
    path("awards/rules/", public_views.rules_page, name="rules"),
    path("data/awards.csv", public_views.awards_data, {"form": "csv"}, name="awards_csv"),
    path("data/awards.json", public_views.awards_data, {"form": "json"}, name="awards_json"),
    path("data/figures.json", public_views.figures_data, name="figures_json"),
    path("data/calls.json", public_views.calls_data, name="calls_json"),
    path("applications/<str:code>/embargo/", public_views.embargo, name="embargo"),
]
