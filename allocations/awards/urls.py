from django.urls import path

from . import views

app_name = "awards"
urlpatterns = [
    path("queue/", views.queue, name="queue"),
    path("applications/<str:code>/decide/", views.decide, name="decide"),
    path("applications/<str:code>/decision/", views.letter, name="letter"),
    path("applications/<str:code>/appeal/", views.appeal_new, name="appeal_new"),
    path("appeals/<int:pk>/", views.appeal, name="appeal"),
]
