"""The live state in Redis: which keys hold it, and how long they stay."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from redis.exceptions import RedisError, ResponseError

from awcopy.config import Secret
from awcopy.live.base import KEPT, LiveFacts, Place, ProcessBeat, Vitals
from awcopy.live.redis_server import SILENCE_S, connect, describe_server, translate_redis
from awcopy.model.job import JobId

_JOB_LIFE_S = 7 * 24 * 3600
_READY_LIMIT = 10_000
_BEAT_LIFE_S = 30
_LIMIT_LIFE_S = 10
_VITALS = tuple(field.name for field in fields(Vitals))
_MICROSECONDS = 1_000_000
_AT, _FOR = ":at", ":for"

# One hash holds a job's turns: "generation", and for each place p "p" (its turn), "p:at" (when it took that,
# in microseconds of Redis' time), "p:by" (a random word of whoever passed it last), and "p:for" (which claim it is
# kept for, or was).
_BEGIN_GENERATION = """
local known = redis.call('HGET', KEYS[1], 'generation')
if known and tonumber(known) > tonumber(ARGV[1]) then return 0 end
local now = redis.call('TIME')
redis.call('DEL', KEYS[1])
local at = string.format('%.0f', now[1] * 1000000 + now[2])
redis.call('HSET', KEYS[1], 'generation', ARGV[1])
local free = tonumber(ARGV[2]) - (#ARGV - 4)
for place = 0, tonumber(ARGV[2]) - 1 do
  if place < free then
    redis.call('HSET', KEYS[1], place, 0, place .. ':at', at)
  else
    redis.call('HSET', KEYS[1], place, ARGV[3], place .. ':at', at, place .. ':for', ARGV[5 + place - free])
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
"""
# A caller whose first answer was lost asks again with the same word, and is told that the turn is its own.
_TAKE_TURN = """
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return 0 end
local turn = redis.call('HGET', KEYS[1], ARGV[2])
local by = ARGV[2] .. ':by'
if turn ~= ARGV[3] then
  if turn == ARGV[4] and redis.call('HGET', KEYS[1], by) == ARGV[5] then return 1 end
  return 0
end
local now = redis.call('TIME')
local at = string.format('%.0f', now[1] * 1000000 + now[2])
redis.call('HSET', KEYS[1], ARGV[2], ARGV[4], by, ARGV[5], ARGV[2] .. ':at', at)
redis.call('EXPIRE', KEYS[1], ARGV[6])
return 1
"""
_SHARE_LIMIT = """
local known = redis.call('GET', KEYS[1])
local least = ARGV[1]
if known and tonumber(known) < tonumber(least) then return end
redis.call('SET', KEYS[1], least, 'EX', ARGV[2])
"""
# In microseconds of Redis' time: when all bytes that were booked have gone.
_BOOK_BYTES = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local begins = math.max(now, tonumber(redis.call('GET', KEYS[1]) or now))
local free_at = begins + tonumber(ARGV[1])
local left_ms = math.max(0, free_at - now) / 1000
redis.call('SET', KEYS[1], string.format('%.0f', free_at), 'PX', string.format('%.0f', left_ms + 60000))
return string.format('%.0f', begins - now)
"""
_BEAT = """
local now = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. (now[1] - ARGV[2]))
redis.call('ZADD', KEYS[1], now[1] + now[2] / 1000000, ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2] * 2)
"""


class RedisLive:
    """Implements ``awcopy.live.base.Live`` on one Redis server.

    Args:
        url: As redis-py takes it: ``redis://`` or ``rediss://``, with any password; but Celery must take it, too.
        namespace: Begins every key.
        silence_s: How long an answer is waited for.
    """

    def __init__(self, url: Secret, namespace: str, *, silence_s: float = SILENCE_S) -> None:
        self._namespace = namespace
        self._redis = connect(url, silence_s=silence_s)
        # One wait is cut well below the socket's timeout, so that a long one is not taken for a dead server.
        self._longest_wait_s = silence_s / 2
        self._where = describe_server(url)
        self._begin_generation = self._redis.register_script(_BEGIN_GENERATION)
        self._take_turn = self._redis.register_script(_TAKE_TURN)
        self._share_limit = self._redis.register_script(_SHARE_LIMIT)
        self._book_bytes = self._redis.register_script(_BOOK_BYTES)
        self._beat = self._redis.register_script(_BEAT)

    def close(self) -> None:
        """Close all connections."""
        self._redis.close()

    def ping(self) -> None:
        """Return when the service answers."""
        with self._translating():
            self._redis.ping()

    def describe(self) -> LiveFacts:
        """Return what the server is and how it is set up."""
        with self._translating():
            told = self._redis.info()
            try:
                saves = self._redis.config_get("save").get("save")
            except ResponseError:  # managed servers keep their configuration to themselves
                return _read_facts(told, "")
        return _read_facts(told, "snapshots" if saves else "none")

    def push_ready(self, job_id: JobId, numbers: Sequence[int]) -> None:
        """Hint that these items are ready; of very many hints the oldest are dropped."""
        if not numbers:
            return
        key = self._key(job_id, "ready")
        with self._translating(), self._redis.pipeline() as pipe:
            pipe.rpush(key, *numbers[-_READY_LIMIT:])
            pipe.ltrim(key, -_READY_LIMIT, -1)
            pipe.expire(key, _JOB_LIFE_S)
            pipe.execute()

    def pop_ready(self, job_id: JobId, *, timeout_s: float = 0.0) -> int | None:
        """Take one hint, oldest first, waiting up to ``timeout_s`` for one; None when there is none."""
        key = self._key(job_id, "ready")
        deadline = time.monotonic() + timeout_s
        with self._translating():
            number: Any = self._redis.lpop(key)
            # Redis takes a timeout of 0 for forever.
            while number is None and (left_s := deadline - time.monotonic()) > 0:
                popped = self._redis.blpop([key], timeout=min(left_s, self._longest_wait_s))
                number = popped[1] if popped else None
        return None if number is None else int(number)

    def once_every(self, name: str, every_s: float) -> bool:
        """Return True to one caller per ``every_s``, of all processes; the others need not do it too."""
        with self._translating():
            key = f"{self._namespace}:once:{name}"
            return bool(self._redis.set(key, 1, nx=True, px=max(1, round(every_s * 1000))))

    def begin_generation(
        self, job_id: JobId, generation: int, places: int, *, kept_for: Sequence[str] = ()
    ) -> None:
        """Set every place of a new generation to its first turn; nothing happens when a newer one has begun."""
        with self._translating():
            self._begin_generation(
                [self._key(job_id, "turns")], [generation, places, KEPT, _JOB_LIFE_S, *kept_for]
            )

    def pass_turn(self, job_id: JobId, generation: int, place: int, turn: int) -> bool:
        """Move a place from ``turn`` to the next one; False if it is not, or no longer, at that turn."""
        arguments: list[str | float] = [generation, place, turn, turn + 1, secrets.token_hex(8), _JOB_LIFE_S]
        with self._translating():
            return bool(self._take_turn([self._key(job_id, "turns")], arguments))

    def turn_of(self, job_id: JobId, generation: int, place: int) -> int | None:
        """Return the turn at which a place is; None if the generation or the place is not known."""
        with self._translating():
            known, turn = self._redis.hmget(self._key(job_id, "turns"), ["generation", str(place)])
        return None if turn is None or known != str(generation) else int(turn)

    def places(self, job_id: JobId, generation: int) -> dict[int, Place]:
        """Return where each place of a generation stands, by number; none if the generation is not known."""
        with self._translating(), self._redis.pipeline() as pipe:
            pipe.hgetall(self._key(job_id, "turns"))
            pipe.time()
            turns, (seconds, microseconds) = pipe.execute()
        if turns.get("generation") != str(generation):
            return {}
        now = seconds * _MICROSECONDS + microseconds
        took = ((name[: -len(_AT)], int(at)) for name, at in turns.items() if name.endswith(_AT))
        return {
            int(place): Place(
                turn=(turn := int(turns[place])),
                seconds_ago=max(0.0, (now - at) / _MICROSECONDS),
                kept_for=turns.get(f"{place}{_FOR}", "") if turn == KEPT else "",
            )
            for place, at in took
        }

    def waiting_messages(self) -> int:
        """Return how many messages wait in the fleet's queue, which Celery keeps in a list of its name."""
        with self._translating():
            return int(self._redis.llen(self._namespace))

    def remember(self, job_id: JobId, text: str) -> None:
        """Keep a text about a job, so that others need not find out again; the last one told stays."""
        with self._translating():
            self._redis.set(self._key(job_id, "remembered"), text, ex=_JOB_LIFE_S)

    def recall(self, job_id: JobId) -> str:
        """Return the text that is kept about a job, or nothing."""
        with self._translating():
            return str(self._redis.get(self._key(job_id, "remembered")) or "")

    def add_moved_bytes(self, job_id: JobId, size_bytes: int) -> None:
        """Count bytes that have just reached the sink, for progress only."""
        key = self._key(job_id, "moved")
        with self._translating(), self._redis.pipeline() as pipe:
            pipe.incrby(key, size_bytes)
            pipe.expire(key, _JOB_LIFE_S)
            pipe.execute()

    def moved_bytes(self, job_id: JobId) -> int:
        """Return the bytes counted so far; an indication, not a total."""
        with self._translating():
            return int(self._redis.get(self._key(job_id, "moved")) or 0)

    def book_bytes(self, job_id: JobId, size_bytes: int, rate: int) -> float:
        """Book a turn for so many bytes of a job, and return the seconds until it comes; less than 0 gives back."""
        with self._translating():
            takes = round(size_bytes / rate * _MICROSECONDS)
            return int(self._book_bytes([self._key(job_id, "booked")], [takes])) / _MICROSECONDS

    def share_limit(self, store: str, limit: float) -> None:
        """Tell all processes that this many requests under way are enough; the least told lately holds."""
        with self._translating():
            self._share_limit([f"{self._namespace}:limit:{store}"], [limit, _LIMIT_LIFE_S])

    def shared_limit(self, store: str) -> float | None:
        """Return the least limit told in the last 10 s, or None."""
        with self._translating():
            limit = self._redis.get(f"{self._namespace}:limit:{store}")
        return None if limit is None else float(limit)

    def beat(self, name: str, slots: int, version: str = "", vitals: Vitals = Vitals()) -> None:
        """Say that a process is there, with 0 slots one that runs no tasks; forgotten after 30 s."""
        about = f"{slots}/{version}/{vitals.memory_bytes}/{vitals.retries}/{vitals.throttles}"
        with self._translating():
            self._beat([self._workers_key], [f"{about} {name}", _BEAT_LIFE_S])

    def processes(self) -> list[ProcessBeat]:
        """Return the processes that said so in the last 30 s, by name."""
        with self._translating(), self._redis.pipeline() as pipe:
            pipe.zrange(self._workers_key, 0, -1, withscores=True)
            pipe.time()
            members, (seconds, microseconds) = pipe.execute()
        now = seconds + microseconds / _MICROSECONDS
        beats = (_read_beat(member, max(0.0, now - score)) for member, score in members)
        # By age, oldest first: of a worker that came back with other slots, the latest beat stays.
        latest = {beat.name: beat for beat in beats if beat.seconds_ago <= _BEAT_LIFE_S}
        return [latest[name] for name in sorted(latest)]

    def workers(self) -> list[ProcessBeat]:
        """Return those of them that run tasks."""
        return [beat for beat in self.processes() if beat.slots]

    def forget_job(self, job_id: JobId) -> None:
        """Remove everything about a job."""
        with self._translating():
            self._redis.unlink(
                *(self._key(job_id, what) for what in ("ready", "turns", "moved", "remembered", "booked"))
            )

    def _key(self, job_id: JobId, what: str) -> str:
        return f"{self._namespace}:job:{job_id}:{what}"

    @property
    def _workers_key(self) -> str:
        return f"{self._namespace}:workers"

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except RedisError as exc:
            raise translate_redis(exc, self._where) from exc


def _read_beat(member: str, seconds_ago: float) -> ProcessBeat:
    about, _, name = member.partition(" ")
    slots, version, *numbers = about.split("/")  # an earlier version of awcopy tells no numbers
    vitals = Vitals(**dict(zip(_VITALS, map(int, numbers), strict=False)))
    return ProcessBeat(name=name, slots=int(slots), seconds_ago=seconds_ago, version=version, vitals=vitals)


def _read_facts(told: Mapping[str, Any], snapshots: str) -> LiveFacts:
    """Return what matters of Redis' INFO; a server that keeps a part of it to itself says less."""
    protocol = str(told.get("redis_version", ""))
    name = str(told.get("server_name", "redis")).capitalize()
    has_limit = int(told.get("maxmemory", 0)) > 0
    return LiveFacts(
        server=f"{name} {told.get('valkey_version', protocol)}".strip(),
        protocol=tuple(int(part) for part in protocol.split(".") if part.isdecimal()),
        eviction=str(told.get("maxmemory_policy", "")) if has_limit else "",
        persistence="append-only file" if told.get("aof_enabled") else snapshots,
    )
