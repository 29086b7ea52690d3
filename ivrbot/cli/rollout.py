"""`ivrbot rollout`: the plan, what is in force, what the evidence says, and changes to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import click

from ivrbot.cli.lazy import Entry, LazyGroup

COMMANDS: Final[Mapping[str, Entry]] = {
    "analyze": Entry(
        "rollout_analyze", "analyze_command", "Evidence, verdict and decision from a CSV file of exposures."
    ),
    "approve": Entry("rollout_changes", "approve", "Approve a proposal."),
    "audit": Entry("rollout_audit", "audit_group", "Export the audit."),
    "certificate": Entry(
        "rollout_audit", "certificate_command", "The page that a product owner files for a promotion."
    ),
    "check": Entry("rollout_state", "check", "Validate a plan: every problem at once, with its line."),
    "decide": Entry("rollout_state", "decide", "Where a call would go now; nothing is stored."),
    "exclude": Entry("rollout_changes", "exclude", "Keep a caller out of the draw."),
    "exclusions": Entry("rollout_changes", "exclusions", "Who is kept out of the draw."),
    "forecast": Entry("rollout_simulate", "forecast_command", "How long the plan will take, branch by branch."),
    "history": Entry("rollout_state", "history", "Every change: who, when, from, to, why."),
    "include": Entry("rollout_changes", "include", "Take an exclusion back."),
    "kill": Entry(
        "rollout_changes", "kill", "Send every caller of a branch (or of all) to operators from the next call on."
    ),
    "proposals": Entry("rollout_changes", "list_proposals", "What waits for a second person."),
    "propose": Entry("rollout_changes", "propose", "Propose the next rung, or another share."),
    "reject": Entry("rollout_changes", "reject", "Reject a proposal."),
    "resume": Entry("rollout_changes", "resume", "Take a kill back."),
    "rollback": Entry("rollout_changes", "rollback", "Back to share 0."),
    "set": Entry("rollout_changes", "set_share", "Set a branch to a share of its ladder, up one rung at a time."),
    "simulate": Entry(
        "rollout_simulate", "simulate_command", "What the plan would do to a bot whose truth is known."
    ),
    "status": Entry("rollout_state", "status", "What is in force in each branch."),
    "verify": Entry(
        "rollout_audit", "verify_command", "Recompute the audit's chain and derive its decisions again."
    ),
}


@click.group(cls=LazyGroup, entries=COMMANDS)
def rollout() -> None:
    """Check the plan; see what is in force and what the evidence says; change it."""
