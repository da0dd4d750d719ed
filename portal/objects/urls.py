"""Addresses of the file store, which is a server of its own."""

from django.urls import path

from . import views

urlpatterns = [
    path("health", views.health),
    path("o/<str:stamp>/<path:key>", views.read),
    path("u/<str:stamp>/<str:upload>/<int:number>/<path:key>", views.put_part),
]
handler404 = "portal.objects.views.unknown"
handler500 = "portal.objects.views.broken"
