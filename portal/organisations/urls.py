from django.urls import path

from . import fact_views, views

app_name = "organisations"
urlpatterns = [
    path("enterprise/", views.mine, name="mine"),
    path("enterprise/new/", views.new, name="new"),
    path("enterprise/<int:pk>/", views.detail, name="detail"),
    path("enterprise/<int:pk>/edit/", views.edit, name="edit"),
    path("enterprise/<int:pk>/facts/", fact_views.facts_page, name="facts"),
    path("enterprise/<int:pk>/facts/firm/", fact_views.firm_add, name="firm_add"),
    path("enterprise/<int:pk>/facts/firm/<int:firm>/remove/", fact_views.firm_remove, name="firm_remove"),
    path("enterprise/<int:pk>/facts/year/", fact_views.year_add, name="year_add"),
    path("enterprise/<int:pk>/facts/year/<int:year>/remove/", fact_views.year_remove, name="year_remove"),
    path("enterprise/<int:pk>/facts/subsidy/", fact_views.subsidy_add, name="subsidy_add"),
    path("enterprise/<int:pk>/facts/subsidy/<int:subsidy>/withdraw/", fact_views.subsidy_withdraw, name="subsidy_withdraw"),
    path("enterprise/<int:pk>/facts/sign/", fact_views.sign, name="sign"),
    path("enterprise/<int:pk>/facts/unsign/", fact_views.unsign, name="unsign"),
    path("enterprise/<int:pk>/facts/<int:change>/verify/", fact_views.verify, name="verify"),
    path("enterprise/<int:pk>/invite/", views.invite, name="invite"),
    path("enterprise/<int:pk>/ask/", views.ask_to_join, name="ask"),
    path("enterprise/<int:pk>/people/<int:user_pk>/remove/", views.remove, name="remove"),
    path("join/<str:token>/", views.join, name="join"),
]
