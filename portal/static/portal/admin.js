// What Django's own admin pages leave unsaid to a screen reader.
window.addEventListener("load", () => {
  for (const tip of document.querySelectorAll("span.help-tooltip[aria-label]")) {
    tip.setAttribute("role", "img");
  }
});
