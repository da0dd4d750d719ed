from django.urls import path

from . import views

app_name = "calls"
urlpatterns = [
    path("calls/", views.calls_list, name="list"),
    path("calls/check/", views.check, name="check"),
    path("calls/<slug:slug>/", views.detail, name="detail"),
]
