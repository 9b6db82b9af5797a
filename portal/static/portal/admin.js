// What Django's own admin pages leave unsaid to a screen reader.
window.addEventListener("load", () => {
  for (const tip of document.querySelectorAll("span.help-tooltip[aria-label]")) {
    tip.setAttribute("role", "img");
  }
  for (const heading of document.querySelectorAll(".tabular thead th")) {
    if (heading.textContent.trim()) continue;
    const words = document.createElement("span");
    words.className = "visually-hidden";
    words.textContent = heading.classList.contains("original") ? "Row" : "Remove";
    heading.append(words);
  }
});
