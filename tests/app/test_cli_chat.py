import pytest


@pytest.mark.usefixtures("in_memory")
def test_a_chat_remembers_obeys_and_goes_on_after_mistakes(s3d_here):
    script = [
        "/help",
        "/stats",
        "What is the capital of France?",
        "/set skip 6",
        "/set draft 99",
        "/set draft many",
        "/set colour red",
        "/set",
        "/dance",
        "Of which country is it the capital?",
        "word " * 20_000,
        "/stats",
        "/new",
        "/quit",
        "this is never read",
    ]
    given = ("--max-tokens", "12", "--dtype", "float32", "--strategy", "skip")
    done = s3d_here("chat", *given, stdin="\n".join(script))
    assert done.returncode == 0, done.stderr
    assert "never read" not in done.stdout
    assert "Paris" in done.stdout
    assert "France" in done.stdout
    for said in (
        "/set NAME VALUE",
        "Nothing has been measured yet.",
        "draft length must be a whole number from 1 to 8, not 99.",
        "draft must be a whole number, not 'many'.",
        "There is no setting 'colour'",
        "There is no command '/dance'",
        "context holds",
        "since the start:",
        "A new chat.",
    ):
        assert said in done.stderr, said
    assert done.stderr.count("tokens per round") == 3  # two replies, and once in /stats
    settings = dict(line.split(maxsplit=1) for line in done.stderr.splitlines() if line.startswith(("skip ", "draft ")))
    assert settings == {"skip": "6", "draft": settings["draft"]}


@pytest.mark.parametrize("arguments", [("--temperature", "99"), ("--strategy", "magic")])
def test_a_value_out_of_range_is_refused_before_anything_is_loaded(s3d_here, home, arguments):
    done = s3d_here("chat", *arguments)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert not home.exists()
