"""What a newcomer reads when everything is up."""

from portal.run.environment import DATA

SIGN_INS = DATA / "demo" / "welcome.txt"  # `manage.py demo` sees to it

TEXT = """
  Portal       {portal}/
  Sandbox      {sandbox}/  (a model behind the portal's keys)

{sign_ins}

  Call the sandbox with a key claimed at {portal}/access/ :

  curl {sandbox}/sandbox/v1/responses \\
    -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\
    -d '{{"model": "demo", "input": "Hello"}}'

  Ctrl-C stops everything; the data stays in {data}.
"""


def text(portal: str, sandbox: str) -> str:
    sign_ins = SIGN_INS.read_text().rstrip()
    return TEXT.format(portal=portal, sandbox=sandbox, sign_ins=sign_ins, data=DATA)
