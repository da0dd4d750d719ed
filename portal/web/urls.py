from django.urls import path

from . import views

urlpatterns = [
    path("", views.home, name="home"),
    path("health/live", views.health_live, name="health_live"),
    path("health/ready", views.health_ready, name="health_ready"),
]
