"""Where webhooks may go: what is typed, what it resolves to, and what is connected to."""

import ipaddress
import socket

import pytest

from portal.webhooks import targets, transport
from tests.factories.webhooks import receiver

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


def verdict(url):
    try:
        return targets.read_url(url)
    except targets.Refused:
        return None


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://hooks.example.org", ("https", "hooks.example.org", 443, "/")),
        ("https://hooks.example.org/a/b?c=d", ("https", "hooks.example.org", 443, "/a/b?c=d")),
        ("https://HOOKS.example.org:8443/", ("https", "hooks.example.org", 8443, "/")),
        ("HTTPS://hooks.example.org.:443/x", ("https", "hooks.example.org", 443, "/x")),
        ("https://xn--bcher-kva.example/", ("https", "xn--bcher-kva.example", 443, "/")),
        ("https://8.8.8.8/", ("https", "8.8.8.8", 443, "/")),
        ("https://[2606:4700::1111]/", ("https", "2606:4700::1111", 443, "/")),
    ],
)
def test_addresses_that_are_taken(url, target):
    assert verdict(url) == targets.Target(*target)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/",
        "ftp://hooks.example.org/",
        "//hooks.example.org/",
        "hooks.example.org",
        "",
        "https://",
        "https:///path",
        "https://hooks.example.org:22/",
        "https://hooks.example.org:80/",
        "https://hooks.example.org:99999/",
        "https://hooks.example.org:x/",
        "https://user@hooks.example.org/",
        "https://user:password@hooks.example.org/",
        "https://@hooks.example.org/",
        "https://hooks.example.org#@127.0.0.1/",
        "https://hooks.example.org\\@127.0.0.1/",
        "https://hooks.example.org/a b",
        "https://hooks.example.org/\r\nX: y",
        "https://bücher.example/",
        "https://hooks.example.org/" + "a" * 500,
        # Inside, by name.
        "https://localhost/",
        "https://db/",
        "https://a.localhost/",
        "https://metadata.google.internal/",
        "https://printer.local/",
        # Inside, by number, in each way of writing one.
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://017700000001/",
        "https://127.0.0.1./",
        "https://0/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[fe80::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[fd00::1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[nonsense]/",
        "https://-x.example.org/",
        "https://a..example.org/",
        "https://exa%6dple.org/",
    ],
)
def test_addresses_that_are_refused(url):
    assert verdict(url) is None


@pytest.mark.parametrize(
    ("address", "reached"),
    [
        ("8.8.8.8", True),
        ("1.1.1.1", True),
        ("2606:4700:4700::1111", True),
        ("2a00:1450:4001::1", True),
        ("127.0.0.1", False),
        ("127.255.255.254", False),
        ("0.0.0.0", False),
        ("0.1.2.3", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("172.31.255.255", False),
        ("172.32.0.1", True),
        ("192.168.0.1", False),
        ("100.64.0.1", False),
        ("100.127.255.255", False),
        ("100.128.0.1", True),
        ("169.254.169.254", False),
        ("168.63.129.16", False),
        ("192.0.0.192", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("198.51.100.1", False),
        ("203.0.113.1", False),
        ("192.88.99.1", False),
        ("224.0.0.1", False),
        ("239.255.255.250", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::127.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", False),
        ("64:ff9b::8.8.8.8", False),
        ("64:ff9b:1::1", False),
        ("2001::1", False),
        ("2001:db8::1", False),
        ("2002:0808:0808::1", False),
        ("fc00::1", False),
        ("fd00:ec2::254", False),
        ("fe80::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("3fff::1", False),
        ("5f00::1", False),
    ],
)
def test_which_networks_are_the_open_internet(address, reached):
    assert targets.may_be_reached(ipaddress.ip_address(address)) is reached


class Names:
    """Stands in for the resolver: answers each question with the next of its answers."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), 0

    def __call__(self, host, port, *args, **kwargs):
        if host.replace(".", "").isdigit():  # what is connected to: a number, resolved by nobody
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        self.asked += 1
        return [
            (socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 1))
            for ip in self.answers[min(self.asked, len(self.answers)) - 1]
        ]


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "10.0.0.1"],
        ["::ffff:10.0.0.1"],
        ["fe80::1%eth0"],
        ["169.254.169.254"],
        [],
    ],
    ids=["loopback", "one of two", "mapped", "zone", "metadata", "none"],
)
def test_a_name_that_leads_inside_is_refused_before_anything_is_connected(monkeypatch, addresses):
    monkeypatch.setattr(socket, "getaddrinfo", Names(addresses))
    target = targets.read_url("https://hooks.example.org/")
    with pytest.raises(targets.Refused):
        targets.addresses_of(target)


def test_a_name_that_leads_out_gives_the_addresses_to_connect_to(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", Names(["8.8.8.8", "8.8.8.8", "2606:4700::1111"]))
    target = targets.read_url("https://hooks.example.org/")
    assert targets.addresses_of(target) == ["8.8.8.8", "2606:4700::1111"]


def test_a_name_that_changes_its_mind_is_asked_once(monkeypatch, settings):
    """Rebinding: what was looked at is what is connected to."""
    settings.WEBHOOK_ALLOWED_NETWORKS = (ipaddress.ip_network("127.0.0.1/32"),)
    with receiver() as good:
        names = Names(["127.0.0.1"], ["127.0.0.2"])
        monkeypatch.setattr(socket, "getaddrinfo", names)
        answer = transport.post(f"http://rebind.example.org:{good.port}/", b"{}", {})
        assert (answer.status, names.asked, good.calls) == (204, 1, 1)
        again = transport.post(f"http://rebind.example.org:{good.port}/", b"{}", {})
        assert (again.status, names.asked, good.calls) == (None, 2, 1)


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch):
    import threading  # noqa: PLC0415

    over = threading.Event()
    monkeypatch.setattr(targets, "RESOLVE_WITHIN", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: over.wait(20) and [])
    target = targets.read_url("https://hooks.example.org/")
    with pytest.raises(targets.Refused, match="in time"):
        targets.addresses_of(target)
    over.set()


@pytest.mark.parametrize("url", ["http://localhost:9/", "http://127.0.0.1:9/", "https://[::1]:9/"])
def test_allowed_networks_let_loopback_and_http_through(settings, url):
    settings.WEBHOOK_ALLOWED_NETWORKS = LOOPBACK
    target = targets.read_url(url)
    assert {ipaddress.ip_address(each).is_loopback for each in targets.addresses_of(target)} == {
        True
    }


def test_allowed_networks_open_no_other_door(settings, monkeypatch):
    settings.WEBHOOK_ALLOWED_NETWORKS = LOOPBACK
    refused = []
    for url, address in {
        "http://hooks.example.org/": "8.8.8.8",
        "https://hooks.example.org:22/": "8.8.8.8",
        "https://hooks.example.org/": "10.0.0.1",
    }.items():
        monkeypatch.setattr(socket, "getaddrinfo", Names([address]))
        try:
            targets.addresses_of(targets.read_url(url))
        except targets.Refused:
            refused.append(url)
    assert len(refused) == 3
