"""Each documented gateway names all the portal tells of a caller, and takes away what it must."""

import re

import pytest
import yaml
from django.conf import settings

from portal.gateway import answers
from tests.unit.credentials.test_decision import GOOD

HERE = settings.BASE_DIR / "docs" / "gateways"
FILES = ["nginx.conf", "envoy.yaml", "traefik.yaml", "Caddyfile"]
YAML = re.compile(r"^```ya?ml\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", FILES)
def test_every_header_about_the_caller_is_named(name):
    text = "\n".join(
        line for line in (HERE / name).read_text().splitlines() if not line.lstrip().startswith("#")
    ).lower()
    missing = [h for h in answers.identity(GOOD) if not re.search(rf"{h.lower()}(?![\w-])", text)]
    assert missing == []
    assert "authorization" in text
    assert "cookie" in text


@pytest.mark.parametrize("name", FILES)
def test_the_page_leads_to_every_file(name):
    assert f"]({name})" in (HERE / "README.md").read_text()


def test_envoy_takes_away_whatever_it_sets_and_sets_all():
    [listener] = yaml.safe_load((HERE / "envoy.yaml").read_text())["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    first, check = [each["typed_config"] for each in manager["http_filters"][:2]]
    names = {name.lower() for name in answers.identity(GOOD)}
    assert {each["remove"] for each in first["mutations"]["request_mutations"]} == names
    service = check["http_service"]
    told = service["authorization_response"]["allowed_upstream_headers"]["patterns"]
    assert {each["exact"] for each in told} == names
    assert check["failure_mode_allow"] is False
    assert service["server_uri"]["timeout"] == "2s"
    dropped = manager["common_http_protocol_options"]["headers_with_underscores_action"]
    assert dropped == "DROP_HEADER"
    [host] = manager["route_config"]["virtual_hosts"]
    assert set(host["request_headers_to_remove"]) == {"authorization", "cookie"}


def test_traefik_takes_away_whatever_could_pass_for_ours_and_sets_all():
    middlewares = yaml.safe_load((HERE / "traefik.yaml").read_text())["http"]["middlewares"]
    access = middlewares["access"]["forwardAuth"]
    assert access["authResponseHeaders"] == list(answers.identity(GOOD))
    for name in access["authResponseHeaders"]:
        for spelt in (name, name.replace("-", "_"), name.lower()):
            assert re.search(access["authResponseHeadersRegex"], spelt)
    kept = middlewares["keep-back"]["headers"]["customRequestHeaders"]
    assert kept == {"X-Gateway-Authorization": "", "Authorization": "", "Cookie": ""}


@pytest.mark.parametrize("page", [*HERE.glob("*.md"), settings.BASE_DIR / "docs/operations.md"])
def test_every_block_of_yaml_can_be_read(page):
    for block in YAML.findall(page.read_text()):
        assert yaml.safe_load(block)
