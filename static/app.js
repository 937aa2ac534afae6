// What pages gain with JavaScript; each of them works without. Nothing here
// makes HTML: it moves the focus, copies text, and sends forms that are there.
(() => {
  "use strict";
  const find = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const say = (text) => { find("#say").textContent = text; };
  const palette = find("#palette");

  // Copying

  const copy = async (button) => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      // Not a secure context: the old way, through a selection.
      const area = document.createElement("textarea");
      area.value = button.dataset.copy;
      area.className = "out-of-sight";
      button.after(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      button.focus();
      if (!done) {
        say("Copying is not allowed here: select the text instead.");
        return;
      }
    }
    say("Copied.");
    button.classList.add("is-done");
    button.addEventListener("blur", () => button.classList.remove("is-done"), { once: true });
  };

  // Colours: as the form without JavaScript, but in place

  const paint = async (button) => {
    document.documentElement.dataset.theme = button.value;
    for (const other of all("button", button.form)) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    try {
      await fetch(button.form.action, {
        method: "POST",
        redirect: "manual",
        body: new URLSearchParams({ theme: button.value, return: "/" }),
      });
    } catch {
      say("The choice could not be saved.");
    }
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.copy !== undefined) copy(button);
    if (button?.dataset.close !== undefined) palette.close();
    if (event.target === palette) palette.close();
    const person = find(".person[open]");
    if (person && !person.contains(event.target)) person.open = false;
  });

  document.addEventListener("submit", (event) => {
    if (event.target.matches(".theme") && event.submitter) {
      event.preventDefault();
      paint(event.submitter);
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target.dataset?.submit !== undefined) event.target.form.requestSubmit();
  });

  // Keys

  const step = (by) => {
    const rows = all("[data-row]", palette.open ? palette : find("main")).filter((row) => row.checkVisibility());
    if (rows.length === 0) return;
    const at = rows.indexOf(document.activeElement);
    rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1)].focus();
  };

  const openPalette = () => {
    if (palette.open) return;
    palette.showModal();
    find("#palette-q").select();
  };

  document.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      openPalette();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (palette.open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      step(event.key === "ArrowDown" ? 1 : -1);
      return;
    }
    if (event.key === "Escape") {
      const person = find(".person[open]");
      if (person) {
        person.open = false;
        find("summary", person).focus();
      }
    }
    if (palette.open || event.target.closest("input, textarea, select, [contenteditable]")) return;
    switch (event.key) {
      case "/": {
        const field = find("[data-focus]") ?? find("[data-find]");
        event.preventDefault();
        field.focus();
        field.select();
        break;
      }
      case "j":
        step(1);
        break;
      case "k":
        step(-1);
        break;
      case "?":
        location.assign("/help");
        break;
    }
  });

  // Lists that were narrowed in place say how many are left

  document.addEventListener("htmx:after:swap", () => {
    const count = find("#list-count");
    if (count) say(count.textContent.trim());
  });

  // A page that couldn't be fetched must not replace the list

  document.addEventListener("htmx:before:swap", (event) => {
    const status = event.detail.ctx?.response?.status ?? 200;
    if (status >= 400 && status !== 422) {
      event.preventDefault();
      location.assign(event.detail.ctx.request.action);
    }
  });

  // What changes while a page is open, as the server says it: each event is a
  // part of the page. A tab that nobody sees asks for nothing.

  const live = find("[data-live]");
  if (live) {
    let source, later;
    const listen = () => {
      clearTimeout(later);
      source?.close();
      if (document.hidden) return;
      source = new EventSource(live.dataset.live);
      source.onmessage = (event) => {
        const target = document.getElementById(event.lastEventId);
        if (target) htmx.swap({ text: event.data, target, sourceElement: target, swap: "outerMorph" });
      };
      source.onerror = () => {
        if (source.readyState === EventSource.CLOSED) later = setTimeout(listen, 30000); // refused: too many pages are open
      };
    };
    document.addEventListener("visibilitychange", listen);
    addEventListener("pagehide", () => source?.close());
    addEventListener("pageshow", (event) => event.persisted && listen());
    listen();
  }

  // On a small screen the list comes before the ways to narrow it

  const facets = find("[data-facets]");
  if (facets && matchMedia("(max-width: 1020px)").matches) facets.open = false;

  // Print what is folded, too

  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("main details:not([open])");
    for (const details of folded) {
      details.dataset.name = details.name ?? "";
      details.name = "";
      details.open = true;
    }
  });
  addEventListener("afterprint", () => {
    for (const details of folded) {
      details.open = false;
      details.name = details.dataset.name;
    }
    folded = [];
  });
})();
