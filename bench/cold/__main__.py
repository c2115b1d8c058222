"""Compares the cost of an upload, cold and warm, with other bots, in AWS's own runtime and against one local AWS emulator.

    make bench                                      seven rounds, about three minutes
    .venv/bin/python -m bench.cold --rounds 3       faster
    .venv/bin/python -m bench.cold --only mail --only bare
    .venv/bin/python -m bench.cold --write          also updates bench/RESULTS.md and docs/cost.md

The variants are measured in turn, in a new order each round, so that changes of the machine's speed affect all of them. Each
ratio is the median of the ratios per round. A second measurement of the warm CPU uses a stub that responds immediately, because
waiting for the emulator, which computes on the same cores, slows down what follows.
"""

import random
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from bench import report, results_file
from bench.cold.immediate import immediate_aws
from bench.cold.measure import Sample, Uploads, Used, Variant, count_calls, measure
from bench.cold.packages import RIVALS, Package, dropnote, plain, settings_of, tutorial
from chalicelib.platform.function_names import function_name
from workbench.local.local_server import create_app, listening, serving
from workbench.local.ministack import MiniStack
from workbench.local.resources import apply_stack, put_secrets, verify_sender
from workbench.local.twilio.double import TwilioDouble
from workbench.output import fail, progress, progress_bar
from workbench.paths import BENCH, PROJECT, RUNTIME_EMULATOR

STAGE = "local"
BUCKET = "acme-drops"  # in the payloads
ACCOUNT, TOKEN = "AC" + "0" * 32, "a-token-of-the-bench"
CLOSED_PORT = "http://127.0.0.1:9"  # for Twilio's receipts
IMMEDIATE_NAMES = ("bare", "powertools", "mail", "burst")  # measured against the stub too
IMMEDIATE_UPLOADS = 200  # per container and round
RIVAL_NAMES = ("empty", "bare", "powertools", "tutorial")
Samples = dict[str, Sample]  # of one round, by variant
MAIL, BOTH = ["email:asha"], ["email:asha", "sms:asha"]


@dataclass(frozen=True, slots=True)
class Services:
    """The local AWS emulator and the Twilio double of one run."""

    ministack: MiniStack
    twilio: TwilioDouble
    server: str  # base URL of the double


@contextmanager
def running_services() -> Iterator[Services]:
    """Start them, with the tables, secrets and sender that the functions need."""
    with MiniStack() as ministack, listening() as listener:
        apply_stack(ministack, PROJECT / "resources.yaml", STAGE)
        verify_sender(ministack, "drops@example.com")
        put_secrets(ministack, f"/dropnote/{STAGE}/", {"twilio-auth-token": TOKEN})
        name = f"/dropnote/{STAGE}/public-url"
        ministack.client("ssm").put_parameter(Name=name, Value=CLOSED_PORT, Type="String", Overwrite=True)
        twilio = TwilioDouble(ACCOUNT, TOKEN)
        with serving(create_app(twilio, ministack.endpoint), listener) as server:
            yield Services(ministack, twilio, server)


def build_variants(folder: Path, server: str, only: Collection[str]) -> list[Variant]:
    """Build the packages, two at a time; with `only`, just those."""
    ledger = f"dropnote-{STAGE}-ledger"
    ours = {
        "DROPNOTE_STAGE": STAGE,
        "DROPNOTE_LEDGER": ledger,
        "DROPNOTE_DEAD_EVENTS": f"dropnote-{STAGE}-dead-events",
        "DROPNOTE_SECRETS": f"/dropnote/{STAGE}/",
        "UPLOAD_BUCKET": BUCKET,
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_BASE_URL": server,
    }
    function = f"dropnote-{STAGE}-{function_name('upload', BUCKET)}"
    packages: dict[str, tuple[str, Callable[[Path], Package]]] = {
        "empty": ("empty handler", partial(plain, RIVALS / "empty.py")),
        "bare": ("bare boto3: claim, send, mark", partial(plain, RIVALS / "bare.py")),
        "powertools": (
            "Powertools' idempotent handler",
            partial(plain, RIVALS / "idempotent.py", packages=BENCH / "powertools"),
        ),
        "tutorial": ("typical tutorial bot", tutorial),
        "mail": ("Dropnote, e-mail", partial(dropnote, settings_of(MAIL))),
        "both": ("Dropnote, e-mail and text", partial(dropnote, settings_of(BOTH))),
        "burst": ("Dropnote, an upload in a burst", partial(dropnote, settings_of(MAIL, bundling="first = 0"))),
        "boto3-in-zip": ("Dropnote, e-mail, boto3 in the zip", partial(dropnote, settings_of(MAIL), with_boto3=True)),
        "10-rules": ("Dropnote, e-mail, 10 rules", partial(dropnote, settings_of(MAIL, 10))),
        "1000-rules": ("Dropnote, e-mail, 1,000 rules", partial(dropnote, settings_of(MAIL, 1_000))),
    }
    with ThreadPoolExecutor(2) as pool:
        names = [name for name in packages if not only or name in only]
        built = pool.map(lambda name: packages[name][1](folder / name), names)
        return [
            Variant(name, packages[name][0], package, {"LEDGER": ledger}, "rival")
            if name in RIVAL_NAMES
            else Variant(name, packages[name][0], package, ours, function)
            for name, package in zip(names, built, strict=True)
        ]


def _by_variant(variants: Sequence[Variant], rounds: Sequence[Samples]) -> dict[str, list[Sample]]:
    """The samples of each measured variant, by round."""
    return {variant.name: [samples[variant.name] for samples in rounds] for variant in variants if variant.name in rounds[0]}


@click.command()
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(1, 100))
@click.option("--warm", default=30, show_default=True, type=click.IntRange(1, 1_000), help="Measured uploads per container")
@click.option("--write", is_flag=True, help="Update bench/RESULTS.md and the tables in docs/cost.md")
@click.option("--only", multiple=True, help="Measure only this variant (repeatable)")
def main(rounds: int, warm: int, write: bool, only: tuple[str, ...]) -> None:
    """Compare Dropnote with other bots"""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # cleans up, like Ctrl-C
    if not (RUNTIME_EMULATOR.exists() and BENCH.exists()):
        fail("AWS's runtime and the other bots are not installed; run python3 -m workbench.bootstrap dev runtime bench")
    with (
        TemporaryDirectory(prefix="dropnote-bench-") as folder,
        progress("Starting the local AWS emulator") as step,
        running_services() as services,
        immediate_aws() as stub,
    ):
        step("Building the packages")
        variants = build_variants(Path(folder), services.server, only)
        step("Counting AWS calls")
        uploads = Uploads()
        used: dict[str, Used] = {variant.name: count_calls(variant, services.ministack, uploads) for variant in variants}
        if "both" in used and not services.twilio.messages():
            fail("Dropnote sent no text, so there is nothing to compare")
        step("Measuring")
        with progress_bar("Measuring", rounds) as advance:
            samples, immediate = list[Samples](), list[Samples]()
            for number in range(rounds):
                order = random.Random(number).sample(variants, len(variants))
                samples.append(measure(order, services.ministack.endpoint, uploads, warm))
                at_stub = [variant for variant in order if variant.name in IMMEDIATE_NAMES]
                immediate.append(measure(at_stub, stub, uploads, IMMEDIATE_UPLOADS))
                advance(f"round {number + 1}")
    results = report.Results(variants, _by_variant(variants, samples), used, _by_variant(variants, immediate))
    report.show(results)
    if not results.complete:
        return
    if write:
        results_file.write(results, rounds, warm, IMMEDIATE_UPLOADS)
    if not all(target.met for target in report.targets(results)):
        sys.exit(1)


if __name__ == "__main__":
    main()
