"""Every test of what stands on the store, run again over PostgreSQL: a process of its own with the plugin."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SUITES = {
    "contracts": (
        "tests/contract/test_storage.py",
        "tests/contract/test_evidence.py",
        "tests/contract/test_voiceprints.py",
    ),
    "contacts": (
        "tests/unit/test_contact_writer.py",
        "tests/unit/test_contact_history.py",
        "tests/unit/test_follow_contacts.py",
    ),
    "operators": (
        "tests/unit/test_callbacks.py",
        "tests/unit/test_call_places.py",
        "tests/unit/test_shadow.py",
        "tests/unit/test_nlu_labels.py",
        "tests/unit/test_people_book.py",
        "tests/unit/test_activity.py",
        "tests/unit/test_retention.py",
        "tests/unit/test_quality.py",
        "tests/unit/test_voiceprint_store.py",
    ),
    "rollout": (
        "tests/unit/test_rollout_audit.py",
        "tests/unit/test_rollout_proposals.py",
        "tests/unit/test_rollout_controller.py",
        "tests/unit/test_rollout_status.py",
        "tests/unit/test_rollout_eligibility.py",
        "tests/unit/test_rollout_following.py",
        "tests/unit/test_rollout_routing.py",
        "tests/unit/test_rollout_control.py",
    ),
}
FILE_ONLY = (
    "test_no_number_reaches_the_store",
    "test_one_changed_byte",
    "test_an_untouched_audit_is_whole",
    "test_what_a_tolerant_reader",
    "test_a_state_that_no_row_led_to",
    "test_rows_cut_off_at_the_end",
    "test_a_row_that_somebody_has_damaged",
    "test_the_file_holds_no_vector",
    "test_after_an_erasure_no_file",
    "test_keys_are_wrapped_anew",
    "test_a_backup_holds_nothing_of_voices",
    "test_counting_reads_no_other_events",
)
"""Tests that read or damage the file itself."""

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("name", SUITES)
def test_the_suite_passes_over_postgresql(name: str) -> None:
    files = [file for file in SUITES[name] if (ROOT / file).is_file()]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.integration.postgres.everywhere", *files]
    command += ["-k", " and ".join(f"not {test}" for test in FILE_ONLY)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = re.search(r"tests: (\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) >= 10 * len(files) / 2
