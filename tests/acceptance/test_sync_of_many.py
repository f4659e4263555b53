"""A sync of 100,000 objects on a real fleet: what is unchanged costs pages of the two listings, and little CPU.

Redis, the ledger and the workers are real. Both stores are stand-ins that speak HTTP (`listed_stores`), since real ones
take minutes to be filled: so this says nothing of signatures, checksums, or how the stores list. `test_sync` shows the
same on SeaweedFS and Azurite with a few objects.
"""

from __future__ import annotations

from collections import Counter

import pytest

from bench.sync import CHANGED, DELETED, FEW, MANY, reading_s, sync
from tests.acceptance.listed_stores import FOLDER, serve_listed_stores

# CPU of a worker for one unchanged object, in readings of its entries in both listings by the standard library's
# parser. At 15 µs for such a reading, 40 µs are 2.7 of them. A machine that others use stretches the worker's minutes
# more than the least of a few readings; thrice as much is a regression.
MOST_READINGS = 8
# A hundred thousand outcomes in memory at once would be half as much again.
MOST_GROWTH = 1.2

pytestmark = pytest.mark.timeout(900)  # for hangs


def test_a_hundred_thousand_unchanged_objects_cost_two_listings(place) -> None:
    worker = place.processes.worker.pid
    with serve_listed_stores() as stores:
        costs = {}
        for count in (200, FEW, MANY):  # the first one has the workers load what they need
            stores.fill(count)
            costs[count] = sync(stores, place.env, worker)
            assert costs[count].job["totals"]["unchanged"]["objects"] == count
            assert stores.asked() == []
        listings = Counter(one.store for one in stores.log if one.method == "GET")
        assert listings["s3"] <= MANY / 1000 + 5
        assert listings["azure"] <= MANY / 5000 + 5
        few, many = costs[FEW], costs[MANY]
        assert many.peak_kib < MOST_GROWTH * few.peak_kib
        each_s = (many.cpu_s - few.cpu_s) / (MANY - FEW)
        assert each_s < MOST_READINGS * reading_s(stores)


def test_of_a_hundred_thousand_objects_what_changed_is_copied_and_what_is_gone_goes(place) -> None:
    with serve_listed_stores() as stores:
        stores.fill(MANY)
        changed, gone = stores.age(changed=CHANGED, deleted=DELETED)
        job = sync(stores, place.env, place.processes.worker.pid).job
        assert (len(changed), len(gone)) == (MANY * CHANGED, MANY * DELETED)
        counts = {name: tally["objects"] for name, tally in job["totals"].items()}
        assert counts == counts | {
            "listed": MANY - len(gone),
            "copied": len(changed),
            "unchanged": MANY - len(gone) - len(changed),
            "deleted": len(gone),
            "failed": 0,
            "kept": 0,
        }
        arrived = {name.removeprefix(FOLDER): blob.content for name, blob in stores.blobs.items()}
        assert arrived == stores.objects
        assert {one.name.removeprefix(FOLDER) for one in stores.asked()} == changed | gone
        read = stores.asked("GET")
        assert sorted(one.name for one in read) == sorted(changed)
        assert {one.store for one in read} == {"s3"}
