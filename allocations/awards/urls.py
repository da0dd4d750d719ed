from django.urls import path

from . import views

app_name = "awards"
urlpatterns = [
    path("queue/", views.queue, name="queue"),
    path("applications/<str:code>/decide/", views.decide, name="decide"),
    path("applications/<str:code>/decision/", views.letter, name="letter"),
    path("applications/<str:code>/appeal/", views.appeal_new, name="appeal_new"),
    path("appeals/<int:pk>/", views.appeal, name="appeal"),
    path("applications/<str:code>/decision.pdf", views.letter_file, name="letter_pdf"),
    path("calendar/", views.calendar_page, name="calendar"),
    path("calendar/<str:token>.ics", views.calendar_feed, name="calendar_feed"),
]
