"""What programme managers write down."""

from tests.edges.forms.trying import Form, a_form, listed, root
from tests.edges.test_programs_admin import phase_data, question, release_data
from tests.factories import stories


@a_form("admin:programs_modelrelease_add")
def release():
    capability = {"scope": "model:infer", "tier": "standard", "name": "Ask", "description": "Ask."}
    inline = {f"capabilities-0-{name}": value for name, value in capability.items()}
    data = release_data(**inline, **{"capabilities-TOTAL_FORMS": 1})
    return Form(root(), "/admin/programs/modelrelease/add/", listed(data))


@a_form("admin:programs_rolloutphase_add")
def phase_with_question():
    phase = stories.open_phase()
    asked = question(0, options="First\nSecond", condition_key="", condition_value="", help="")
    dates = {"opens_at_0": "2030-01-01", "opens_at_1": "09:00"}
    dates |= {"closes_at_0": "2030-02-01", "closes_at_1": "09:00"}
    data = phase_data(
        phase.release,
        *phase.capabilities.all()[:1],
        **asked,
        **{**dates, "order": 77, "questions-TOTAL_FORMS": 1},
    )
    return Form(root(), "/admin/programs/rolloutphase/add/", listed(data))


@a_form("admin:programs_agreementversion_add")
def terms_published():
    of = stories.open_phase().release
    fields = {"release": [str(of.pk)], "title": ["Terms"], "text": ["Do no harm."]}
    return Form(root(), "/admin/programs/agreementversion/add/", fields)


@a_form("admin:gateway_gateway_add")
def gateway():
    of = stories.open_phase().release
    fields = {"name": ["Edge proxy"], "release": [str(of.pk)]}
    return Form(root(), "/admin/gateway/gateway/add/", fields, shows="Gateway registered")


@a_form("admin:programs_modelrelease_change")
def release_changed():
    of = stories.open_phase().release
    data = release_data(slug=of.slug, summary="Changed.", **_known("capabilities", of, "release"))
    return Form(root(), f"/admin/programs/modelrelease/{of.ref}/change/", listed(data))


@a_form("admin:programs_rolloutphase_change")
def phase_changed():
    of = stories.open_phase(order=3)
    asked = _known("questions", of, "phase")
    data = phase_data(of.release, *of.capabilities.all()[:1], order=3, name="Changed", **asked)
    return Form(root(), f"/admin/programs/rolloutphase/{of.ref}/change/", listed(data))


def _known(prefix, of, to):
    """The rows under a thing as its page sends them back, with one more column each changed."""
    some = list(getattr(of, prefix).all())
    sent = {f"{prefix}-TOTAL_FORMS": len(some), f"{prefix}-INITIAL_FORMS": len(some)}
    for number, row in enumerate(some):
        told = question(number) if prefix == "questions" else _capability(number, row)
        ids = {f"{prefix}-{number}-id": row.pk, f"{prefix}-{number}-{to}": of.pk}
        sent |= {**told, **ids}
    return sent


def _capability(number, row):
    told = {"scope": row.scope, "tier": row.tier, "name": row.name, "description": "Changed."}
    return {f"capabilities-{number}-{name}": value for name, value in told.items()}
