"""One self-test in the running daemon, and the seat that lets in one at a time.

The daemon's loop calls ``look`` between its turns; everything happens there, in small steps, but
for what a thread loads. The self-test's camera is a guest of the loop: it gets what cameras leave.
It is a recording that waits for the loop, so that a slow machine sees every frame, later.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from edge.capture.recorded import RecordedCamera
from edge.config import Intrusion, Rule, Site
from edge.deployment import Deployment
from edge.errors import EdgewardenError, TransientError, UsageError
from edge.events.names import source_of
from edge.ids import SELFTEST_CAMERA, fit_id
from edge.loop import Guest, Line, Station
from edge.media import open_video
from edge.ops.metrics import Metrics
from edge.pipeline import Pipeline, Scene
from edge.reporter import CameraView, Reporter
from edge.rules.engine import RuleEngine
from edge.selftest.expectations import (
    Expectation,
    Report,
    Seen,
    expectations,
    judge_events,
)
from edge.selftest.material import Material
from edge.selftest.trial import Cast, Trial
from edge.store.base import Outbox
from edge.types import Event

_log = logging.getLogger(__name__)

_NAME = "selftest"
_TIMEOUT_S = 240.0
_LONGEST_TIMEOUT_S = 280.0
# Between two steps of the trial, for cameras.
_STEP_S = 0.02
# What no self-test runs: a camera's process drops what the loop has no time for.
_UNTESTED = {"capture": "not run (the clip is a file that waits for the loop)"}

Supplies = Callable[[], tuple[Material, Mapping[str, Path]]]
Course = Generator[None, None, Report]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """Where events go.

    delivery: "broker", "file" or "" for nowhere, where they stay in the outbox.
    """

    outbox: Outbox
    metrics: Metrics
    delivery: str


class SelfTests:
    """Lets in one self-test at a time.

    supplies: what it shows, and the bundles that take the place of the site's. ``ask`` belongs to
    any thread, ``note_delivered`` to the publisher's, the rest to the loop's.
    """

    def __init__(self, supplies: Supplies) -> None:
        self._supplies = supplies
        self._lock = Lock()
        self._asked: tuple[Future[object], float] | None = None
        self._course: Course | None = None
        self._test: SelfTest | None = None
        self._last: Mapping[str, object] | None = None

    @property
    def last(self) -> Mapping[str, object] | None:
        """How the last one went: passed, reason, and when, seconds since the epoch; from any
        thread. None before the first."""
        return self._last

    def ask(self, request: Mapping[str, object]) -> Future[object]:
        """Ask for one; done with its report. ``timeout_s`` of the request bounds it.

        Raises TransientError while another one runs, UsageError for no usable timeout.
        """
        timeout_s = _timeout(request.get("timeout_s", _TIMEOUT_S))
        answer: Future[object] = Future()
        with self._lock:
            if self._asked is not None:
                raise TransientError(
                    "a self-test is running already", remedy="Try again when it is done."
                )
            self._asked = answer, timeout_s
        return answer

    @property
    def step_s(self) -> float | None:
        """For how long the loop may wait for cameras now; None for as long as it likes."""
        return None if self._test is None or self._test.is_watching else _STEP_S

    def note_delivered(self, event: Event) -> None:
        """An event has reached where events go."""
        test = self._test
        if test is not None:
            test.note_delivered(event)

    def look(self, deployment: Deployment, outlet: Outlet) -> None:
        """Begin what was asked for, or go on with it."""
        asked = self._asked
        if asked is None:
            return
        try:
            if self._course is None or self._test is None:
                material, bundles = self._supplies()
                self._test = SelfTest(deployment, outlet, material, bundles, timeout_s=asked[1])
                self._course = self._test.run()
            next(self._course)
        except StopIteration as done:
            report: Report = done.value
            self._last = {"passed": report.passed, "reason": report.reason, "at": time.time()}
            self._end(lambda answer: answer.set_result(report.as_json()))
        except EdgewardenError as error:
            refusal = error  # a handler's own name is gone when it ends
            _log.error("the self-test failed: %s", error)
            self._end(lambda answer: answer.set_exception(refusal))

    def abandon(self, why: str) -> None:
        """End the one that runs, if one does, without a report."""
        if self._asked is None:
            return
        if self._course is not None:
            self._course.close()
        error = TransientError(f"the self-test was ended: {why}", remedy="Run it again.")
        self._end(lambda answer: answer.set_exception(error))

    def _end(self, tell: Callable[[Future[object]], None]) -> None:
        self._course = self._test = None
        with self._lock:
            asked, self._asked = self._asked, None
        if asked is not None:
            tell(asked[0])


class SelfTest:
    """One run: try the models, show the clip, judge what came.

    bundles: what takes the place of the site's models, by role. After ``timeout_s`` seconds it is
    judged by what came until then.
    """

    def __init__(
        self,
        deployment: Deployment,
        outlet: Outlet,
        material: Material,
        bundles: Mapping[str, Path],
        *,
        timeout_s: float,
    ) -> None:
        self._deployment = deployment
        self._outlet = outlet
        self._material = material
        self._bundles = bundles
        self._timeout_s = timeout_s
        self._began = time.monotonic()
        self._seen: list[Seen] = []
        # Acknowledgements may overtake the loop's own note of what it committed.
        self._delivered: dict[str, float] = {}
        self._source = source_of(self._site.site.id, self._site.site.node, SELFTEST_CAMERA)
        self._guest: Guest | None = None
        self._handed: Mapping[int, float] = {}
        self.is_watching = False

    @property
    def _site(self) -> Site:
        return self._deployment.site

    def run(self) -> Course:
        """Step by step; whoever closes it early leaves nothing behind.

        Raises the errors of models, of bundles and of a clip that does not open.
        """
        site = self._site
        own = fit_id(_NAME, taken={rule.id for rule in site.rules})
        recognises = self._deployment.loaded.models.recogniser is not None
        expected = expectations(self._material, site.rules, recognises=recognises, own_rule=own)
        with ExitStack() as owned:
            cast = yield from self._try(owned)
            reporter = self._reporter(cast, own)
            ended = self._late() if self._is_late() else ""
            if not ended:
                ended = yield from self._watch(cast, reporter)
            if not ended:
                ended = yield from self._await_delivery()
        report = self._judge(expected, cast, ended)
        self._tell(report, reporter)
        return report

    def note_delivered(self, event: Event) -> None:
        """On the publisher's thread."""
        if event.source == self._source:
            self._delivered[event.id] = time.monotonic()

    def _try(self, owned: ExitStack) -> Generator[None, None, Cast]:
        """Try the models; where that takes too long, those of the site as they are."""
        loaded = self._deployment.loaded
        steps = Trial(self._site, loaded, self._material, self._bundles, owned).run()
        try:
            while not self._is_late():
                next(steps)
                yield
        except StopIteration as done:
            cast: Cast = done.value
            return cast
        finally:
            steps.close()
        return Cast(
            models=loaded.models,
            references=loaded.references,
            point=loaded.point,
            gallery=None,
            stages={},
            untested=(),
        )

    def _watch(self, cast: Cast, reporter: Reporter) -> Generator[None, None, str]:
        """Show the clip to its end; why it was over before, "" where it was not."""
        with ExitStack() as shown:
            camera = shown.enter_context(self._camera())
            self._handed = camera.begun
            guest = self._guest = self._guest_of(camera, cast, reporter)
            self._deployment.loop.guest = guest
            shown.callback(self._dismiss)
            self.is_watching = True
            while not camera.ended and guest.fault is None:
                if self._is_late():
                    return f"{self._late()}, at frame {guest.shown} of the clip"
                yield
            self._dismiss()
            return "" if guest.fault is None else str(guest.fault)

    def _dismiss(self) -> None:
        # Over a changed gallery the deployment has another loop by then, with the same guest.
        self._deployment.loop.dismiss_guest()

    def _camera(self) -> RecordedCamera:
        """The clip, with times as if it had just ended."""
        path = self._material.path(self._material.clip)
        with open_video(path) as video:
            length_s = video.duration or 0.0
        start = time.time() - length_s
        return RecordedCamera(SELFTEST_CAMERA, path, start=start, on_end=lambda: None)

    def _await_delivery(self) -> Generator[None, None, str]:
        """Wait until everything that was committed has arrived."""
        while self._outlet.delivery and not self._has_arrived():
            if self._is_late():
                return self._late()
            yield
        return ""

    def _has_arrived(self) -> bool:
        return all(seen.event.id in self._delivered for seen in self._seen)

    def _is_late(self) -> bool:
        return time.monotonic() - self._began > self._timeout_s

    def _late(self) -> str:
        return f"not done after {self._timeout_s:g} s"

    def _guest_of(self, camera: RecordedCamera, cast: Cast, reporter: Reporter) -> Guest:
        view = CameraView(
            id=SELFTEST_CAMERA,
            rules_as=SELFTEST_CAMERA,
            zones={_NAME: self._material.zone},
            behaviours=(Intrusion(kind="intrusion", id=_NAME, zone=_NAME),),
        )
        pipeline = Pipeline(
            cast.models, gallery=cast.gallery, point=cast.point, watched=[SELFTEST_CAMERA]
        )
        line = Line(pipeline=pipeline, reporter=reporter, on_scene=self._note)
        return Guest(station=Station(camera, view), line=line)

    def _reporter(self, cast: Cast, own_rule: str) -> Reporter:
        """Rules of its own memory: no cooldown of a camera is touched, and none of an earlier
        self-test holds."""
        own = Rule(id=own_rule, on=("behaviour.intrusion",), severity="info")
        return Reporter(
            site=self._site.site.id,
            node=self._site.site.node,
            outbox=self._outlet.outbox,
            rules=RuleEngine((*self._site.rules, own), timezone=self._site.tz),
            threshold=cast.point.threshold if cast.point else None,
            models=cast.references,
            synthetic=True,
            timezone=self._site.tz,
        )

    def _note(self, scene: Scene, events: Sequence[Event]) -> None:
        now, handed = time.monotonic(), self._handed[scene.frame.index]
        self._seen += [Seen(event, handed, now) for event in events]

    def _judge(self, expected: Sequence[Expectation], cast: Cast, ended: str) -> Report:
        for seen in self._seen:
            seen.delivered = self._delivered.get(seen.event.id)
        delivery = self._outlet.delivery
        arrivals, wrong = judge_events(expected, self._seen, must_deliver=bool(delivery))
        return Report(
            arrivals=arrivals,
            wrong=wrong,
            delivery=delivery,
            stages={**_UNTESTED, **cast.stages},
            untested=(*_UNTESTED, *cast.untested),
            shown=0 if self._guest is None else self._guest.shown,
            analysed=0 if self._guest is None else self._guest.analysed,
            seconds=time.monotonic() - self._began,
            ended=ended,
        )

    def _tell(self, report: Report, reporter: Reporter) -> None:
        """Publish how it went."""
        now = time.time()
        self._outlet.metrics.set_selftest(passed=report.passed, at=now)
        if report.passed:
            _log.info("self-test passed: %d of %d events", report.came, len(report.arrivals))
        else:
            _log.error("self-test failed: %s", report.reason)
        self._deployment.loop.commit(
            lambda: reporter.system(
                "selftest",
                camera=SELFTEST_CAMERA,
                time=now,
                reason=report.reason,
                detail=report.summary(),
            )
        )


def _timeout(value: object) -> float:
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or not 0 < float(str(value)) <= _LONGEST_TIMEOUT_S:
        raise UsageError(
            "no usable timeout for the self-test",
            expected=f"seconds above 0, {_LONGEST_TIMEOUT_S:g} at most",
            found=f"{value!r:.40}",
        )
    return float(str(value))
