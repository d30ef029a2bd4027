"""Failed items are grouped by reasons that differ only in numbers, ids, ARNs, URLs and paths."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from exporter.kinds.kind import FailedItem
from exporter.metrics.reasons import MAX_EXAMPLES, ReasonGroup, grouped, pattern_of
from tests.properties.example_counts import settings_for

PIECES = (
    "disk", " ", "/", "//", ":", "://", "\\", "arn:", "arn:aws:iot:eu-west-1:111122223333:thing/a", "C:\\tmp\\1", "~/x",
    "12", "0", "3.14", "8b5a2f6e-2f0c-4a55-9a3e-0d1b6f7c1a11", "abcdefab-abcd-abcd-abcd-abcdefabcdef", "deadbeef1", "<",
    ">", "<number>", "<path>", "-", "_", "https://x.example/a?b=1", "é", "٣", "\n", "i-0abc12def3456789",
)  # fmt: skip
reasons = some.one_of(some.text(max_size=60), some.lists(some.sampled_from(PIECES), max_size=12).map("".join))
items = some.builds(
    FailedItem, item=some.sampled_from("abcdefgh"), state=some.sampled_from(["FAILED", "TIMED_OUT"]), reason=reasons
)


@pytest.mark.parametrize(
    ("reason", "pattern"),
    [
        ("12.5 MB free, 30 MB needed", "<number> MB free, <number> MB needed"),
        ("no space on /dev/mmcblk0p2", "no space on <path>"),
        ("no space on C:\\Users\\7", "no space on <path>"),
        ("GET https://fw.example/v7.bin failed: 503", "GET <url> failed: <number>"),
        ("arn:aws:iot:eu-west-1:111122223333:thing/gate-7 is unknown", "<arn> is unknown"),
        ("task 8b5a2f6e-2f0c-4a55-9a3e-0d1b6f7c1a11 was lost", "task <id> was lost"),
        ("hash d41d8cd98f00b204e9800998ecf8427e differs", "hash <id> differs"),
        ("at 2026-11-28T22:10:03Z", "at <number>-<number>-<number>T<number>Z"),
        ("12/34 parts and/or 5 files", "<number>/<number> parts and/or <number> files"),
        ("ARTIFACT_DOWNLOAD_ERROR", "ARTIFACT_DOWNLOAD_ERROR"),
    ],
)
def test_numbers_ids_arns_urls_and_paths_of_a_reason_are_replaced(reason: str, pattern: str) -> None:
    assert pattern_of(reason) == pattern


def test_1796_items_become_three_reasons_with_counts_and_examples() -> None:
    failed = [FailedItem(f"gate-{number}", "FAILED", f"disk {number} is full") for number in range(1_500)]
    failed += [FailedItem(f"pump-{number}", "FAILED", f"no file /opt/{number}/fw.bin") for number in range(200)]
    failed += [FailedItem(f"lamp-{number}", "TIMED_OUT") for number in range(96)]
    assert grouped(failed) == (
        ReasonGroup("disk <number> is full", 1_500, ("gate-0", "gate-1", "gate-2")),
        ReasonGroup("no file <path>", 200, ("pump-0", "pump-1", "pump-2")),
        ReasonGroup("no reason, only the state TIMED_OUT", 96, ("lamp-0", "lamp-1", "lamp-2")),
    )


def test_no_items_have_no_groups() -> None:
    assert grouped([]) == ()


@given(some.lists(items, max_size=30))
@settings_for(300)
def test_each_item_is_in_exactly_one_group(failed: list[FailedItem]) -> None:
    groups = grouped(failed)
    assert sum(group.count for group in groups) == len(failed)
    assert len({group.reason for group in groups}) == len(groups)
    for group in groups:
        members = {item.item for item in failed if grouped([item])[0].reason == group.reason}
        assert set(group.examples) <= members
        assert len(group.examples) == len(set(group.examples)) <= MAX_EXAMPLES
        assert group.count >= len(group.examples) > 0


@given(some.lists(items, max_size=30))
@settings_for(300)
def test_grouping_the_reasons_of_groups_again_changes_nothing(failed: list[FailedItem]) -> None:
    again = [replace(item, reason=grouped([item])[0].reason) for item in failed]
    assert grouped(again) == grouped(failed)


@given(reasons)
@settings_for(500)
def test_the_pattern_of_a_pattern_is_the_pattern(reason: str) -> None:
    assert pattern_of(pattern_of(reason)) == pattern_of(reason)
