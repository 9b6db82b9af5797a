"""Programmes, in the staff's admin. Publishing, halting and agreements are services."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminTextareaWidget, RelatedFieldWidgetWrapper
from django.db.models import TextField
from django.http import HttpRequest, HttpResponse

from accounts.requests import signed_in
from portal.admin_buttons import Button, WithButtons, freeze_link
from portal.admin_kept import KeepsWhatWasTyped
from portal.admin_lists import Listed, column, pill, unbroken
from portal.programs import admin_views, policies, services
from portal.programs.admin_filters import ReleaseFilter
from portal.programs.admin_forms import AgreementForm, PhaseForm, QuestionForm, QuestionFormSet
from portal.programs.models import (
    AgreementVersion,
    Capability,
    ModelRelease,
    Question,
    RolloutPhase,
)
from portal.programs.offers import CLOSED, NOT_OPEN
from portal.programs.selectors import current_agreement

_EDIT = "programs.change_rolloutphase"
_HALT = "programs.halt_phase"


class Plain:
    """Fields that point elsewhere stand without the icons that open other windows."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc] # mixed into an admin
        if isinstance(getattr(field, "widget", None), RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field


class SettingAdmin(KeepsWhatWasTyped, Plain, WithButtons, admin.ModelAdmin):
    """Saves through the service, so that the log knows; nothing here is ever deleted."""

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Nothing: Django would fill the form from the address, and fail on what it cannot read."""
        return {}

    def save_model(
        self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool
    ) -> None:
        services.save_setting(setting=obj, by=signed_in(request))

    def save_related(
        self, request: HttpRequest, form: forms.ModelForm, formsets: Any, change: bool
    ) -> None:
        for formset in formsets:
            self.save_formset(request, form, formset, change)

    def save_formset(
        self, request: HttpRequest, form: forms.ModelForm, formset: Any, change: bool
    ) -> None:
        for setting in formset.save(commit=False):
            services.save_setting(setting=setting, by=signed_in(request))
        for question in formset.deleted_objects:
            services.remove_question(question=question, by=signed_in(request))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class FewInline(admin.StackedInline):
    """As many forms as anybody would fill in: Django builds two thousand for whoever says so."""

    max_num = 60

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        most = {"absolute_max": self.max_num, "validate_max": True}
        return super().get_formset(request, obj, **most, **kwargs)


class CapabilityInline(FewInline):
    model = Capability
    extra = 1  # so that one can be added without script
    can_delete = False
    fields = (("scope", "tier"), "name", "description")


@admin.register(ModelRelease)
class ModelReleaseAdmin(SettingAdmin):
    list_display = ("name_cell", "standing", "reference", "audience", "published")
    search_fields = ("name", "ref", "slug")
    search_help_text = "Part of a name or a reference"
    name_cell = column("name", "name", unbroken)
    reference = column("ref", "reference", unbroken)
    published = column("published_at", "published")
    readonly_fields = ("ref", "published_at", "created_at")
    prepopulated_fields = {"slug": ("name",)}
    fieldsets = (
        (None, {"fields": ("name", "slug", "summary", "risk_statement")}),
        ("For gateways", {"fields": ("audience",)}),
        ("State", {"fields": readonly_fields}),
    )
    inlines = (CapabilityInline,)
    links = (freeze_link("release"),)
    buttons = (
        Button(
            "publish",
            "Publish…",
            admin_views.publish_release,
            _EDIT,
            policies.can_publish_release,
        ),
        Button(
            "agreement",
            "Publish terms…",
            admin_views.publish_agreement,
            "programs.add_agreementversion",
            policies.can_publish_agreement,
        ),
    )

    @admin.display(description="Status")
    def standing(self, release: ModelRelease) -> str:
        if release.published_at:
            return pill("open", "Published")
        return pill("draft", "Not published")


class QuestionInline(FewInline):
    model = Question
    form = QuestionForm
    formset = QuestionFormSet
    extra = 1  # so that one can be added without script
    ordering = ("order",)
    prepopulated_fields = {"key": ("prompt",)}
    formfield_overrides = {TextField: {"widget": AdminTextareaWidget(attrs={"rows": 3})}}
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("order", "section"),
                    "prompt",
                    "key",
                    "help",
                    ("kind", "required"),
                    "options",
                    "max_length",
                )
            },
        ),
        (
            "Asked only when another question has a certain answer",
            {"classes": ("collapse",), "fields": ("condition_key", "condition_value")},
        ),
    )


@admin.register(RolloutPhase)
class RolloutPhaseAdmin(SettingAdmin):
    form = PhaseForm
    formfield_overrides = {TextField: {"widget": AdminTextareaWidget(attrs={"rows": 3})}}
    list_display = ("name", "of_release", "order", "standing", "opens", "closes", "capacity")
    list_filter = (ReleaseFilter,)
    list_select_related = ("release",)
    search_fields = ("name", "ref", "release__name")
    search_help_text = "Part of a name, a reference or a release"
    of_release = column("release", "release", unbroken)
    opens = column("opens_at", "opens")
    closes = column("closes_at", "closes")
    ordering = ("release__name", "order")
    readonly_fields = ("ref", "halted_at", "halted_by")
    fieldsets = (
        (None, {"fields": ("release", "order", "name", "audience")}),
        (
            "Applications",
            {
                "fields": ("opens_at", "closes_at", "capacity", "review_days"),
                "description": "The phase takes applications from the one moment to the other, by"
                " itself. To open it now, give today and now; without a moment it stays closed.",
            },
        ),
        ("What it may give", {"fields": ("capabilities",)}),
        (
            "Limits of each grant",
            {"fields": ("requests_per_minute", "tokens_per_day", "max_grant_days")},
        ),
        (
            "Reviewers who must agree, by the highest tier asked for",
            {
                "fields": ("reviewers_standard", "reviewers_elevated", "reviewers_critical"),
                "description": "One at least at the standard tier, and two at the others. At the"
                " critical tier a decider who has not reviewed comes on top of them.",
            },
        ),
        ("State", {"fields": readonly_fields}),
    )
    inlines = (QuestionInline,)
    links = (freeze_link("phase"),)
    buttons = (
        Button(
            "halt",
            "Halt…",
            admin_views.halt_phase,
            _HALT,
            policies.can_halt_phase,
            danger=True,
        ),
        Button("resume", "Resume…", admin_views.resume_phase, _HALT, policies.can_resume_phase),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A phase stays with its release: its capabilities are the release's."""
        return (*self.readonly_fields, "release") if obj else self.readonly_fields

    def save_related(
        self, request: HttpRequest, form: forms.ModelForm, formsets: Any, change: bool
    ) -> None:
        scopes = sorted(each.scope for each in form.cleaned_data["capabilities"])
        if scopes != sorted(form.instance.capabilities.values_list("scope", flat=True)):
            services.set_ceiling(phase_id=form.instance.pk, scopes=scopes, by=signed_in(request))
        super().save_related(request, form, formsets, change)

    class Media:
        css = {"all": ("portal/programme.css",)}

    @admin.display(description="Status")
    def standing(self, phase: RolloutPhase) -> str:
        if phase.halted_at:
            return pill("halted", "Halted")
        takes = policies.phase_is_open(phase)
        if takes:
            return pill("open", "Open")
        status, label = CLOSED.get(takes.code, NOT_OPEN)
        return pill(status, label)


@admin.register(AgreementVersion)
class AgreementVersionAdmin(KeepsWhatWasTyped, Plain, Listed):
    """A published text never changes; the next version is added instead."""

    form = AgreementForm
    formfield_overrides = {TextField: {"widget": AdminTextareaWidget(attrs={"rows": 24})}}
    add_form_template = "admin/programs/publish_agreement.html"
    list_display = ("title", "of_release", "number", "published", "published_by")
    list_filter = (ReleaseFilter,)
    list_select_related = ("release", "published_by")
    search_fields = ("title", "sha256")
    search_help_text = "Part of a title or of the text's SHA-256"
    of_release = column("release", "release", unbroken)
    published = column("published_at", "published")
    fields: ClassVar[Any] = ("release", "title", "text")
    readonly_fields = ("number", "sha256", "published_at", "published_by")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (*self.fields, *self.readonly_fields) if obj else tuple(self.fields)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The next version begins as the text in force."""
        release = ModelRelease.objects.filter(ref=request.GET.get("of", "")).first()
        if release is None:
            return {}
        last = current_agreement(release)
        text = {"title": last.title, "text": last.text} if last else {}
        return {"release": release.pk, **text}

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        context = {"title": "Publish terms", **(extra_context or {})}
        return super().add_view(request, form_url, context)

    def save_model(
        self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool
    ) -> None:
        published = services.publish_agreement(
            release_id=obj.release_id, title=obj.title, text=obj.text, by=signed_in(request)
        )
        obj.pk, obj.number = published.pk, published.number

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
