"""The words of the demo programme. The model, the people and the organisations do not exist."""

from portal.programs.enums import QuestionKind as Kind
from portal.programs.enums import RiskTier

DOMAIN = "demo.example"  # reserved by RFC 2606: no such mailbox exists
PASSWORD = "trusted-access-demo"  # noqa: S105 - known on purpose; see guard.py

STAFF = {
    "reviewer": ("rosa.reviewer", "Rosa Reviewer"),
    "second_reviewer": ("remy.reviewer", "Remy Reviewer"),  # a critical capability takes two
    "decider": ("dana.decider", "Dana Decider"),
    "programme_manager": ("pim.manager", "Pim Manager"),
    "incident_responder": ("ines.responder", "Ines Responder"),
    "incident_lead": ("lena.lead", "Lena Lead"),  # the second person whom grave steps take
    "auditor": ("aldo.auditor", "Aldo Auditor"),
}
ROLES = {"second_reviewer": "reviewer"}  # of those who are not called by theirs

RELEASE = {
    "slug": "halcyon-1",
    "name": "Halcyon-1",
    "audience": "https://gateway.halcyon.example",
    "summary": (
        "Halcyon-1 finds and explains weaknesses in software, and can carry a test attack through "
        "to the end. It is let out in stages, first to people who defend systems others depend on."
    ),
    "risk_statement": (
        "In the wrong hands Halcyon-1 could find weaknesses faster than they can be mended. "
        "Access is therefore reviewed, narrow, watched, and revoked at once when something is "
        "wrong."
    ),
}

CAPABILITIES = [
    (
        "model:infer",
        "Use the model",
        "Ask questions and get answers, without the cyber tools.",
        RiskTier.STANDARD,
    ),
    (
        "cyber:vulnerability-triage",
        "Vulnerability triage",
        "Rank and explain findings in code you own or maintain.",
        RiskTier.STANDARD,
    ),
    (
        "cyber:exploit-analysis",
        "Exploit analysis",
        "Explain how a known weakness can be used, to judge how urgent the mending is.",
        RiskTier.ELEVATED,
    ),
    (
        "cyber:attack-simulation",
        "Attack simulation",
        "Carry a test attack through on a system you are authorised to test.",
        RiskTier.CRITICAL,
    ),
]

AGREEMENT_TITLE = "Trusted access terms"
AGREEMENT = """\
1. You use Halcyon-1 only for the work described in your application.
2. You test only systems you own or have written permission to test.
3. You keep your key to yourself, and tell us within an hour if somebody else may have it.
4. You report weaknesses you find to whoever can mend them before anyone else.
5. We log that a key was used, and when; we may pause or revoke access at any time.
"""
AGREEMENT_NEXT = AGREEMENT + (
    "6. Weaknesses found in widely used open-source software go to its maintainers within two "
    "working days.\n"
)

QUESTIONS = [
    ("use", "Use case", Kind.LONG_TEXT, "What will you use the model for?",
     "The defensive work, the systems, and who benefits.", True, []),
    ("beneficiaries", "Use case", Kind.CHOICES, "Who benefits?", "",
     True, ["Our own organisation", "Our customers", "The public", "Open-source projects"]),
    ("duration", "Use case", Kind.NUMBER, "For how many weeks do you need access?", "", True, []),
    ("public_results", "Use case", Kind.YES_NO, "Will you publish results?", "", True, []),
    ("storage", "Safeguards", Kind.LONG_TEXT, "Where will the key be kept, and who can reach it?",
     "Name the secret store, not the secret.", True, []),
    ("monitoring", "Safeguards", Kind.CHOICE, "How is use of the key monitored?", "", True,
     ["Not yet", "Logs kept", "Logs kept and reviewed", "Alerts on unusual use"]),
    ("authorisation", "Safeguards", Kind.YES_NO,
     "Do you have written permission for every system you will test?", "", True, []),
    ("track_record", "Track record", Kind.LONG_TEXT, "What have you found and reported before?",
     "Advisories, talks, bug bounties; a few lines.", True, []),
    ("profile", "Track record", Kind.URL, "A public page about you or your work", "", False, []),
]  # fmt: skip

# name, who it is for, capacity, ceiling, days from today it opens and closes
PHASES = [
    (
        "Phase 1: invited partners",
        "Partners we invited by name, to try the programme itself.",
        10,
        ["model:infer", "cyber:vulnerability-triage"],
        -90,
        -20,
    ),
    (
        "Phase 2: trusted researchers",
        "Researchers and teams with a record of responsible disclosure.",
        40,
        [scope for scope, *_rest in CAPABILITIES],
        -75,
        60,
    ),
    (
        "Phase 3: wider defence",
        "Anyone who defends systems that others depend on.",
        500,
        ["model:infer", "cyber:vulnerability-triage", "cyber:exploit-analysis"],
        75,
        None,
    ),
]

ORGANIZATIONS = [
    ("Northwind Hospitals CERT", "NO", "https://cert.northwind-hospitals.example"),
    ("Tidewater Grid Security Lab", "IE", "https://tidewater-grid.example"),
]

# Whom a newcomer may sign in as, besides staff.
SIGN_INS = {
    "Ada Lindqvist": "has a key to claim, at /access/",
    "Chiara Conti": "has an offer to take up, at /applications/",
    "Dario Petrov": "has a live key, at /access/",
}

# Forty people, in the order of the story: the first has a key to claim.
PEOPLE = [
    "Ada Lindqvist", "Bela Kovacs", "Chiara Conti", "Dario Petrov", "Elif Demir",
    "Femi Adeyemi", "Greta Holm", "Hugo Marchand", "Imani Otieno", "Jonas Weber",
    "Keiko Mori", "Leila Haddad", "Mateo Rojas", "Nadia Rahman", "Oskar Nowak",
    "Priya Nair", "Quinn Murphy", "Rafael Sousa", "Sofia Andersen", "Tomasz Zielinski",
    "Uma Krishnan", "Viktor Dahl", "Wanjiru Kamau", "Xenia Papadaki", "Yusuf Aydin",
    "Zofia Lis", "Anders Bakken", "Bruna Alves", "Cillian Byrne", "Dunja Horvat",
    "Emre Kaya", "Fatou Diop", "Gustav Berg", "Hana Novakova", "Ilse Vermeer",
    "Jamal Carter", "Katya Orlova", "Luca Moretti", "Mireille Dubois", "Nils Eriksen",
]  # fmt: skip

USES = [
    "Triage of findings in the firmware of our hospitals' devices, before we call the makers.",
    "Sorting and confirming reports to the open-source projects we maintain.",
    "Judging which of the weaknesses in our grid's control systems must be mended this week.",
    "Checking that fixes in our parsing libraries hold, and writing the tests that prove it.",
    "Teaching our blue team how published weaknesses work, on machines built for that.",
]
SAFEGUARDS = (
    "In our secret manager, readable by two named engineers; every use is logged and the logs are "
    "read each morning."
)
RECORDS = (
    "Eleven advisories in three years, each published after the fix. Speaker at two regional "
    "security conferences."
)
