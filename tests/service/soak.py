"""The long form of what the tests of the daemon show, with a report. Run it with scripts/soak."""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from edge.cli.console import table
from edge.ops.memory import read_memory
from tests.brokers import Broker, Pki, Subscriber, make_pki, new_broker, subscribe_to
from tests.rtsp.process import RtspServer, why_no_server
from tests.service.counting import missing_and_repeats
from tests.service.daemon import (
    Daemon,
    Place,
    busy_film,
    children_of,
    counts,
    last_numbers,
    make_place,
    wait_until,
)
from tests.small_world import SITE, write_models

MOST_PSS_MB = 300.0
WINDOW = 20
MODELS = {
    "detector": ("yunet_n_dynamic.onnx", "yunet"),
    "recogniser": ("face-reidentification-retail-0095.onnx", "reid-0095"),
}


@dataclass
class Report:
    """What was found, and which bounds were broken."""

    broken: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        print(text, flush=True)

    def require(self, held: bool, text: str) -> None:
        self.say(f"{'ok    ' if held else 'BROKEN'} {text}")
        if not held:
            self.broken.append(text)


class Ground:
    """A folder, a broker and a counting subscriber, anew for each part."""

    def __init__(self, stack: ExitStack, *, lasting: bool = False) -> None:
        self.folder = Path(stack.enter_context(TemporaryDirectory(prefix="edgewarden-soak-")))
        self.folder.chmod(0o755)
        (models := self.folder / "models").mkdir()
        (certificates := self.folder / "pki").mkdir()
        self.pki: Pki = make_pki(certificates)
        lines = ["persistence true", "autosave_on_changes true", "autosave_interval 1"]
        lines.append(f"persistence_location {self.folder}/")
        self.broker: Broker = new_broker(
            self.folder / "broker", self.pki, *(lines if lasting else ())
        )
        stack.callback(self.broker.kill)
        self.broker.start()
        self.counter: Subscriber = stack.enter_context(
            closing(subscribe_to(self.broker, session="counter"))
        )
        with redirect_stdout(StringIO()):
            self.place: Place = make_place(self.folder, write_models(models))

    def require_everything(self, report: Report, *, breaks: int) -> None:
        """Every event that was ever committed came, and the repeats lie within the window."""
        last = last_numbers(self.place.outbox)[""]
        wait_until(lambda: self.counter.events[-1]["data"]["node_sequence"] == last)
        missing, repeats, too_old = missing_and_repeats(self.counter.events, last, window=WINDOW)
        report.require(not missing, f"{last} events committed, {len(missing)} missing")
        report.require(
            repeats <= breaks * WINDOW and not too_old,
            f"{repeats} repeats over {breaks} breaks, {len(too_old)} outside the window",
        )


def processes_of(daemon: Daemon) -> dict[str, int]:
    """Its own process, those that capture, and the two that multiprocessing adds."""
    found = {"daemon": daemon.process.pid}
    for pid in sorted(children_of(daemon.process.pid)):
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        found[name if name.startswith("cap-") else f"helper-{len(found)}"] = pid
    return found


def real_world(place: Place) -> bool:
    """Put the real models and a real clip in, where there are some."""
    assets = os.environ.get("EDGEWARDEN_ASSETS")
    if not assets:
        place.add_camera("door", busy_film(place.folder / "door.mp4"))
        return False
    from edge.cli import main

    site = SITE
    for role, (file, template) in MODELS.items():
        model, bundle = Path(assets, "models", file), place.folder / f"real-{role}"
        words = ["bundle", "new", str(model), "--template", template, "--out", str(bundle)]
        with redirect_stdout(StringIO()):
            assert main(words) == 0
        site = site.replace(f"{role}-bundle", bundle.name)
    place.site.write_text(site)
    place.add_camera("door", Path(assets, "videos", "asl_bird.mkv").absolute())
    return True


def memory(report: Report, minutes: float) -> None:
    """One camera: PSS and RSS over time."""
    with ExitStack() as stack:
        ground = Ground(stack)
        real = real_world(ground.place)
        report.say(
            f"\n== memory: one camera, {minutes:g} min, {'real' if real else 'small'} models"
        )
        ground.place.add_rules(2)
        ground.place.add_broker(ground.broker, ground.pki)
        daemon = stack.enter_context(closing(Daemon(ground.place.site)))
        daemon.wait_live("door")
        rows: list[list[str]] = []
        totals: list[float] = []
        began = time.monotonic()
        samples = max(6, round(minutes))
        for number in range(samples + 1):
            time.sleep(max(0.0, began + number * minutes * 60 / samples - time.monotonic()))
            found = {name: read_memory(pid) for name, pid in processes_of(daemon).items()}
            known = {name: one for name, one in found.items() if one is not None}
            pss = {name: one.pss / 1e6 for name, one in known.items()}
            totals.append(sum(pss.values()))
            threads, fds = counts(daemon.process.pid)
            main_rss = known["daemon"].rss / 1e6
            capture_rss = known["cap-door"].rss / 1e6
            rows.append(
                [
                    f"{(time.monotonic() - began) / 60:.1f}",
                    f"{main_rss:.1f}",
                    f"{pss['daemon']:.1f}",
                    f"{capture_rss:.1f}",
                    f"{pss['cap-door']:.1f}",
                    f"{totals[-1]:.1f}",
                    str(threads),
                    str(fds),
                ]
            )
        headings = [
            "min",
            "RSS daemon",
            "PSS",
            "RSS capture",
            "PSS",
            "PSS of all",
            "threads",
            "fds",
        ]
        report.say(table(headings, rows))
        status = daemon.status()
        report.say(f"{status['cameras']['door']}, {status['mqtt']['published']} events published")
        report.require(max(totals) <= MOST_PSS_MB, f"PSS of all at most {max(totals):.1f} MB")
        third = max(2, len(totals) // 3)
        early = statistics.mean(totals[1 : 1 + third])
        growth = statistics.mean(totals[-third:]) - early
        report.require(growth < 0.05 * early, f"{growth:+.1f} MB from the first third to the last")
        daemon.stop()


def reconnects(report: Report, times: int) -> None:
    """Threads and descriptors of the daemon while an RTSP server comes and goes."""
    report.say(f"\n== reconnects: an RTSP server killed {times} times")
    missing = why_no_server()
    if missing is not None:
        report.require(False, missing)
        return
    with ExitStack() as stack:
        ground = Ground(stack)
        server = stack.enter_context(closing(RtspServer()))
        ground.place.add_camera("yard", server.url, loop=False)
        ground.place.add_broker(ground.broker, ground.pki)
        daemon = stack.enter_context(closing(Daemon(ground.place.site)))
        daemon.wait_live("yard")
        seen: list[tuple[int, int, int, int]] = []
        for _ in range(times):
            server.close()
            daemon.wait(lambda status: status["cameras"]["yard"]["state"] != "live")
            server = stack.enter_context(closing(RtspServer(port=server.port)))
            daemon.wait_live("yard")
            found = processes_of(daemon)
            memory = read_memory(daemon.process.pid)
            pss = 0 if memory is None else memory.pss
            seen.append((*counts(daemon.process.pid), len(found), pss))
        every = max(1, times // 10)
        rows = [
            [n, *seen[n - 1][:3], f"{seen[n - 1][3] / 1e6:.1f}"] for n in range(1, times + 1, every)
        ]
        report.say(table(["after", "threads", "fds", "processes", "PSS of the daemon"], rows))
        first, last = seen[min(4, times - 1)], seen[-1]
        report.require(last[:3] == first[:3], f"threads, fds, processes {first[:3]} → {last[:3]}")
        tried = daemon.status()["cameras"]["yard"]["reconnects"]
        report.say(f"{tried} attempts in all")
        daemon.stop()


def kills(report: Report, times: int) -> None:
    """kill -9 at random moments, while it runs or starts."""
    report.say(f"\n== kill -9, {times} times")
    with ExitStack() as stack:
        ground = Ground(stack)
        for name in ("door", "hall"):
            ground.place.add_camera(name, busy_film(ground.folder / f"{name}.mp4"))
        ground.place.add_rules(8)
        ground.place.add_broker(ground.broker, ground.pki)
        for turn in range(times):
            with closing(Daemon(ground.place.site)) as daemon:
                if turn % 5:
                    daemon.wait_live()
                time.sleep(random.uniform(0, 2))
                daemon.kill()
        with closing(Daemon(ground.place.site)) as daemon:
            daemon.wait_live()
            daemon.stop()
        ground.require_everything(report, breaks=times)
        offline = ground.counter.said("/availability").count("offline")
        report.say(
            f"{offline} times offline, and at last {ground.counter.said('/availability')[-1]}"
        )


def outages(report: Report, seconds: float) -> None:
    """A broker that is away, and one that stands still."""
    report.say(f"\n== a broker away for {seconds:g} s, and standing still for as long")
    with ExitStack() as stack:
        ground = Ground(stack, lasting=True)
        ground.place.add_camera("door", busy_film(ground.folder / "door.mp4"))
        ground.place.add_rules(8)
        ground.place.add_broker(ground.broker, ground.pki)
        daemon = stack.enter_context(closing(Daemon(ground.place.site)))
        daemon.wait_live("door")

        def settle() -> None:
            daemon.wait(lambda s: s["mqtt"]["connected"] and s["outbox"] < WINDOW, seconds=60)

        settle()
        ground.broker.signal(signal.SIGTERM)
        time.sleep(seconds)
        report.say(f"{daemon.status()['outbox']} events wait; {daemon.status()['mqtt']}")
        ground.broker.kill()
        ground.broker.start()
        settle()
        ground.broker.signal(signal.SIGSTOP)
        time.sleep(seconds)
        report.say(f"{daemon.status()['outbox']} events wait; {daemon.status()['mqtt']}")
        ground.broker.signal(signal.SIGCONT)
        settle()
        attempts = daemon.status()["mqtt"]["reconnects"] + 2
        daemon.stop()
        ground.require_everything(report, breaks=attempts)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of memory (%(default)s)")
    parser.add_argument("--reconnects", type=int, default=100, help="(%(default)s)")
    parser.add_argument("--kills", type=int, default=50, help="(%(default)s)")
    parser.add_argument("--outage", type=float, default=60.0, help="seconds (%(default)s)")
    arguments = parser.parse_args(argv)
    report = Report()
    if arguments.kills:
        kills(report, arguments.kills)
    if arguments.outage:
        outages(report, arguments.outage)
    if arguments.reconnects:
        reconnects(report, arguments.reconnects)
    if arguments.minutes:
        memory(report, arguments.minutes)
    report.say(f"\n{len(report.broken)} bounds broken")
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
