from django.urls import path

from . import staff_views, views

app_name = "calls"
urlpatterns = [
    path("calls/", views.calls_list, name="list"),
    path("calls/check/", views.check, name="check"),
    path("calls/estimate/", views.estimate, name="estimate"),
    path("calls/edit/", staff_views.staff_list, name="staff"),
    path("calls/new/", staff_views.begin, name="begin"),
    path("calls/<slug:slug>/", views.detail, name="detail"),
    path("calls/<slug:slug>/versions/", views.versions, name="versions"),
    path("calls/<slug:slug>/edit/", staff_views.overview, name="edit"),
    path("calls/<slug:slug>/edit/preview/", staff_views.preview, name="preview"),
    path("calls/<slug:slug>/edit/publish/", staff_views.publish, name="publish"),
    path("calls/<slug:slug>/edit/discard/", staff_views.discard, name="discard"),
    path("calls/<slug:slug>/edit/pause/", staff_views.pause, name="pause"),
    path("calls/<slug:slug>/edit/resume/", staff_views.resume, name="resume"),
    path("calls/<slug:slug>/edit/part/<slug:place>/", staff_views.part, name="part"),
    path("calls/<slug:slug>/edit/part/<slug:place>/<int:number>/", staff_views.part, name="item"),
    path("calls/<slug:slug>/edit/part/<slug:place>/remove/", staff_views.remove, name="part_remove"),
    path("calls/<slug:slug>/edit/part/<slug:place>/<int:number>/remove/", staff_views.remove, name="item_remove"),
]
