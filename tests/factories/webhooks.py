"""Endpoints, events for them, and a real small server that takes them."""

import contextlib
import socket
import threading
from datetime import timedelta

import factory
from django.utils import timezone

from portal.webhooks.models import Delivery, Endpoint
from tests.factories.accounts import MembershipFactory, OrganizationFactory, PersonFactory


class EndpointFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Endpoint

    organization = factory.SubFactory(OrganizationFactory)
    url = factory.Sequence(lambda n: f"https://hooks{n}.example.org/in")
    created_by = factory.LazyAttribute(
        lambda made: MembershipFactory(organization=made.organization, user=PersonFactory()).user
    )


class DeliveryFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Delivery

    endpoint = factory.SubFactory(EndpointFactory)
    kind = "ping"
    body = '{"type":"ping","timestamp":"2026-01-01T00:00:00.000000Z","data":{}}'
    give_up_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=3))


OK = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


class Receiver:
    """Listens on loopback and gives each caller `answer`: bytes, or a function of the socket.

    `requests` are the calls taken in whole, as (headers, body).
    """

    def __init__(self, answer=OK, context=None, *, listens=True):
        self.answer, self.context, self.requests, self.calls = answer, context, [], 0
        self.listens = listens
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.url = f"http{'s' if context else ''}://localhost:{self.port}/in?a=1"
        self.closing = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                link, _ = self.listening.accept()
            except OSError:
                return
            self.calls += 1
            threading.Thread(target=self._take, args=(link,), daemon=True).start()

    def _take(self, link):
        with contextlib.suppress(OSError), link:
            if not self.listens:
                self.closing.wait(30)
                return
            if self.context:
                link = self.context.wrap_socket(link, server_side=True)
            with link, link.makefile("rb") as file:
                first = file.readline().decode().strip()
                headers = {"": first}
                while line := file.readline().decode().strip():
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                body = file.read(int(headers.get("content-length", 0)))
                self.requests.append((headers, body))
                if callable(self.answer):
                    self.answer(link, self.closing)
                else:
                    link.sendall(self.answer)

    def close(self):
        self.closing.set()
        self.listening.close()


@contextlib.contextmanager
def receiver(answer=OK, context=None, *, listens=True):
    made = Receiver(answer, context, listens=listens)
    try:
        yield made
    finally:
        made.close()


def answering(status, more=b""):
    return b"HTTP/1.1 %d X\r\n%sContent-Length: 0\r\n\r\n" % (status, more)


def hang(link, closing):
    """Takes the call and says nothing."""
    closing.wait(30)


def drip(link, closing):
    """A header's byte at a time, so that no timeout of a socket ever comes."""
    link.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while not closing.wait(0.1):
        link.sendall(b"x")


def flood(link, closing):
    """A good status, and a body without end."""
    link.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not closing.is_set():
        link.sendall(b"x" * 65536)
