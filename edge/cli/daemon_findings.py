"""What ``edgewarden doctor`` finds when it asks the running daemon."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge.cli.finding import Finding, State, failure
from edge.errors import DaemonAbsentError, EdgewardenError
from edge.ops.control_client import ask

_STATE_OF_HEALTH: dict[str, State] = {
    "starting": "warning",
    "ok": "ok",
    "degraded": "warning",
    "failed": "failed",
    "stopping": "warning",
}
# Events that wait longer are not on their way: something keeps them.
_LATE_S = 60.0


def look_at_daemon(socket: Path) -> list[Finding]:
    """What the daemon behind a control socket says of itself; that none runs is no fault."""
    try:
        status = ask(socket, "status")
    except DaemonAbsentError:
        return [Finding("daemon", "ok", "not running")]
    except EdgewardenError as error:
        return [failure("daemon", error)]
    told = status if isinstance(status, dict) else {}
    return [
        _daemon(told),
        *_cameras(told),
        *_outbox(told),
        *_broker(told),
        *_events_file(told),
        *_selftest(told),
    ]


def _daemon(told: Mapping[str, object]) -> Finding:
    health = str(told.get("health"))
    reasons = told.get("reasons")
    parts = [
        f"{health}, process {told.get('pid')}",
        *(reasons if isinstance(reasons, list) else ()),
    ]
    state = _STATE_OF_HEALTH.get(health, "failed")
    remedy = "" if state == "ok" else "journalctl -u edgewarden"
    return Finding("daemon", state, "; ".join(map(str, parts)), remedy, told)


def _cameras(told: Mapping[str, object]) -> Iterator[Finding]:
    for name, camera in _table(told, "cameras").items():
        if isinstance(camera, dict):
            state: State = "ok" if camera.get("state") == "live" else "warning"
            found = f"{camera.get('state')} at {camera.get('fps')} fps"
            reason = camera.get("reason")
            yield Finding(f"camera {name}", state, f"{found}: {reason}" if reason else found)


def _selftest(told: Mapping[str, object]) -> Iterator[Finding]:
    last = _table(told, "selftest")
    at = last.get("at")
    if not isinstance(at, (int, float)):
        return
    ago = f"{_time(max(0.0, time.time() - at))} ago"
    if last.get("passed"):
        yield Finding("self-test", "ok", f"passed {ago}")
    else:
        found = f"failed {ago}: {last.get('reason')}"
        yield Finding("self-test", "failed", found, "edgewarden selftest --config SITE")


def _outbox(told: Mapping[str, object]) -> Iterator[Finding]:
    depth, age, lost = told.get("outbox"), told.get("outbox_oldest_s"), told.get("lost")
    if not isinstance(depth, int) or not isinstance(age, (int, float)):
        return
    found = f"{depth} events wait" + (f", the oldest for {_time(age)}" if depth else "")
    if lost:
        yield Finding("outbox", "failed", f"{found}; {lost} had no room", "free some space")
        return
    kept = told.get("mqtt") is None and told.get("events_file") is None
    late = bool(depth) and age > _LATE_S and not kept
    yield Finding("outbox", "warning" if late else "ok", found)


def _broker(told: Mapping[str, object]) -> Iterator[Finding]:
    broker = _table(told, "mqtt")
    if not broker:
        return
    refusing = broker.get("refusing")
    if not broker.get("connected"):
        why = f"no connection: {str(broker.get('reason')).replace('_', ' ')}"
        detail = broker.get("detail")
        found = f"{why} ({detail})" if detail else why
        yield Finding("broker", "warning", found, str(broker.get("remedy") or ""))
    elif refusing:
        found = f"connected, but it refuses {refusing} events; they are kept and tried again"
        yield Finding("broker", "warning", found, "Check the broker's access rules and limits.")
    else:
        yield Finding("broker", "ok", f"connected, {broker.get('published')} events delivered")


def _events_file(told: Mapping[str, object]) -> Iterator[Finding]:
    file = _table(told, "events_file")
    if file:
        trouble = str(file.get("trouble") or "")
        found = trouble or f"{file.get('path')}, {file.get('written')} events written"
        yield Finding("events file", "warning" if trouble else "ok", found)


def _table(told: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = told.get(name)
    return found if isinstance(found, dict) else {}


def _time(seconds: float) -> str:
    """A length of time in the unit that suits it."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
