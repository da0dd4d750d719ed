from django.urls import path

from . import views

app_name = "storage"
urlpatterns = [path("data/v1/credentials", views.credentials, name="credentials")]
