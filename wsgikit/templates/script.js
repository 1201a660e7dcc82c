// What makes the pages quicker to use. Everything works without it.
const each = (what, work, where = document) => where.querySelectorAll(what).forEach(work);
// A box in the heading ticks all rows of the page, and the bar below says how many are ticked.
each("form.many", form => {
  const boxes = [...form.querySelectorAll("tbody .tick input")], head = form.querySelector("thead .tick");
  const every = Object.assign(document.createElement("input"), { type: "checkbox", ariaLabel: head.dataset.all });
  head.append(every);
  form.addEventListener("change", ({ target }) => {
    if (target === every) for (const box of boxes) box.checked = every.checked;
    const ticked = boxes.filter(box => box.checked).length;
    [every.checked, every.indeterminate] = [ticked === boxes.length, ticked > 0 && ticked < boxes.length];
    form.querySelector("summary b").textContent = ticked || "";
  });
});

// Rows that match what is typed are offered, and the chosen one is named.
each("input[data-find]", input => {
  let timer;
  input.addEventListener("input", () => {
    const typed = input.value, picked = [...input.list.options].find(option => option.value === typed);
    each("output", name => { name.value = picked?.label ?? ""; }, input.parentNode);
    clearTimeout(timer);
    timer = typed && !picked && setTimeout(async () => {
      const answer = await fetch(input.dataset.find + encodeURIComponent(typed));
      const rows = answer.ok ? (await answer.json()).data.map(Object.values) : [];
      if (typed === input.value) input.list.replaceChildren(...rows.map(([id, name]) => new Option(name ?? "", id)));
    }, 150);
  });
});

// A second click does not send again; an address says only what was filled in; Escape closes what is open.
let last = {};
addEventListener("submit", e =>
  last.submitter === e.submitter && e.timeStamp - last.timeStamp < 5e3 ? e.preventDefault() : last = e);
addEventListener("formdata", ({ target: { method }, formData }) => method === "get" && [...formData].forEach(
  ([name, text]) => text || /__(eq|ne)$/.test(name) || formData.delete(name)));
addEventListener("keydown", ({ key }) => key === "Escape" && each("details[open]", box => {
  if (box.matches(":focus-within")) box.querySelector("summary").focus();
  box.open = false;
}));
