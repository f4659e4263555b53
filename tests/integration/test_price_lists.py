"""``awcopy config prices --refresh`` against a server on loopback that answers as the price lists do."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from awcopy.cli.main import main
from awcopy.cost import offers
from awcopy.cost.prices import Kind, parse_prices, shipped_prices
from tests.price_lists import answers


@pytest.fixture
def table(tmp_path, monkeypatch):
    """The path of the user's own table, which is not there yet."""
    path = tmp_path / "folder" / "prices.csv"
    monkeypatch.setenv("AWCOPY_PRICES", str(path))
    return path


@pytest.fixture
def bodies(monkeypatch):
    """What the server answers by path; it ends with the test."""
    found: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = found.get(self.path.partition("?")[0])
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        found.update(answers(url))
        monkeypatch.setattr(offers, "AWS_URL", url)
        monkeypatch.setattr(offers, "AZURE_URL", url)
        yield found
        server.shutdown()
        thread.join()


def test_a_refresh_replaces_what_was_fetched_and_keeps_the_rest(bodies, table, capsys) -> None:
    assert main(["config", "prices", "--refresh", "-o", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["schema"], shown["origin"]) == ("awcopy.prices/1", str(table))
    assert "westeurope" in shown["azure_regions"]
    prices = parse_prices(table.read_text(), "fetched")
    assert [str(step.value) for step in prices.steps(Kind.EGRESS, "eu-west-1")] == ["0.09", "0.08"]
    assert prices.steps(Kind.EGRESS, "us-east-1") == shipped_prices().steps(Kind.EGRESS, "us-east-1")
    assert [path.name for path in table.parent.iterdir()] == ["prices.csv"]


@pytest.mark.parametrize(
    "broken", ["/api/retail/more", "/offers/v1.0/aws/AmazonS3/current/region_index.json"]
)
def test_a_refresh_that_fails_half_way_leaves_the_table_as_it_was(broken: str, bodies, table, capsys) -> None:
    table.parent.mkdir()
    table.write_text("mine")
    del bodies[broken]
    assert main(["config", "prices", "--refresh"]) == 1
    assert "answers 404 where prices were asked for" in capsys.readouterr().err
    assert table.read_text() == "mine"


def test_a_broken_table_can_be_refreshed(bodies, table) -> None:
    table.parent.mkdir()
    table.write_text("broken")
    assert main(["config", "prices", "--refresh", "--region", "eu-west-1"]) == 0
    assert parse_prices(table.read_text(), "fetched").find(Kind.AZURE_WRITE, "westeurope", "Hot")


def test_offline_nothing_is_changed_and_the_hint_says_what_to_do(table, monkeypatch, capsys) -> None:
    monkeypatch.setattr(offers, "AWS_URL", "http://127.0.0.1:1")  # nothing answers there
    assert main(["config", "prices", "--refresh"]) == 7
    assert "the table in use stays as it is" in capsys.readouterr().err
    assert not table.exists()
