"""Every error awcopy raises, as one tree.

AwcopyError
├── UsageError                      what was asked cannot be done as written (exit 2)
│   └── ScheduleNotFound            no schedule has this name
├── CredentialsError                credentials are missing, wrong or cannot be opened (exit 4)
├── ServiceUnreachable              Redis, the ledger, a store or the workers do not answer (exit 7)
├── JobNotFound                     no job has this id (exit 2)
├── IllegalMove                     a state does not allow this move
│   └── StillSubmitting             the same request came before, and is still being answered
├── OutOfOrder                      a listing is not in the order that it was expected in
├── Conflict                        a ledger row was changed by someone else
├── LeaseLost                       this worker no longer holds the item it works on
├── JobInterrupted                  the job was paused, cancelled or handed to a newer generation
└── StorageError                    one request to a source or a sink ended badly
    ├── TransientError              may be retried
    │   ├── Throttled               the store asks for fewer requests (retry_after_s)
    │   ├── ConnectionLost          no answer, or half of one
    │   └── ServerFault             a 5xx that is not throttling
    ├── IntegrityError              bytes or checksums disagree; retried, never accepted
    │   └── Miswritten              the sink says that it wrote other bytes than were sent (etag)
    └── PermanentError              retrying the same request cannot help
        ├── ObjectNotFound          the object or blob is not there
        ├── StoreNotFound           the bucket or container is not there
        ├── AccessDenied            the credentials do not allow this
        │   ├── CredentialsRefused  the credentials themselves are wrong, expired or revoked
        │   └── TagsDenied          the credentials do not allow reading the object's tags
        ├── SourceChanged           the object is no longer the one that was listed
        ├── ObjectArchived          the object must be restored before it can be read
        ├── KeyMismatch             the object or blob is encrypted with another key than the one given
        ├── NotEncrypted            the sink took no notice of the encryption that was asked for
        ├── SourceUnreadable        the sink cannot read the object by itself; a worker may
        ├── BlobConflict            the overwrite condition did not hold at commit
        ├── BlobProtected           the blob that is there may not be touched: leased, immutable, archived
        ├── NameNotAllowed          Azure does not take the blob's name
        ├── NameConflict            a directory has the blob's name, or a blob that of one of its directories
        ├── WrongBlobLeft           the sink wrote other bytes than were sent, and the blob could not be voided
        ├── BlocksMissing           the sink does not hold the blocks that a commit names
        ├── MetadataNotAllowed      Azure does not take the metadata, and the policy is not to change it
        ├── TagsNotAllowed          the same of tags
        ├── ProofTooWeak            the source keeps no checksum that gives the proof asked for
        └── RequestRefused          any other 4xx
            └── ForeignBlocks       somebody else's staged blocks keep ours out

Messages are for people and hold no credentials, no signed URLs and no raw object keys;
``code`` is for programs and stands in outcomes as the reason.
"""

from __future__ import annotations


class AwcopyError(Exception):
    """Base of all errors: what happened, why, and what to do about it."""

    code = "error"
    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(AwcopyError):
    """What was asked cannot be done as it is written."""

    code = "usage"
    exit_code = 2


class ScheduleNotFound(UsageError):
    """No schedule has this name."""

    code = "schedule_not_found"


class CredentialsError(AwcopyError):
    """Credentials are missing, malformed, or sealed for someone else."""

    code = "credentials"
    exit_code = 4


class ServiceUnreachable(AwcopyError):
    """A service that the work depends on does not answer."""

    code = "unreachable"
    exit_code = 7


class JobNotFound(AwcopyError):
    """No job, or more than one, answers to the given id."""

    code = "job_not_found"
    exit_code = 2


class IllegalMove(AwcopyError):
    """A job or an item cannot go from its state to the one asked for."""

    code = "illegal_move"


class StillSubmitting(IllegalMove):
    """The job of this request is being submitted at this moment, by one that came before."""

    code = "still_submitting"


class OutOfOrder(AwcopyError):
    """A store lists its names in another order than the one that a comparison relies on."""

    code = "out_of_order"


class Conflict(AwcopyError):
    """A ledger row is no longer the one that was read; read again and decide again."""

    code = "conflict"


class LeaseLost(AwcopyError):
    """Another worker holds the item now, so nothing more may be recorded by this one."""

    code = "lease_lost"


class JobInterrupted(AwcopyError):
    """The job no longer wants this work to go on: paused, cancelled, or a newer generation runs."""

    code = "interrupted"


class StorageError(AwcopyError):
    """One request to a source or a sink ended badly."""

    code = "storage"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        status: int = 0,
        service_code: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.service_code = service_code
        self.request_id = request_id


class TransientError(StorageError):
    """The same request may succeed later."""

    code = "transient"


class Throttled(TransientError):
    """The store asks for fewer requests; ``by_source``: the source asks the sink, which read from it."""

    code = "throttled"

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float = 0.0,
        by_source: bool = False,
        status: int = 503,
        **facts: str,
    ) -> None:
        super().__init__(message, status=status, **facts)
        self.retry_after_s = retry_after_s
        self.by_source = by_source


class ConnectionLost(TransientError):
    """The connection broke, timed out, or was refused."""

    code = "connection_lost"
    exit_code = 7


class ServerFault(TransientError):
    """The store answered with a 5xx that is not throttling."""

    code = "server_fault"


class IntegrityError(StorageError):
    """Bytes, lengths or checksums disagree; such data is never committed."""

    code = "corrupt"


class Miswritten(IntegrityError):
    """The sink wrote a blob, and says that its bytes are others than were sent; ``etag``: the blob's."""

    code = "miswritten"

    def __init__(self, message: str, *, etag: str = "", status: int = 0, **facts: str) -> None:
        super().__init__(message, status=status, **facts)
        self.etag = etag


class PermanentError(StorageError):
    """Sending the same request again cannot help."""

    code = "permanent"


class ObjectNotFound(PermanentError):
    """The object or blob is not there."""

    code = "not_found"


class StoreNotFound(PermanentError):
    """The bucket or the container is not there."""

    code = "store_not_found"
    exit_code = 2


class AccessDenied(PermanentError):
    """The credentials do not allow this request."""

    code = "access_denied"
    exit_code = 4


class CredentialsRefused(AccessDenied):
    """The credentials themselves are wrong, expired or revoked: no object's fault, the job pauses."""

    code = "credentials_refused"


class TagsDenied(AccessDenied):
    """The credentials do not allow reading the object's tags, which the job is to copy."""

    code = "tags_denied"


class MetadataNotAllowed(PermanentError):
    """Azure does not take the object's metadata or headers as the job's policy wants them."""

    code = "metadata_not_allowed"


class TagsNotAllowed(PermanentError):
    """Azure does not take the object's tags as the job's policy wants them."""

    code = "tags_not_allowed"


class SourceChanged(PermanentError):
    """The object is no longer the one that was listed."""

    code = "source_changed"


class ObjectArchived(PermanentError):
    """The object lies in an archive class and must be restored before it can be read."""

    code = "archived"


class SourceUnreadable(PermanentError):
    """The sink cannot read the object from the source by itself; a worker may be able to."""

    code = "source_unreadable"


class KeyMismatch(PermanentError):
    """The object or blob is encrypted with a key of its owner, and this is not the one that was given."""

    code = "encryption_key"


class NotEncrypted(PermanentError):
    """The sink took no notice of the encryption that was asked for; nothing more is to be written to it."""

    code = "not_encrypted"


class BlobConflict(PermanentError):
    """The overwrite condition did not hold when the blob was written."""

    code = "blob_conflict"


class BlobProtected(PermanentError):
    """The blob that is there may not be replaced or deleted in the state that it is in."""

    code = "blob_protected"


class NameNotAllowed(PermanentError):
    """Azure does not take the blob's name."""

    code = "name_not_allowed"


class NameConflict(PermanentError):
    """In an account with directories a file and a directory cannot have one name."""

    code = "name_conflict"


class WrongBlobLeft(PermanentError):
    """The sink wrote other bytes than were sent; the blob is there, and looks like a copy."""

    code = "wrong_blob_left"


class BlocksMissing(PermanentError):
    """The sink does not hold every block that the commit names."""

    code = "blocks_missing"


class ProofTooWeak(PermanentError):
    """The object cannot have the proof that the job requires, so it is not copied."""

    code = "proof_too_weak"


class RequestRefused(PermanentError):
    """The store refused the request for a reason that has no class of its own."""

    code = "refused"


class ForeignBlocks(RequestRefused):
    """Blocks that somebody else has staged under the blob's name, with ids of another length, keep ours out."""

    code = "foreign_blocks"
