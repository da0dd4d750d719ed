from django.urls import path

from . import files_views, views

app_name = "storage"
urlpatterns = [
    path("data/v1/credentials", views.credentials, name="credentials"),
    path("allocations/<str:code>/files/", files_views.files, name="files"),
    path("allocations/<str:code>/files/everything.zip", files_views.everything, name="everything"),
    path("allocations/<str:code>/files/list.csv", files_views.download_list, name="list"),
    path("allocations/<str:code>/files/content", files_views.content, name="content"),
]
