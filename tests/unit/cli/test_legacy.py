"""The 2015 form: every switch in every spelling, and what it becomes."""

from __future__ import annotations

import pytest

from awcopy.cli.legacy import PARAMETERS, SWITCHES, is_legacy, legacy_help, read_legacy
from awcopy.errors import UsageError

GIVEN = {
    "bucket": "photos",
    "path": "2024/",
    "accesskey": "AKIA",
    "secret": "a:b=c",
    "region": "eu-west-1",
    "container": "backup",
    "storageaccount": "acme",
    "storagekey": "a2V5",
}
BASE = [f"{name}:{value}" for name, value in GIVEN.items()]
TAKING = {switch.letter: switch.example for switch in SWITCHES if switch.value}
ALONE = [switch.letter for switch in SWITCHES if not switch.value and switch.is_there]


def modern(*words: str, path: str = "2024/") -> list[str]:
    base = [word for word in BASE if not word.startswith("path:")]
    return read_legacy([*base, f"path:{path}", *words]).modern_argv()


@pytest.mark.parametrize("letter", TAKING)
def test_a_switch_with_a_value_is_read_in_every_spelling(letter: str) -> None:
    value = TAKING[letter]
    spellings = [[f"/{each}:{value}"] for each in (letter, letter.lower())]
    spellings += [[f"/{each}", value] for each in (letter, letter.lower())]
    assert {read_legacy([*BASE, *words]).switches[letter] for words in spellings} == {value}


@pytest.mark.parametrize("letter", ALONE)
def test_a_switch_without_a_value_is_read_in_either_case(letter: str) -> None:
    for spelling in (f"/{letter}", f"/{letter.lower()}"):
        assert letter in read_legacy([*BASE, spelling]).switches


@pytest.mark.parametrize("letter", [*ALONE, "H"])
def test_a_switch_without_a_value_refuses_one(letter: str) -> None:
    with pytest.raises(UsageError, match=f"/{letter} takes no value"):
        read_legacy([*BASE, f"/{letter}:yes"])


@pytest.mark.parametrize("letter", TAKING)
@pytest.mark.parametrize("rest", [[], ["/S"], ["bucket:other"]])
def test_a_switch_without_its_value_is_an_error(letter: str, rest: list[str]) -> None:
    with pytest.raises(UsageError, match=f"/{letter} needs"):
        read_legacy([f"/{letter}", *rest])


@pytest.mark.parametrize("letter", [switch.letter for switch in SWITCHES if not switch.is_there])
def test_what_is_not_there_yet_is_an_error_that_says_so(letter: str) -> None:
    with pytest.raises(UsageError, match=rf"/{letter} \(.+\) is not there yet"):
        read_legacy([*BASE, f"/{letter.lower()}"])


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda each: each.name)
def test_parameters_are_read_in_any_case_and_keep_their_value(parameter) -> None:
    value = GIVEN[parameter.name]
    words = [word for word in BASE if not word.startswith(f"{parameter.name}:")]
    call = read_legacy([*words, f"{parameter.name.upper()}:{value}"])
    assert call.parameters[parameter.name] == value


def test_all_missing_parameters_are_named_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        read_legacy(["bucket:photos", "secret:", "/U"])
    assert caught.value.message == (
        "missing parameters: path, accesskey, secret, container, storageaccount, storagekey"
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["/Q"], "there is no switch /Q"),
        (["buckett:x"], "there is no parameter buckett:"),
        (["--local"], "'--local' is neither"),
        (["bucket:other"], "bucket: is given twice"),
        (["/A:1", "/a", "2"], "/A is given twice"),
        (["/C", "/U"], "contradict"),
        (["/A:0"], "/A '0' is no number of agents"),
        (["/A:1001"], "/A"),
        (["/B:0"], "/B a block of 0 bytes"),
        (["/B:4001M"], "/B a block of"),
        (["/B:some"], "/B 'some' is not a size"),
        (["/J:two words"], "/J a job's name holds no spaces"),
    ],
)
def test_a_wrong_word_is_named(words: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_legacy([*BASE, *words])


def test_a_mistyped_parameter_is_guessed() -> None:
    with pytest.raises(UsageError) as caught:
        read_legacy([*BASE, "storagekeys:x"])
    assert caught.value.hint == "did you mean storagekey:?"


@pytest.mark.parametrize("name", ["bucket:a/b", "container:a/b", "storageaccount:a/b"])
def test_a_name_cannot_smuggle_a_path_into_the_address(name: str) -> None:
    with pytest.raises(UsageError, match="can be called"):
        read_legacy([name])


def test_the_modern_line_of_a_local_copy() -> None:
    expected = "copy s3://photos/2024/ az://acme/backup/2024/ --no-recursive --region eu-west-1 --local"
    assert " ".join(modern()) == expected


def test_the_modern_line_of_a_fleet_copy_with_everything() -> None:
    assert modern("/C", "/S", "/b:4m", "/A", "16", "/J:nightly", "/V", path="2024/*.jpg") == [
        "copy", "s3://photos/2024/", "az://acme/backup/2024/", "--include", "*.jpg", "--recursive",
        "--region", "eu-west-1", "--block-size", "4m", "--agents", "16", "--name", "nightly", "--verbose",
    ]  # fmt: skip


def test_a_wildcard_in_a_folder_reaches_below_it_without_s() -> None:
    assert "--recursive" in modern(path="20*/a.jpg")


def test_the_modern_line_holds_no_secret() -> None:
    assert not {"AKIA", "a:b=c", "a2V5"} & set(modern())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["bucket:b"], True),
        (["BUCKET:b"], True),
        (["/S"], True),
        (["/b:8M"], True),
        (["/?"], True),
        (["/data", "/srv/x"], False),
        (["s3://b/k", "az://a/c"], False),
        (["https://a.blob.core.windows.net/c"], False),
        (["--name", "bucket"], False),
        ([], False),
    ],
)
def test_the_form_of_2015_is_told_from_todays(words: list[str], expected: bool) -> None:
    assert is_legacy(words) is expected


def test_help_explains_every_parameter_and_switch_within_its_width() -> None:
    text = legacy_help()
    assert all(f"  {each.name}:" in text for each in PARAMETERS)
    assert all(f"  /{each.letter}" in text for each in SWITCHES)
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("word", ["/H", "/h", "/?"])
def test_help_needs_nothing_else(word: str) -> None:
    assert read_legacy([word]).wants_help


def test_e_encrypts_with_what_the_settings_name() -> None:
    assert "--encrypt" in modern("/E")


def test_a_list_is_recursive_and_needs_no_azure_parameters() -> None:
    words = [word for word in BASE if not word.startswith(("container:", "storage", "path:"))]
    call = read_legacy([*words, "path:2024/*.jpg", "/L", "/C", "/A:4", "/B:4M"])
    assert call.modern_argv() == [
        "ls", "--recursive", "--estimate", "s3://photos/2024/", "--include", "*.jpg", "--region", "eu-west-1",
        "--block-size", "4M",
    ]  # fmt: skip


def test_a_list_without_the_keys_of_aws_is_refused() -> None:
    with pytest.raises(UsageError, match="missing parameters: accesskey, secret"):
        read_legacy(["bucket:photos", "path:*.*", "/L"])


def test_a_regular_expression_becomes_todays_option() -> None:
    expected = "copy s3://photos/2024/ az://acme/backup/2024/ --include-regex .*\\.(jpg|png) --recursive "
    assert " ".join(modern("/S", path="2024/.*\\.(jpg|png)")).startswith(expected)


def test_a_regular_expression_that_is_none_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"path: .* is not a regular expression"):
        modern(path="^a(b")
