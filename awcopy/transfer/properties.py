"""The properties of one object's blob: its tags are read where the job wants them; what is kept is planned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awcopy.model.outcome import Proof, Route
from awcopy.planning.metadata import blob_properties

if TYPE_CHECKING:
    from awcopy.model.objects import BlobProperties, ObjectHead, SourceObject
    from awcopy.transfer.context import Transfer


def properties_of(  # noqa: PLR0913 - what a blob is written with
    transfer: Transfer,
    head: ObjectHead,
    obj: SourceObject,
    *,
    crc64: int,
    proof: Proof,
    route: Route = Route.STREAM,
    md5: bytes = b"",
) -> BlobProperties:
    """Return the properties of the blob that an object becomes.

    Raises:
        TagsDenied: The job copies tags, and the credentials do not allow reading the object's.
        MetadataNotAllowed: Azure does not take the metadata as the job's policy wants it.
        TagsNotAllowed: The same of the tags.
    """
    job = transfer.job
    has_tags = job.spec.copies_tags and head.tag_count > 0
    tags = transfer.retrier.call(lambda: transfer.source.read_tags(obj)) if has_tags else {}
    return blob_properties(job, head, obj, crc64=crc64, proof=proof, route=route, md5=md5, tags=tags)


def check_properties(transfer: Transfer, head: ObjectHead, obj: SourceObject) -> None:
    """Raise what ``properties_of`` will raise, so that an object that is refused is not read for nothing."""
    properties_of(transfer, head, obj, crc64=0, proof=Proof.NONE)
