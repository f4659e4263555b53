from __future__ import annotations

import pytest

from awcopy.config import Settings
from awcopy.errors import UsageError
from web.server import run_web


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "", "dashboard.example"])
def test_an_address_that_others_can_reach_is_refused(host):
    with pytest.raises(UsageError, match="has no authentication yet"):
        run_web(Settings(), host, 0)
