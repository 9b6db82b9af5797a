"""How staff write a programme down."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from portal.programs.models import AgreementVersion, Capability, RolloutPhase
from portal.programs.selectors import current_agreement
from portal.programs.services import text_sha256


class CeilingField(forms.ModelMultipleChoiceField):
    """Capabilities by scope, name and tier; with the release's name where it could be another's."""

    widget = forms.CheckboxSelectMultiple
    of_one_release = False

    def label_from_instance(self, obj: Any) -> str:
        words = f"{obj.scope}: {obj.name} ({obj.get_tier_display().lower()})"
        return words if self.of_one_release else f"{obj.release}, {words}"


class PhaseForm(forms.ModelForm):
    capabilities = CeilingField(
        queryset=Capability.objects.none(),
        help_text="The ceiling: nothing beyond it is approved in this phase.",
        error_messages={"required": "Choose at least one."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "capabilities" in self.fields:  # not on a page that only shows
            field = self.fields["capabilities"]
            field.of_one_release = bool(self.instance.pk)  # type: ignore[attr-defined] # a CeilingField
            field.queryset = self._within_reach()  # type: ignore[attr-defined] # chooses rows

    def _within_reach(self) -> QuerySet[Capability]:
        known = Capability.objects.select_related("release").order_by("release__name", "scope")
        return known.filter(release=self.instance.release_id) if self.instance.pk else known

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        release = cleaned.get("release") or getattr(self.instance, "release", None)
        others = {each.release for each in cleaned.get("capabilities", ())} - {release}
        if release and others:
            self.add_error("capabilities", f"Choose only capabilities of {release}.")
        # Of a phase that exists the release is not on the form, so Django compares nothing.
        order: int | None = cleaned.get("order")
        others_of_it = RolloutPhase.objects.filter(release=release).exclude(pk=self.instance.pk)
        taken = None if order is None else others_of_it.filter(order=order).first()
        if taken:
            self.add_error("order", f"{taken.name} has this place already. Choose another.")
        return cleaned


class OptionsField(forms.CharField):
    """One option a line: options hold commas."""

    widget = forms.Textarea(attrs={"rows": 4})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        return [line.strip() for line in super().clean(value).splitlines() if line.strip()]


class QuestionForm(forms.ModelForm):
    options = OptionsField(required=False, help_text="One a line; for questions with choices.")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        chosen = cleaned.get("kind") in ("choice", "choices")
        if chosen and len(cleaned.get("options") or []) < 2:
            self.add_error("options", "Give at least two options, one a line.")
        if bool(cleaned.get("condition_key")) != bool(cleaned.get("condition_value")):
            self.add_error("condition_key", "Give both: the question's key, and the answer.")
        return cleaned


class QuestionFormSet(forms.BaseInlineFormSet):
    def clean(self) -> None:
        """A question asked on a condition hangs on one asked before it, or it is never asked."""
        super().clean()
        kept = [
            form
            for form in self.forms
            if form.has_changed() or form.instance.pk
            if hasattr(form, "cleaned_data") and not form.cleaned_data.get("DELETE")
        ]
        orders = {form.cleaned_data.get("key"): form.cleaned_data.get("order") for form in kept}
        for form in kept:
            key, order = form.cleaned_data.get("condition_key"), form.cleaned_data.get("order")
            before = orders.get(key)
            if key and (before is None or order is None or before >= order):
                form.add_error("condition_key", "No question with this key is asked before.")


class AgreementForm(forms.ModelForm):
    class Meta:
        model = AgreementVersion
        fields = ("release", "title", "text")

    def clean(self) -> dict[str, Any]:
        """The service refuses the same; here the text typed stays on the page."""
        cleaned: dict[str, Any] = super().clean() or {}
        release, text = cleaned.get("release"), cleaned.get("text")
        last = current_agreement(release) if release else None
        if last and text and last.sha256 == text_sha256(text):
            self.add_error("text", f"Version {last.number} has exactly this text. Change it first.")
        return cleaned
