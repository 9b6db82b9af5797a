// Small comforts. Every page works without them.

// Copy buttons: shown only where copying is possible.
for (const button of document.querySelectorAll("[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  const words = button.querySelector("span");
  const before = words.textContent;
  button.hidden = !source || !navigator.clipboard;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      words.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      words.textContent = "Selected: press Ctrl+C";
    }
    setTimeout(() => { words.textContent = before; }, 4000);
  });
}

// A summary of errors is read first.
document.querySelector("[data-focus]")?.focus();

// Menus close on Escape, and when the reader turns elsewhere.
for (const menu of document.querySelectorAll("details[data-menu]")) {
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  for (const kind of ["pointerdown", "focusin"]) {
    document.addEventListener(kind, (event) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  }
}

// A passkey that did not work says so (allauth's script raises this event).
document.addEventListener("allauth.error", (event) => {
  const notice = document.querySelector("[data-passkey-error]");
  if (!notice) return;
  event.preventDefault();
  notice.hidden = false;
  notice.focus();
});

// Autosave: says what became of the last keystrokes. The announced part changes only when the
// state does; the age beside it ticks in silence.
for (const form of document.querySelectorAll("form[data-autosave]")) {
  const status = form.querySelector("[data-autosave-status]");
  if (!status) continue;
  const said = status.querySelector("[role=status]");
  const age = status.querySelector("[data-age]");
  let savedAt = null;

  const say = (words, failed = false) => {
    if (said.textContent !== words) said.textContent = words;
    status.classList.toggle("autosave--failed", failed);
    age.textContent = "";
  };
  const ours = (handler) => (event) => {
    if (event.detail.elt === form || form.contains(event.detail.elt)) handler(event.detail);
  };

  form.addEventListener("input", () => {
    savedAt = null;
    say("");
  });
  document.addEventListener("htmx:beforeRequest", ours(() => say("Saving…")));
  document.addEventListener("htmx:sendError", ours(() => {
    savedAt = null;
    say("Not saved: the connection failed. What you typed is still here.", true);
  }));
  document.addEventListener("htmx:afterRequest", ours(({ successful, xhr }) => {
    if (successful) {
      savedAt = Date.now();
      say("Saved");
    } else if (xhr.status === 409) {
      savedAt = null;
      say("Not saved: this was changed in another tab. What you typed is still here; "
        + "press Save to see both.", true);
    } else if (xhr.status === 401) {
      savedAt = null;
      say("Not saved: you are signed out. Copy what you typed, then sign in again.", true);
    } else if (xhr.status) {
      savedAt = null;
      say("Not saved yet. What you typed is still here; press Save to see why.", true);
    }
  }));
  setInterval(() => {
    if (savedAt === null) return;
    const seconds = Math.round((Date.now() - savedAt) / 1000);
    age.textContent = seconds < 60 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`;
  }, 1000);
}
