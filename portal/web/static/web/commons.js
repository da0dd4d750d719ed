// Conveniences only: every page works without this file.
(() => {
  "use strict";

  // A form is sent once: the second press of a double click finds its button asleep.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    setTimeout(() => { delete form.dataset.sent; }, 4000);
  });

  // A part of a page that changes by itself: <div data-live="/path" data-every="1000">. The server answers the part's
  // HTML, 304 while nothing changed, or a Location in X-Go-To when the person should be elsewhere.
  for (const part of document.querySelectorAll("[data-live]")) {
    let etag = "", every = Number(part.dataset.every || 2000);
    const look = async () => {
      try {
        const answer = await fetch(part.dataset.live, { headers: etag ? { "If-None-Match": etag } : {}, credentials: "same-origin" });
        const goTo = answer.headers.get("X-Go-To");
        if (goTo) { location.assign(goTo); return; }
        if (answer.status === 200) {
          etag = answer.headers.get("ETag") || "";
          part.innerHTML = await answer.text();
        }
        every = Number(answer.headers.get("X-Every") || every);
        if (answer.headers.get("X-Done")) return;
      } catch { /* the line is thin: try again below */ }
      setTimeout(look, document.hidden ? every * 5 : every);
    };
    setTimeout(look, every);
  }

  // A draft saves itself while it is written: <form data-autosave="/path">. Sending it waits for a save that is under way, and
  // cancels one that has not begun: what is sent is newer than both.
  for (const form of document.querySelectorAll("form[data-autosave]")) {
    const note = form.querySelector("[data-autosave-note]");
    let timer, saving = null;
    const keep = (name, value) => {
      const field = form.querySelector(`[name=${name}]`);
      if (value && field) field.value = value;
    };
    const save = async () => {
      try {
        const answer = await fetch(form.dataset.autosave, { method: "POST", body: new FormData(form), credentials: "same-origin" });
        keep("version", answer.headers.get("X-Version"));
        keep("shown", answer.headers.get("X-Shown"));
        if (!note) return;
        const said = answer.headers.get("Content-Type")?.startsWith("text/plain") ? await answer.text() : "";
        note.textContent = said || (answer.ok ? "Saved." : "Not saved yet; press Continue to keep it.");
      } catch { if (note) note.textContent = "No connection. What you wrote is still on this page."; }
    };
    form.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => { saving = save().finally(() => { saving = null; }); }, 800);
    });
    form.addEventListener("submit", (event) => {
      clearTimeout(timer);
      if (!saving) return;
      event.preventDefault();
      event.stopPropagation();
      const button = event.submitter;
      saving.then(() => form.requestSubmit(button));
    });
  }

  // A question that hangs on another of the same page is shown only when that one was answered so. It is asked all the same
  // where this file is missing, and what was typed into it stays.
  for (const field of document.querySelectorAll("[data-show-if]")) {
    const form = field.closest("form"), box = field.closest(".field"), name = field.dataset.showIf;
    if (!form || !box || !form.querySelector(`[name="${CSS.escape(name)}"]`)) continue;
    const wanted = field.dataset.showIfAny.split(" ");
    const show = () => { box.hidden = !new FormData(form).getAll(name).some((answer) => wanted.includes(answer)); };
    form.addEventListener("input", show);
    show();
  }

  // A text begins from ready-made words: <select data-fills="id of the text">. What somebody wrote is never thrown away: then the
  // words are added below it.
  for (const list of document.querySelectorAll("select[data-fills]")) {
    const area = document.getElementById(list.dataset.fills), ready = [...list.options].map((option) => option.value);
    if (!area) continue;
    list.hidden = false;
    list.addEventListener("change", () => {
      if (!list.value) return;
      const own = area.value.trim() && !ready.includes(area.value.trim());
      area.value = own ? `${area.value.trim()}\n\n${list.value}` : list.value;
      list.value = "";
      area.dispatchEvent(new Event("input", { bubbles: true }));
      area.focus();
    });
  }

  // Words are counted while they are written: <textarea data-words="200">.
  for (const area of document.querySelectorAll("textarea[data-words]")) {
    const note = document.createElement("p"), most = Number(area.dataset.words);
    note.className = "help";
    note.setAttribute("aria-live", "off");
    area.after(note);
    const count = () => {
      const words = area.value.split(/\s+/).filter(Boolean).length;
      note.textContent = words > most ? `${words} words: ${words - most} too many` : `${words} of ${most} words`;
      note.classList.toggle("errorlist", words > most);
    };
    area.addEventListener("input", count);
    count();
  }

  // The price follows the choice: <form data-quote="/path"> with a part called "quote".
  for (const form of document.querySelectorAll("form[data-quote]")) {
    const part = document.getElementById("quote");
    form.addEventListener("change", async () => {
      const asked = new URLSearchParams(new FormData(form));
      asked.delete("csrfmiddlewaretoken");
      const answer = await fetch(`${form.dataset.quote}?${asked}`, { credentials: "same-origin" });
      if (answer.ok) part.innerHTML = await answer.text();
    });
  }
  for (const spare of document.querySelectorAll("[data-hide-with-js]")) spare.hidden = true;

  // Copy buttons appear only where copying works.
  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).innerText.trim());
      button.textContent = "Copied";
    });
  }
})();
