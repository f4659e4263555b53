"""Answers of the clouds' price lists as they were recorded, cut down to a few products; served by no one here."""

from __future__ import annotations

import json
from typing import Any

PUBLISHED = "2026-11-20T10:00:00Z"


def index(offer: str, *regions: str) -> dict[str, Any]:
    version = "20261120100000"
    return {
        "formatVersion": "v1.0",
        "publicationDate": PUBLISHED,
        "regions": {
            region: {
                "regionCode": region,
                "currentVersionUrl": f"/offers/v1.0/aws/{offer}/{version}/{region}/index.json",
            }
            for region in regions
        },
    }


def offer(*products: tuple[dict[str, str], list[tuple[str, str, str]]]) -> dict[str, Any]:
    """Return an offer of products, each with its attributes and its steps: from, to, dollars."""
    skus = {f"SKU{number}": product for number, product in enumerate(products)}
    return {
        "products": {sku: {"sku": sku, "attributes": facts} for sku, (facts, _) in skus.items()},
        "terms": {
            "OnDemand": {
                sku: {
                    f"{sku}.JRTCKXETXF": {
                        "priceDimensions": {
                            f"{sku}.{number}": {
                                "beginRange": begin,
                                "endRange": end,
                                "pricePerUnit": {"USD": usd},
                            }
                            for number, (begin, end, usd) in enumerate(steps)
                        }
                    }
                }
                for sku, (_, steps) in skus.items()
            }
        },
    }


OUT = {"transferType": "AWS Outbound", "toLocation": "External", "fromRegionCode": "eu-west-1"}
TRANSFER = offer(
    ({**OUT, "usagetype": "EU-DataTransfer-Out-Bytes"}, [
        ("10240", "Inf", "0.0800000000"), ("0", "10240", "0.0900000000"),
    ]),
    ({**OUT, "usagetype": "EU-DataTransfer-Out-Bytes"}, [("0", "Inf", "0.0000000000")]),
    ({**OUT, "usagetype": "Global-DataTransfer-Out-Bytes"}, [("0", "100", "0.0000000000")]),
    ({"transferType": "AWS Inbound", "usagetype": "EU-DataTransfer-In-Bytes"}, [("0", "Inf", "0")]),
)  # fmt: skip
ONE = ("0", "Inf")
S3 = offer(
    ({"usagetype": "EU-Requests-Tier1"}, [(*ONE, "0.0000051000")]),
    ({"usagetype": "EU-Requests-Tier2"}, [(*ONE, "0.0000004100")]),
    ({"usagetype": "EU-Requests-SIA-Tier2"}, [(*ONE, "0.0000010000")]),
    ({"usagetype": "EU-Requests-Annotation-Tier1"}, [(*ONE, "9")]),
    ({"usagetype": "EU-Retrieval-GIR"}, [(*ONE, "0.0300000000")]),
    ({"usagetype": "EU-TimedStorage-GDA-ByteHrs"}, [(*ONE, "0.0009900000")]),
    ({"usagetype": "EU-Standard-Retrieval-Bytes", "operation": "RestoreObject"}, [(*ONE, "0.0120000000")]),
    ({"usagetype": "EU-Standard-Retrieval-Bytes", "operation": "Other"}, [(*ONE, "9")]),
)


def meter(name: str, price: float, *, sku: str = "Hot LRS", **facts: Any) -> dict[str, Any]:
    usual = {"armRegionName": "westeurope", "unitOfMeasure": "10K", "tierMinimumUnits": 0.0}
    return {"meterName": name, "skuName": sku, "retailPrice": price, **usual, **facts}


AZURE = (
    [
        meter("Hot LRS Write Operations", 0.054),
        meter("Cool LRS Write Operations", 0.1, sku="Cool LRS"),
        meter("Hot LRS Write Operations", 9.0, unitOfMeasure="1M"),
    ],
    [meter("All Other Operations", 0.0043), meter("All Other Operations", 9.0, sku="Cool LRS")],
)


def answers(azure_url: str = "https://prices.azure.com:443") -> dict[str, bytes]:
    """Return the bodies by path; the second page of Azure's is where the first says."""
    aws = "/offers/v1.0/aws"
    zone = "us-east-1-wl1-bna1"
    version = "20261120100000/eu-west-1/index.json"
    found = {
        f"{aws}/AWSDataTransfer/current/region_index.json": index("AWSDataTransfer", "eu-west-1", zone),
        f"{aws}/AWSDataTransfer/{version}": TRANSFER,
        f"{aws}/AmazonS3/current/region_index.json": index("AmazonS3", "eu-west-1"),
        f"{aws}/AmazonS3/{version}": S3,
        "/api/retail/prices": {
            "Items": AZURE[0], "NextPageLink": f"{azure_url}/api/retail/more?$skip=3"
        },
        "/api/retail/more": {"Items": AZURE[1], "NextPageLink": None},
    }  # fmt: skip
    return {path: json.dumps(document).encode() for path, document in found.items()}
