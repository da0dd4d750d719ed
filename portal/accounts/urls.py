from django.urls import path

from . import views

urlpatterns = [
    path("me/", views.person, name="person"),
    path("first-operator/<str:token>/", views.first_operator, name="first_operator"),
]
