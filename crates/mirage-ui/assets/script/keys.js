/* The keyboard. What each key does is a real link, button or field of the page, which says so in `data-key`. */
(() => {
  "use strict";
  const all = (selector) => [...document.querySelectorAll(selector)];
  const bound = (keys) => document.querySelector(`[data-key="${CSS.escape(keys)}"]`);
  const typing = (at) => at.matches?.("textarea, select, input:not([type=checkbox], [type=radio])");
  const palette = document.getElementById("palette");
  const field = document.getElementById("jump");
  let begun = "", since = 0;
  let answered = new URLSearchParams(location.search).get("q") ?? "";

  /* Buttons that only script can do something with are shown. */
  document.documentElement.dataset.script = "";

  const press = (element) => {
    /* What posts changes something: a key only leads to it, and Enter presses it then. */
    if (!typing(element) && element.type !== "submit") return element.click();
    element.focus();
    element.select?.();
  };

  const copy = async (button) => {
    const text = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(text.textContent);
    } catch {
      /* Only a page that came over TLS or from this machine may write there. */
      getSelection().selectAllChildren(text);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  };

  const copyNear = () => {
    const row = document.activeElement.closest("tr, li, dd");
    const button = row?.querySelector(".copy button") ?? document.querySelector("main .copy button, footer .copy button");
    if (button) copy(button);
  };

  const move = (by) => {
    const links = all("main tbody tr, main ul.list > li").map((row) => row.querySelector("a[href]")).filter(Boolean);
    const row = document.activeElement.closest("tr, li");
    const at = links.findIndex((link) => row?.contains(link));
    const to = at < 0 ? 0 : Math.min(Math.max(at + by, 0), links.length - 1);
    links[to]?.focus();
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest(".copy button");
    if (button) copy(button);
    const jump = event.target.closest("[data-key='mod+k']");
    if (!jump || !palette || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (!palette.open) palette.showModal();
    field.select();
    htmx.trigger(field, "open");
  });

  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    const held = event.ctrlKey || event.metaKey;
    if (held && !event.altKey && !event.shiftKey && key.toLowerCase() === "k") {
      event.preventDefault();
      return press(bound("mod+k"));
    }
    if (key === "Escape" && palette?.open) {
      /* Left alone, it would only empty a field for searching. */
      event.preventDefault();
      return palette.close();
    }
    if (key === "Escape" && typing(target)) return target.blur();
    if (held || event.altKey || event.isComposing || event.repeat && key !== "j" && key !== "k") return;
    if (typing(target) || target.closest?.("dialog")) return;
    const keys = begun && Date.now() - since < 1500 ? `${begun} ${key}` : key;
    begun = all("[data-key]").some((one) => one.dataset.key.startsWith(`${keys} `)) ? keys : "";
    since = Date.now();
    if (begun) return;
    const own = { j: () => move(1), k: () => move(-1), c: copyNear }[keys];
    const element = bound(keys);
    if (!element && !own) return;
    event.preventDefault();
    if (element) press(element); else own();
  });

  /* The answers under the field: arrows go through them, Enter takes the first that is for what stands in the field. */
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target?.id === "found") answered = new URL(event.detail.xhr.responseURL).searchParams.get("q");
  });
  field?.closest("dialog, main").addEventListener("keydown", (event) => {
    const stops = [field, ...all("#found a")], at = stops.indexOf(document.activeElement);
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (at >= 0 && by) {
      event.preventDefault();
      stops[Math.min(Math.max(at + by, 0), stops.length - 1)].focus();
    } else if (event.key === "Enter" && at === 0 && stops[1] && answered === field.value) {
      event.preventDefault();
      stops[1].click();
    }
  });
  palette?.addEventListener("click", (event) => { if (event.target === palette) palette.close(); });
})();
