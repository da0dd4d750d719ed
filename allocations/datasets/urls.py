from django.urls import path

from . import views

app_name = "datasets"
urlpatterns = [path("datasets/", views.datasets_list, name="list")]
