"""Regular expressions that would take the server's memory or time, and those that may not."""

from __future__ import annotations

from uuid import UUID

import pytest

from runtime.errors import FilterInvalid
from runtime.store.pattern import MAX_LENGTH, check_pattern, matches

HEX = "[0-9a-f]"


@pytest.mark.parametrize(
    "pattern",
    [
        "((a{1000}){1000}){1000}",
        "(?:(?:a{1000}){1000}){1000}",
        "a{1000000}",
        "(?:x?){99999999999999999999}",
        "(((a{10}b{10}){10}c|d){10,}e){10}{10}",
        "(?x)(?: a{1000} #(\n ){1000}",
        "(?ix:a)",
        "(?V1)a",
        "(?# ( )(?:a{1000}){1000}",
        r"(\(a{1000}){1000}",
        "(?:[(]a{1000}){1000}",
        "a{1000}|[]()]{1000}(b{1000}){1000}",
        "a" * (MAX_LENGTH + 1),
        "(" * 4_000 + ")" * 4_000,
        "(",
        "[",
        "*",
    ],
)
def test_a_pattern_that_cannot_be_used(pattern: str) -> None:
    with pytest.raises(FilterInvalid, match="correct the filter"):
        check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (f"^pool-{HEX}{{8}}(-{HEX}{{4}}){{3}}-{HEX}{{12}}$", f"pool-{UUID(int=7)}"),
        (r"^\d{4}-\d{2}-\d{2}", "2024-01-31"),
        (r"^(?!(\$.+$|PersistentConfig\d+$))", "Seen"),
        (r"^[^$].*", "Seen"),
        (r"[]x{3}]{2}", "x3"),
        (r"\(?x{2}", "xx"),
        ("^(?P<kind>[a-z]+)-(?P=kind)$", "a-a"),
        ("a{0,100000}b", "aab"),
        ("|".join(f"Type{number}" for number in range(800)), "Type799"),
        ("Naïve|Größe", "Größe"),
    ],
)
def test_a_pattern_that_can(pattern: str, name: str) -> None:
    assert matches(pattern, name)
    assert not matches(pattern, "$-no")
