"""Objects are found in the region that made them, whoever asks, and the client sees no refusal."""

import os
import pathlib
import subprocess

import pytest

import scenarios
import stages
from conftest import ROUND_TRIPS, azure, v1

HERE = pathlib.Path(__file__).parent


def name_of(what):
    return getattr(what, "name", None) or what.__name__


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    with stages.Ground(tmp_path_factory.mktemp("home")) as ground:
        yield ground


@pytest.fixture
def play(ground, tmp_path, request):
    """Plays a scenario, and looks at what reached the client and at what it cost."""

    def play(kind, dialect, scenario):
        with kind(ground, tmp_path, dialect) as stage:
            scenario(stage)
            asked, writes = stage.cost()
            request.config.stash[ROUND_TRIPS].append((request.node.name, asked, writes))
            assert stage.refused == []
            assert asked == 0 or not stage.knows

    return play


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("scenario", scenarios.ALL, ids=name_of)
@pytest.mark.parametrize(
    ("stage", "dialect"),
    [
        (stage, dialect)
        for stage in stages.ALL
        for dialect in (azure, v1)
        # who forgets or remembers does so whatever the dialect
        if dialect is azure or stage in (stages.Stage, stages.ThreeRegions)
    ],
    ids=name_of,
)
def test_python(play, stage, scenario, dialect):
    play(stage, dialect, scenario)


@pytest.mark.parametrize(
    "stage", [stage for stage in stages.ALL if stage.speaks_node], ids=name_of
)
def test_node(play, stage):
    play(stage, v1, node)


def node(stage):
    """All scenarios of the Node SDK."""
    done = subprocess.run(
        ["node", "--test", str(HERE / "node" / "home.scenarios.mjs")],
        cwd=HERE,
        env={**os.environ, **stage.environment()},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
