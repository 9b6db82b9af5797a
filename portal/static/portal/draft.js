// Drafts: the Save button waits for an autosave under way, so that a page never overtakes itself.
for (const form of document.querySelectorAll("form[data-autosave]")) {
  let leaving = false;

  form.addEventListener("submit", (event) => {
    leaving = true;
    if (!form.classList.contains("htmx-request")) return;
    event.preventDefault();
    form.addEventListener("htmx:afterRequest", () => {
      form.requestSubmit(event.submitter);
    }, { once: true });
  });

  // What was typed goes with the button; another save beside it would only make it stale.
  form.addEventListener("htmx:beforeRequest", (event) => {
    if (leaving) event.preventDefault();
  });

  addEventListener("pageshow", () => { leaving = false; });
}
