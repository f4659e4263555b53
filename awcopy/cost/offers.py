"""Today's prices from the clouds' own price lists, which need no login: what to ask, and how to read the answers.

Owns the form of AWS's bulk price list and of Azure's retail prices. Fetches nothing itself. From AWS the files of
single regions are read, half a megabyte to a few each; those of all regions have gigabytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from awcopy.cost.prices import Kind, Price
from awcopy.errors import ServerFault, UsageError

AWS_URL = "https://pricing.us-east-1.amazonaws.com"
AZURE_URL = "https://prices.azure.com"

# Returns the answer's body for a path and query of one of the two.
Fetch = Callable[[str], bytes]

_TRANSFER, _S3 = "AWSDataTransfer", "AmazonS3"
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")  # and no local or Wavelength zone
_THOUSAND = 1000
_MOST_PAGES = 100

# By usage type, after the region's own prefix: what it is the price of, and for how many.
_REQUESTS = {
    "Requests-Tier1": ((Kind.S3_LIST, ""),),
    "Requests-Tier2": tuple((Kind.S3_GET, name) for name in ("STANDARD", "GLACIER", "DEEP_ARCHIVE")),
    "Requests-INT-Tier2": ((Kind.S3_GET, "INTELLIGENT_TIERING"),),
    "Requests-SIA-Tier2": ((Kind.S3_GET, "STANDARD_IA"),),
    "Requests-ZIA-Tier2": ((Kind.S3_GET, "ONEZONE_IA"),),
    "Requests-GIR-Tier2": ((Kind.S3_GET, "GLACIER_IR"),),
}
_BY_GB = {
    "Retrieval-SIA": (Kind.S3_RETRIEVAL, "STANDARD_IA"),
    "Retrieval-ZIA": (Kind.S3_RETRIEVAL, "ONEZONE_IA"),
    "Retrieval-GIR": (Kind.S3_RETRIEVAL, "GLACIER_IR"),
    "TimedStorage-SIA-ByteHrs": (Kind.S3_STORAGE, "STANDARD_IA"),
    "TimedStorage-ZIA-ByteHrs": (Kind.S3_STORAGE, "ONEZONE_IA"),
    "TimedStorage-GIR-ByteHrs": (Kind.S3_STORAGE, "GLACIER_IR"),
    "TimedStorage-GlacierByteHrs": (Kind.S3_STORAGE, "GLACIER"),
    "TimedStorage-GDA-ByteHrs": (Kind.S3_STORAGE, "DEEP_ARCHIVE"),
}
# The same usage type for two classes, told apart by the operation.
_RESTORED = {"RestoreObject": "GLACIER", "DeepArchiveRestoreObject": "DEEP_ARCHIVE"}
_RESTORED_BYTES = "Standard-Retrieval-Bytes"

_METERS = {f"{tier} LRS Write Operations": tier for tier in ("Hot", "Cool", "Cold", "Archive")}
_OTHER_METER, _OTHER_SKU = "All Other Operations", "Hot LRS"


def aws_prices(fetch: Fetch, regions: Sequence[str], tell: Callable[[str], None]) -> Iterator[Price]:
    """Yield AWS's prices of these regions, or of all; ``tell`` hears of each region before it is fetched.

    Raises:
        UsageError: AWS's list has no such region.
        ServerFault: An answer is not what AWS's price list looks like.
    """
    for offer, read in ((_TRANSFER, _read_transfer), (_S3, _read_s3)):
        index = _parse(fetch(f"/offers/v1.0/aws/{offer}/current/region_index.json"))
        with_urls = {code: entry["currentVersionUrl"] for code, entry in _dict(index, "regions").items()}
        for region in regions or sorted(filter(_REGION.fullmatch, with_urls)):
            if region not in with_urls:
                hint = f"it has {', '.join(sorted(filter(_REGION.fullmatch, with_urls)))}"
                raise UsageError(f"AWS's price list has no region {region!r}", hint=hint)
            tell(f"{offer} {region}")
            seen, path = str(index.get("publicationDate", ""))[:10], with_urls[region]
            try:
                yield from read(_parse(fetch(path)), region, seen, f"{AWS_URL}{path}")
            except (KeyError, TypeError, ArithmeticError, ValueError) as error:
                raise ServerFault(f"AWS's price list of {region} has another form than it had") from error


def azure_prices(fetch: Fetch, today: str, tell: Callable[[str], None]) -> Iterator[Price]:
    """Yield the prices of writing block blobs, LRS, in all regions of Azure; ``today`` becomes their date.

    Raises:
        ServerFault: An answer is not what Azure's retail prices look like.
    """
    names = " or ".join(f"meterName eq '{name}'" for name in (*_METERS, _OTHER_METER))
    wanted = (
        "serviceName eq 'Storage' and productName eq 'General Block Blob v2' and priceType eq 'Consumption' "
        f"and ({names})"
    )
    path = f"/api/retail/prices?$filter={quote(wanted)}"
    for number in range(1, _MOST_PAGES + 1):
        tell(f"Azure, page {number}")
        page = _parse(fetch(path))
        try:
            yield from _read_azure(page["Items"], today)
            following = str(page.get("NextPageLink") or "")
        except (KeyError, TypeError, ArithmeticError, ValueError) as error:
            raise ServerFault("Azure's retail prices have another form than they had") from error
        if not following:
            return
        # Only the path is followed, never to another host; the port is Azure's own, written out.
        path = "/" + following.partition("://")[2].partition("/")[2]
    raise ServerFault(f"Azure's retail prices have more than {_MOST_PAGES} pages")


def _read_transfer(offer: Any, region: str, seen: str, source: str) -> Iterator[Price]:  # noqa: ANN401 - parsed JSON
    for sku, product in offer["products"].items():
        facts = product["attributes"]
        usage = facts.get("usagetype", "")
        if facts.get("transferType") != "AWS Outbound" or facts.get("toLocation") != "External":
            continue
        if usage == "Global-DataTransfer-Out-Bytes":
            for step in _steps(offer, sku):
                if not _usd(step) and step["endRange"] != "Inf":
                    yield _price(Kind.EGRESS_FREE_GB, region, "", Decimal(step["endRange"]), seen, source)
        elif _suffix(usage, "DataTransfer-Out-Bytes") and facts.get("fromRegionCode", region) == region:
            steps = _steps(offer, sku)
            if all(map(_usd, steps)):  # a second product of the same usage gives it away free of charge
                for step in steps:
                    above = Decimal(step["beginRange"])
                    yield _price(Kind.EGRESS, region, "", _usd(step), seen, source, above_gb=above)


def _read_s3(offer: Any, region: str, seen: str, source: str) -> Iterator[Price]:  # noqa: ANN401 - parsed JSON
    for sku, product in offer["products"].items():
        facts = product["attributes"]
        usage, operation = facts.get("usagetype", ""), facts.get("operation", "")
        for name, meanings in _REQUESTS.items():
            if _suffix(usage, name):
                value = _usd(_steps(offer, sku)[0]) * _THOUSAND
                yield from (_price(kind, region, of, value, seen, source) for kind, of in meanings)
        for name, (kind, of) in _BY_GB.items():
            if _suffix(usage, name):
                yield _price(kind, region, of, _usd(_steps(offer, sku)[0]), seen, source)
        if _suffix(usage, _RESTORED_BYTES) and operation in _RESTORED:
            value = _usd(_steps(offer, sku)[0])
            yield _price(Kind.S3_RETRIEVAL, region, _RESTORED[operation], value, seen, source)


def _read_azure(items: Sequence[Mapping[str, Any]], today: str) -> Iterator[Price]:
    source = f"{AZURE_URL}/api/retail/prices"
    for item in items:
        meter, region, value = item["meterName"], item["armRegionName"], Decimal(item["retailPrice"])
        if item["unitOfMeasure"] != "10K" or Decimal(item["tierMinimumUnits"]) or not region:
            continue
        if meter in _METERS and item["skuName"] == f"{_METERS[meter]} LRS":
            yield _price(Kind.AZURE_WRITE, region, _METERS[meter], value, today, source)
        elif (meter, item["skuName"]) == (_OTHER_METER, _OTHER_SKU):
            yield _price(Kind.AZURE_OTHER, region, "", value, today, source)


def _price(  # noqa: PLR0913 - a price's own parts
    kind: Kind,
    place: str,
    name: str,
    value: Decimal,
    seen: str,
    source: str,
    *,
    above_gb: Decimal = Decimal(0),
) -> Price:
    return Price(kind=kind, place=place, name=name, above_gb=above_gb, value=value, seen=seen, source=source)


def _suffix(usage: str, name: str) -> bool:
    """Return whether a usage type is this one, with a region's prefix (``USW2-``) or, in us-east-1, without."""
    prefix, found, _ = usage.rpartition(name)
    return bool(found) and usage.endswith(name) and re.fullmatch(r"([A-Z0-9]+-)?", prefix) is not None


def _steps(offer: Any, sku: str) -> list[Any]:  # noqa: ANN401 - parsed JSON
    """Return a product's prices by amount, lowest first."""
    (term,) = offer["terms"]["OnDemand"][sku].values()
    return sorted(term["priceDimensions"].values(), key=lambda step: Decimal(step["beginRange"]))


def _usd(step: Any) -> Decimal:  # noqa: ANN401 - parsed JSON
    return Decimal(step["pricePerUnit"]["USD"]).normalize()


def _dict(document: Any, name: str) -> Mapping[str, Any]:  # noqa: ANN401 - parsed JSON
    found = document.get(name) if isinstance(document, dict) else None
    if not isinstance(found, dict):
        raise ServerFault(f"a price list has no {name}")
    return found


def _parse(body: bytes) -> Any:  # noqa: ANN401 - parsed JSON
    try:
        return json.loads(body, parse_float=Decimal)
    except ValueError as error:
        raise ServerFault("a price list is cut, or no JSON") from error
