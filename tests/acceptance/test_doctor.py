"""The doctor, on a whole fleet and on one that is not there."""

from __future__ import annotations

import json

from awcopy.demo.ports import pick_ports


def test_a_running_fleet_is_found_in_order_but_for_beat(place):
    done = place.awcopy("doctor", "-o", "json")
    found = {one["part"]: one for one in json.loads(done.stdout)["findings"]}
    assert done.returncode == 0
    assert {part for part, one in found.items() if one["state"] != "ok"} == {"beat"}
    assert found["workers"]["says"].startswith("2 processes with 16 slots")
    assert found["azure"]["says"].endswith("from AZURE_STORAGE_CONNECTION_STRING")
    assert place.servers.sink.key not in done.stdout + done.stderr


def test_a_redis_that_is_away_is_told_once_with_the_way_out(place):
    dead = f"redis://user:CANARY@127.0.0.1:{pick_ports(1)[0]}/0"
    done = place.awcopy("doctor", AWCOPY_REDIS_URL=dead)
    states = [line.split()[:2] for line in done.stdout.splitlines()]
    assert done.returncode == 7
    assert ["fail", "redis"] in states
    assert ["ok", "ledger"] in states
    assert done.stdout.count("AWCOPY_REDIS_URL") == 1
    assert "CANARY" not in done.stdout + done.stderr
