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
    """Check the hash chains of the bot's operations log and of the demo bank's own."""
    settings = quiet_settings()
    simulator, operations = app.open_bank(settings), app.operations_file(settings)
    try:
        found = {"operations": await operations.verify(), "demo_bank": await simulator.verify_log()}
        rows = len(await operations.entries())
    finally:
        await operations.close()
        await simulator.close()
    where = next((name for name, broken in found.items() if broken is not None), None)
    broken = found[where] if where else None
    if as_json:
        print_json(
            {
                "ok": broken is None,
                "broken_at": broken.row if broken else None,
                "why": broken.why if broken else None,
                "log": where,
                "rows": rows,
            }
        )
    elif broken is None:
        click.echo(f"the operations log is whole: {rows} rows")
    if broken is not None:
        name = "operations log" if where == "operations" else "demo bank's own log"
        fail(FAILED, f"the {name} is broken at row {broken.row}: {broken.why}")
