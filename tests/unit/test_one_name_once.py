"""Names that differ by case only were possible once: what there is of them is told apart."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from accounts.models import Organization
from portal.gateway.models import Gateway
from tests.factories.accounts import OrganizationFactory
from tests.factories.gateway import make_gateway
from tests.factories.programs import ModelReleaseFactory

pytestmark = pytest.mark.django_db(transaction=True)


def migrate(organizations, gateways):
    """As `migrate` does, without what it says to every app afterwards."""
    for app, number in (("accounts", organizations), ("gateway", gateways)):
        executor = MigrationExecutor(connection)
        executor.migrate([(app, executor.loader.get_migration_by_prefix(app, number).name)])


@pytest.fixture
def before(transactional_db):
    """The database as it was when such names were taken."""
    migrate("0002", "0003")
    yield
    migrate("0003", "0004")


def test_the_first_keeps_its_name_and_later_ones_get_their_reference(before):
    long = "x" * 100
    gateways = [make_gateway(ModelReleaseFactory(), name=name)[0] for name in (long, long.upper())]
    made = [OrganizationFactory(name=name) for name in ("Acme", "Other", "ACME")]
    migrate("0003", "0004")
    names = dict(Organization.objects.values_list("pk", "name"))
    assert [names[each.pk] for each in made] == ["Acme", "Other", f"ACME ({made[2].ref})"]
    names = dict(Gateway.objects.values_list("pk", "name"))
    last = f"{'X' * 80} ({gateways[1].client_id})"
    assert [names[each.pk] for each in gateways] == [long, last]
    with pytest.raises(IntegrityError), transaction.atomic():
        OrganizationFactory(name="acme")
