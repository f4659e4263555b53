"""How much CPU a server-side copy costs: awcopy's own, for each request that it sends.

    python -m bench.server_side

Azure's part is played by Azurite behind the tests' proxy, and the requests are counted by proxies before both
stores, so that wall time says nothing. What starting costs is taken out by copying a few and many objects.
"""

from __future__ import annotations

import resource
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from awcopy.demo.fleet import awcopy_command, start_servers, user_environment
from awcopy.demo.sample import make_client
from bench.copy import fill
from tests.faults.copying_proxy import CopyingProxy
from tests.faults.http_proxy import HttpProxy

FEW, MANY = 100, 1100
OBJECT_BYTES = 4096  # the least work for the stand-ins; for awcopy all sizes up to 64 MiB are one request


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one copy took."""

    cpu_s: float
    requests: int


def main() -> None:
    """Run the benchmark and print a line."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="awcopy-bench-")))
        servers = start_servers(folder, stack)
        client = make_client(servers.source)
        fill(client, "few", FEW, OBJECT_BYTES)
        fill(client, "many", MANY, OBJECT_BYTES)
        s3 = stack.enter_context(HttpProxy(_port(servers.source.endpoint_url), "s3"))
        azure = stack.enter_context(CopyingProxy(_port(servers.sink.blob_url)))
        sink = replace(servers.sink, blob_url=f"{azure.url}/{servers.sink.account}")
        environment = user_environment(servers, folder) | {
            "AWS_ENDPOINT_URL": s3.url,
            "AZURE_STORAGE_CONNECTION_STRING": sink.connection_string,
        }
        few, many = (copy(name, sink.account, environment, s3, azure) for name in ("few", "many"))
    cpu_s, requests = many.cpu_s - few.cpu_s, many.requests - few.requests
    print(f"server-side: {requests / (MANY - FEW):.2f} requests an object")
    print(
        f"             {cpu_s / requests * 1000:.2f} CPU ms a request, {requests / cpu_s:.0f} requests/s a core"
    )


def copy(bucket: str, account: str, environment: dict[str, str], s3: HttpProxy, azure: HttpProxy) -> Cost:
    """Copy a bucket server-side; return what awcopy spent, and the requests that it sent itself."""
    s3.reset()
    azure.reset()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        awcopy_command(
            "copy", f"s3://{bucket}", f"az://{account}/{bucket}",
            "--create-container", "--local", "-q", "--route", "server",
        ),
        env=environment, check=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = [one for one in s3.log.all() if "X-Amz-Signature=" not in one.query]
    return Cost(
        cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        requests=len(own) + len(azure.log.all()),
    )


def _port(url: str) -> int:
    return int(url.split("/")[2].rpartition(":")[2])


if __name__ == "__main__":
    main()
