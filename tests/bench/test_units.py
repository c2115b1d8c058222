"""The benchmarks know what a transaction costs: two units per KB of each item, written or refused, and one per index."""

from bench.cold.measure import _units
from bench.units import Meter
from chalicelib.store.bundles import Bundles
from chalicelib.store.control import TableStore
from chalicelib.store.ledger import Ledger
from tests.support.builders import an_upload, some_settings
from tests.support.bundles import uploads
from tests.support.stages import TABLE, Stage
from workbench.local.ministack import MiniStack, local_client
from workbench.local.proxy.proxy import Proxy
from workbench.local.resources import apply_stack
from workbench.paths import PROJECT

MAIL = {'notify = ["email:asha", "sms:asha"]': 'notify = ["email:asha"]'}


def stage_at(endpoint: str, ministack: MiniStack, budget: str = '"9 per hour"') -> Stage:
    apply_stack(ministack, PROJECT / "resources.yaml", "prod")
    client = local_client(endpoint, "dynamodb")
    settings = some_settings(**MAIL, **{"[people.asha]": f"[people.asha]\nbudget = {budget}"})
    stage = Stage(Ledger(client, TABLE), TableStore(client, TABLE), Bundles(client, TABLE), settings)
    stage.deliverer.control.now()
    return stage


def test_recorded_transaction_is_repeated_and_its_units_are_reported(ministack: MiniStack) -> None:
    with Proxy(ministack.endpoint) as proxy:
        stage = stage_at(proxy.url, ministack)
        proxy.clear()
        stage.take(an_upload())
        assert proxy.operations() == ["TransactWriteItems", "UpdateItem"]
        assert _units(proxy.requests(), ministack.client("dynamodb")) == (8, 0)


def test_refused_transaction_costs_the_units_of_each_of_its_items(ministack: MiniStack) -> None:
    stage = stage_at(ministack.endpoint, ministack, '"1 per hour"')
    first, second = uploads(2)
    stage.take(first)
    meter = Meter(stage.ledger._client)
    with meter.counting("again"):
        stage.take(first)
    assert (meter.units["again"].writes, meter.units["again"].rejected) == (4, 1)
    with meter.counting("over budget"):
        stage.take(second)
    units = meter.units["over budget"]
    assert (units.calls["TransactWriteItems"], units.rejected) == (1, 1)
