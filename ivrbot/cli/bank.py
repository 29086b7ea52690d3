"""`ivrbot bank`: the demo bank's state."""

from __future__ import annotations

import click

from ivrbot import app
from ivrbot.cli.console import FAILED, fail, json_option, print_json, quiet_settings, run_async
from ivrbot.rollout.drawing.assignment import normalise_caller


@click.group()
def bank() -> None:
    """Show or reset the demo bank."""


@bank.command()
@click.option("--caller", default="", help="Only the customer of this number.")
@json_option
@run_async
async def show(caller: str, as_json: bool) -> None:
    """Customers, their cards, claims and services."""
    simulator = app.open_bank(quiet_settings())
    try:
        customers = await simulator.show((normalise_caller(caller) or caller) if caller else None)
    finally:
        await simulator.close()
    if as_json:
        print_json(customers)
        return
    if not customers:
        fail(FAILED, "no such customer")
    for customer in customers:
        click.echo(f"{customer['caller']}  {customer['name']}")
        for card in customer["cards"]:
            amount = f"{card['balance_minor'] / 100:,.2f} {card['currency']}"
            click.echo(f"  {card['last4']}  {card['kind']:<8} {card['status']:<8} {amount:>18}")


@bank.command()
@json_option
@run_async
async def reset(as_json: bool) -> None:
    """Put the demo bank back to its first state, and forget failed authentications."""
    settings = quiet_settings()
    simulator = app.open_bank(settings)
    try:
        await simulator.reset()
    finally:
        await simulator.close()
    await app.forget_failures(settings)
    if as_json:
        print_json({"reset": True})
    else:
        click.echo("the demo bank is as at first", err=True)


@bank.command()
@json_option
@run_async
async def verify(as_json: bool) -> None:
    """Check the hash chain of the bank operations' log."""
    simulator = app.open_bank(quiet_settings())
    try:
        broken_at = await simulator.verify_log()
    finally:
        await simulator.close()
    if as_json:
        print_json({"ok": broken_at is None, "broken_at": broken_at})
    elif broken_at is None:
        click.echo("the operations log is whole")
    if broken_at is not None:
        fail(FAILED, f"the operations log is broken at row {broken_at}")
