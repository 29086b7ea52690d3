"""What English-speaking callers say; see `words_ru`."""

from __future__ import annotations

from typing import Final

Lines = tuple[str, ...]

OPENERS: Final[dict[str, Lines]] = {
    "calm": ("", "", "hello", "good morning", "hi there", "good afternoon"),
    "angry": (
        "finally",
        "listen this is the (second|third) time I am calling",
        "hello (anybody there|is anybody working there)",
        "",
    ),
    "hurried": ("", "", "quickly please", "I am in a hurry"),
    "confused": (
        "uh hello I am not sure this is the right number",
        "is this the bank",
        "um well how do I put this",
        "my son told me to ring you",
    ),
}

TOPICS: Final[dict[str, Lines]] = {
    "block_card": (
        "I (lost|dropped|have lost) my {kind} card [somewhere]",
        "(somebody|someone) (stole|took) my {kind} card [on the bus|in a shop]",
        "(I need to|please) block my {kind} card [right away]",
        "my card is (gone|missing) (please block it|can you block it)",
        "my purse was stolen with the {kind} card in it [please block it]",
    ),
    "block_all": (
        "my wallet with all my cards (was stolen|is gone) (block all of them|block them all)",
        "(I need to|please) block all my cards",
    ),
    "stolen_bag": (
        "my bag was (stolen|snatched) with my phone and my cards in it [I am calling from a friend's phone]",
        "I have been robbed the phone is gone too please block my cards",
    ),
    "card_reissue": (
        "I (need|want) a new card [mine (is broken|expires soon)]",
        "my card (cracked|is damaged) I need a replacement",
    ),
    "report_fraud": (
        "(some man|somebody) called me [from the bank] and I (told|gave) him the code [from the message]",
        "(scammers|fraudsters) are taking money from my account",
        "I think I have been scammed I gave my (code|details) to somebody",
    ),
    "check_balance": (
        "how much [money] (is|do I have) [left] on my {kind} card",
        "[I would like to know] my balance [on the {kind} card]",
        "what is the balance of my {kind} card",
    ),
    "recent_transactions": (
        "what were my last (payments|transactions|operations)",
        "(where did my money go|what was taken) [read me the last transactions]",
        "did my payment go through [check the latest transactions]",
    ),
    "salary_status": (
        "(did|has) my (salary|pay) (come|arrived|been paid) [in] [yet]",
        "I am waiting for my salary is it there",
    ),
    "card_limits": ("what is my [daily] limit [on the card]", "how much [cash] can I (withdraw|take out) a day"),
    "raise_limit": ("I (want|need) to (raise|increase) my [card] limit", "can you raise the limit on my card"),
    "dispute_transaction": (
        "I was charged {sum} [and] I did not buy anything",
        "I (want|need) to dispute a (payment|charge|transaction)",
        "this payment of {sum} is not mine [I want my money back]",
    ),
    "loan_info": (
        "when is my next loan payment [due]",
        "how much do I [still] owe on my loan",
        "what do I have to pay on the loan this month",
    ),
    "deposit_info": ("what is the rate on my deposit", "when does my deposit end", "tell me about my deposit"),
    "deposit_new": (
        "I (want|would like) to open a deposit [what are your rates]",
        "what (interest|rate) do you (give|pay) on a new deposit",
    ),
    "find_office": (
        "where is your (nearest|closest) (branch|office) [in {city}]",
        "(what is|give me) the address of your (office|branch) in {city}",
    ),
    "online_bank_access": (
        "I (cannot|can't) (log in|get into) [to] (the app|the internet bank|online banking)",
        "I forgot my password for (the app|online banking)",
    ),
    "complaint": (
        "I (want|would like) to (make a complaint|complain) [about your staff]",
        "your staff were rude [I want to complain]",
    ),
    "thanks": ("I (want|would like) to thank (your employee|the lady at the office|one of your people)",),
    "pin_change": ("I forgot my pin [code]", "how do I change my pin"),
    "atm_problem": (
        "the (cash machine|ATM) (swallowed|kept|ate) my card",
        "the (ATM|cash machine) did not give me the money",
    ),
    "operator": (
        "operator",
        "(I want to|let me) (speak|talk) to a (person|human|real person)",
        "(give me|connect me to) an operator [please]",
    ),
    "something_else": (
        "what is the dollar rate [today]",
        "I want a mortgage",
        "I need a (statement|certificate) for a visa",
        "can I buy shares with you",
    ),
}

VAGUE: Final[Lines] = (
    "I have a problem with my card",
    "it is about my card",
    "it is about money [on my account]",
    "can you help me",
)

NEGATED: Final[Lines] = (
    "(do not|don't) block my card",
    "I do not want to block anything",
    "the card is here nothing is lost",
)

SAY: Final[dict[str, Lines]] = {
    "yes": ("yes", "yes", "correct", "yes that is right", "yeah", "yep", "right", "yes block it", "sure"),
    "yes_plain": ("yes", "yes", "yes please", "yeah", "sure", "okay", "please do"),
    "no": ("no", "no", "no thanks", "no thank you", "not now"),
    "no_more": ("no", "no thank you", "that is all", "no that is all thanks", "bye", "nothing else"),
    "only_this_card": ("no only one {card}", "not all only {card}"),
    "not_this": ("no", "no that is not it", "you did not get me", "no no"),
    "that_card": ("and on {card}", "no I mean the card {card}", "[no] how much is on {card}", "what about {card}"),
    "that_term": ("no I meant {term}", "no for {term}", "and for {term}"),
    "not_that_card": ("no {card}", "no not that one {card}", "no the other one {card}"),
    "card": ("{card}", "{card}", "(the one|it is) ending in {card}", "it is {card}", "um {card}"),
    "kind": ("the {which} card", "{which}", "the {which} one"),
    "all_cards": ("all cards", "all of them", "all my cards", "both"),
    "date": ("{date}", "{date}", "[I was] born [on] [the] {date}", "it is {date}"),
    "name": ("{name}", "{name}", "my name is {name}", "it is {name}"),
    "name_and_birth": (
        "{name} {date}",
        "{name} (and it is|um) {date}",
        "my name is {name} [and I was] born {date}",
        "{name} date of birth {date}",
    ),
    "code_word": ("{word}", "{word}", "[the] code word is {word}", "it is {word}", "um {word}"),
    "unable": ("I don't remember", "I don't know", "I forgot [it]", "no idea"),
    "no_phone": ("I don't remember", "my phone was stolen too", "this is not my phone", "I don't know it"),
    "phone": ("{phone}",),
    "sum": ("{sum}", "[it was] {sum}", "{sum} [yesterday]"),
    "ordinal": ("{ordinal}", "the {ordinal} [one]"),
    "city": ("{city_name}", "in {city}", "I am in {city}"),
    "term": ("{term}", "for {term}"),
    "own": ("my [own] deposit", "mine", "the one I have"),
    "new": ("a new one", "choose a new one"),
    "grievance": (
        "the lady at the counter was rude and (threw me out|would not help me) after an hour in the queue",
        "this is the third time I am told something different nobody answers my letters",
    ),
    "praise": (
        "a girl called Olga helped me with everything so patiently please thank her",
        "your operator yesterday solved it in a minute thank him for me",
    ),
    "ask_person": (
        "operator",
        "(a person|an operator) please",
        "let me talk to a human",
        "connect me to somebody",
    ),
    "upset": ("are you kidding me", "this is ridiculous", "I already told you", "what nonsense is this"),
    "what": ("what", "(sorry|pardon)", "say that again [please]", "repeat please"),
    "wait": ("wait [a minute]", "one moment", "hold on [let me look]"),
    "robot": ("are you a robot", "is this a machine"),
    "aside": ("not now I am on the phone", "sorry that was not for you", "it is noisy here"),
    "side_topic": (
        "and what is my balance",
        "and where is your office in {city}",
        "has my salary come",
        "what is my limit by the way",
    ),
    "english": ("English please", "do you speak English", "can we speak English"),
}

KINDS: Final = {
    "salary debit": ("salary",) * 3,
    "credit": ("credit",) * 3,
    "virtual": ("virtual",) * 3,
    "debit": ("debit",) * 3,
}
CITIES: Final = {
    "moscow": "Moscow",
    "petersburg": "Saint Petersburg",
    "novosibirsk": "Novosibirsk",
    "yekaterinburg": "Yekaterinburg",
    "kazan": "Kazan",
}
CITY_NAMES: Final = {name: (city,) for name, city in CITIES.items()}
TERMS: Final = {"three_months": "three months", "half_year": "half a year", "one_year": "one year"}
ORDINALS: Final = ("first", "second", "third")
