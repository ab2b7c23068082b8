"""Logs, commands, processes and figures: from the engine straight to the caller."""

import pytest

from tests.rooms.container.zun import Zun


def test_logs_by_stream_tail_and_moment(demo: Zun) -> None:
    uuid = demo.run(command=["hello"])
    assert demo.do(uuid, "logs", 200) == "hello\nworld\noops\n"
    assert demo.do(uuid, "logs?stderr=false", 200) == "hello\nworld\n"
    assert demo.do(uuid, "logs?stdout=False", 200) == "oops\n"
    assert demo.do(uuid, "logs?tail=1", 200) == "oops\n"
    assert demo.do(uuid, "logs?tail=all&since=None", 200) == "hello\nworld\noops\n"
    assert demo.do(uuid, "logs?since=4102444800", 200) == ""
    assert demo.do(uuid, "logs?since=2099-01-01 00:00:00,0", 200) == ""
    assert demo.do(uuid, "logs?timestamps=true&tail=1", 200).startswith("20")


@pytest.mark.parametrize("query", ["tail=many", "since=yesterday", "stdout=perhaps", "stdout=false&stderr=false"])
def test_logs_refuse_what_they_do_not_understand(demo: Zun, query: str) -> None:
    demo.do(demo.run(command=["hello"]), f"logs?{query}", 400)


def test_a_command_runs_inside_and_answers(demo: Zun) -> None:
    uuid = demo.run()
    done = demo.do(uuid, "execute?command=echo hi&run=true&interactive=false", 200)
    assert (done["output"], done["exit_code"]) == ("hi\n", 0)
    assert demo.do(uuid, "execute?command=false", 200)["exit_code"] == 1
    assert demo.do(uuid, "execute?command=no-such-program", 200)["exit_code"] == 127
    assert demo.do(uuid, "execute?command=ls&run=false", 200)["exec_id"]
    assert "in time" not in demo.do(uuid, "execute?command=sleep forever", 409)["errors"][0]["detail"]


def test_a_command_may_be_given_in_the_body_too(demo: Zun) -> None:
    path = f"/containers/{demo.run()}/execute"
    answer = demo("POST", path, {"command": "echo hi"})
    assert (answer.status_code, answer.json()["output"]) == (200, "hi\n")
    for body in ({}, {"command": None}, {"command": ["echo", "hi"]}, ["echo"], {"command": "ls", "run": "perhaps"}):
        assert demo("POST", path, body).status_code == 400


def test_commands_that_make_no_sense_are_refused(demo: Zun) -> None:
    uuid = demo.run()
    for query in ("", "?command=", "?command='open", "?command=ls&run=perhaps"):
        demo.do(uuid, f"execute{query}", 400)
    demo.do(uuid, "execute?command=sh&interactive=true", 501)


def test_processes_and_figures(demo: Zun) -> None:
    uuid = demo.run(command=["hello"], memory=128)
    assert demo.do(uuid, "top?ps_args=None", 200)["Titles"] == ["PID", "CMD"]
    assert demo.do(uuid, "top?ps_args=-ef", 200)["Processes"][0][1] == "hello"
    used = demo.do(uuid, "stats", 200)
    assert (used["CONTAINER"], used["MEM LIMIT(MiB)"]) == (demo.show(uuid)["name"], 128)
    assert set(used) == {
        "CONTAINER", "CPU %", "MEM USAGE(MiB)", "MEM LIMIT(MiB)", "MEM %", "BLOCK I/O(B)", "NET I/O(B)",
    }  # fmt: skip


def test_what_the_engine_has_lost_is_no_404(demo: Zun) -> None:
    uuid = demo.run()
    del demo.world.containers[uuid]
    assert "engine does not have it" in demo.do(uuid, "logs", 409)["errors"][0]["detail"]


def test_an_engine_that_does_not_answer_is_503(demo: Zun) -> None:
    uuid = demo.run()
    demo.world.engine_answers = False
    for action in ("logs", "top", "stats", "execute?command=ls"):
        demo.do(uuid, action, 503)
    demo.world.engine_answers = True
    demo.do(uuid, "logs", 200)


@pytest.mark.parametrize(
    ("method", "suffix"),
    [
        ("GET", "attach"), ("POST", "resize"), ("POST", "commit"), ("POST", "rebuild"), ("GET", "get_archive"),
        ("POST", "put_archive"), ("POST", "execute_resize"),
    ],
)  # fmt: skip
def test_what_is_not_offered_yet_says_so(demo: Zun, method: str, suffix: str) -> None:
    answer = demo(method, f"/containers/{demo.run()}/{suffix}?any=parameter")
    assert answer.status_code == 501
    assert "not offered yet" in answer.json()["errors"][0]["detail"]
