"""First names common in English, lower case; a word that people are called is no code word."""

from __future__ import annotations

from typing import Final

_LINES: Final = (
    "aaron abigail adam adrian aidan alan albert alex alexander alexandra alice alison amanda amber amelia amy",
    "andrea andrew angela angelina ann anna anne annette anthony antonia april arthur ashley audrey austin ava",
    "barbara barry beatrice belinda benjamin bernard beth bethany betty beverly bill billy bob bobby bradley",
    "brandon brenda brian bridget bruce bryan caitlin caleb cameron carl carla carol caroline carolyn",
    "catherine cecilia charles charlie charlotte chelsea cheryl chloe chris christian christina christine",
    "christopher claire clara clarence claudia clifford colin connor constance craig crystal curtis cynthia",
    "daisy dale dana daniel danielle darren david dawn dean deborah debra denise dennis derek diana diane",
    "dominic donald donna doris dorothy douglas dylan edgar edith edward edwin eileen elaine eleanor elijah",
    "elizabeth ella ellen emily emma eric erica erin ernest esther ethan eugene eva evan evelyn faith felicity",
    "fiona florence frances francesca francis frank franklin fred frederick gabriel gareth gary gavin geoffrey",
    "george georgia gerald geraldine gillian gina gladys glenn gloria gordon grace graham grant gregory hannah",
    "harold harriet harrison harry hayley heather heidi helen henry herbert holly howard hugh ian irene isaac",
    "isabel isabella isla ivy jack jackson jacob jacqueline jade jake james jamie jane janet janice jared",
    "jasmine jason jay jean jeffrey jenna jennifer jeremy jerry jesse jessica jill jim joan joanna joanne joe",
    "joel john johnny jonathan jordan joseph joshua joy joyce juan judith judy julia julian julie june justin",
    "karen kate katherine kathleen kathryn katie kayla keith kelly kenneth kerry kevin kim kimberly kirsten",
    "kyle lance larry laura lauren laurence lawrence leah leo leon leonard leslie lewis liam lillian lily",
    "linda lindsay lisa logan lois lori louis louise lucas lucy luis luke lydia lynn mackenzie madeline",
    "madison malcolm margaret maria marie marilyn marion marjorie mark martha martin marvin mary mason matthew",
    "maureen maurice max megan melanie melissa melvin mia michael michelle mildred miranda molly monica morgan",
    "nancy naomi natalie natasha nathan nathaniel neil nicholas nicola nicole nigel noah nora norma norman",
    "oliver olivia oscar owen pamela patricia patrick paul paula pauline penelope penny peter philip phillip",
    "phoebe phyllis poppy rachel ralph randy raymond rebecca regina rhys richard rita robert roberta robin",
    "rodney roger ronald rosa rose rosemary ross roy ruby russell ruth ryan sabrina sally samantha samuel",
    "sandra sara sarah scarlett scott sean sebastian seth shane shannon sharon shaun sheila shirley sidney",
    "simon sophia sophie spencer stacey stanley stella stephanie stephen steven stuart susan suzanne sylvia",
    "tara teresa terence terry thelma theodore theresa thomas tiffany timothy tina toby todd tom tony tracey",
    "tracy travis trevor troy tyler valerie vanessa vera veronica victor victoria vincent violet virginia",
    "vivian walter wanda warren wayne wendy wesley william winifred yvonne zachary zoe",
)

FIRST_NAMES: Final = frozenset(name for line in _LINES for name in line.split())
