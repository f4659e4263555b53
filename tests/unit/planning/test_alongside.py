"""A sink's listing beside names that are asked for: what is found, what is passed, and where the join stands."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from awcopy.planning.alongside import Alongside, sink_prefix
from tests.unit.factories import make_blob, make_spec

PAGE = 2


def fetcher(names, calls=None):
    blobs = [make_blob(name=name) for name in names]

    def fetch(token):
        if calls is not None:
            calls.append(token)
        at = int(token or 0)
        return blobs[at : at + PAGE], str(at + PAGE) if at + PAGE < len(blobs) else ""

    return fetch


names_of = st.sets(st.text("abc/.", min_size=1, max_size=3)).map(sorted)


@given(there=names_of, asked=names_of)
def test_names_in_order_are_found_and_the_others_passed(there, asked):
    passed = []
    blobs = Alongside(fetcher(there), on_passed=passed.append)
    found = [name for name in asked if blobs.find(name)]
    while blobs.pass_some(1):
        pass
    assert found == [name for name in asked if name in there]
    assert [blob.name for blob in passed] == [name for name in there if name not in asked]


@given(there=names_of, asked=names_of, cut=st.integers(0, 9))
def test_a_join_goes_on_where_another_stood(there, asked, cut):
    passed = []
    first = Alongside(fetcher(there), on_passed=passed.append)
    found = [name for name in asked[:cut] if first.find(name)]
    second = Alongside(fetcher(there), on_passed=passed.append, token=first.token, after=first.joined)
    found += [name for name in asked[cut:] if second.find(name)]
    second.pass_some(100)
    assert found == [name for name in asked if name in there]
    assert [blob.name for blob in passed] == [name for name in there if name not in asked]


def test_a_forgotten_place_costs_another_reading_and_passes_nothing_twice():
    calls, passed = [], []
    first = Alongside(fetcher("abcdef"), on_passed=passed.append)
    assert first.find("d")
    second = Alongside(fetcher("abcdef", calls), on_passed=passed.append, after=first.joined)
    assert second.find("f")
    assert [blob.name for blob in passed] == ["a", "b", "c", "e"]
    assert calls == ["", "2", "4"]


def test_only_as_much_is_read_as_names_ask_for():
    calls = []
    blobs = Alongside(fetcher("abcdefgh", calls))
    assert blobs.find("b")
    assert calls == [""]


def test_a_name_that_comes_too_late_is_not_told():
    blobs = Alongside(fetcher("ab"))
    assert blobs.find("b")
    assert not blobs.tells("a", blobs.find("a"))


def test_a_listing_in_an_order_of_its_own_tells_of_no_absence():
    blobs = Alongside(fetcher("bacd"))
    assert not blobs.tells("c", blobs.find("c"))


def test_the_sinks_names_begin_as_the_objects_under_the_prefix_become():
    assert sink_prefix(make_spec(prefix="data/rep", to="x/")) == "x/rep"
