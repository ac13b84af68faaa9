// The page: a sentence field, its words, and what can be looked at. One `.elmo-live` element is one of these.
((live) => {
  const { make } = live;
  const VIEWS = ["guesses", "senses", "substitutes", "inside", "compare"];
  const MODEL = "elmo-live-model.js";
  live.longest = { words: 200, characters: 2000 };
  const base = document.currentScript && document.currentScript.src ? document.currentScript.src : location.href;
  const modelFile = new URL(MODEL, base).href;

  function start(root) {
    const small = root.hasAttribute("data-small");
    let language = live.recall("language") || root.dataset.language || "en";
    let engine = null, view = "guesses", typed = null, dirty = true;
    let state = { text: "", words: [], known: [], place: 0 };
    const made = {};
    const label = (key, values) => live.label(language, key, values);

    const languageButton = make("button", { type: "button", class: "quiet language" });
    const fieldName = make("span"), field = make("textarea", { rows: 1, spellcheck: "false", autocomplete: "off", lang: "zh" });
    const examples = make("p", { class: "chips" }), message = make("p", { class: "message", role: "status" });
    const tabs = make("div", { role: "tablist", class: "tabs" }), panel = make("div", { role: "tabpanel", class: "panel" });
    const boxes = live.makeBoxes(label, {
      choose(place) {
        state = { ...state, place };
        settle();
      },
      recut(words, after) {
        typed = { words };
        settle().then(after);
      },
    });

    const context = {
      label,
      small,
      state: () => state,
      refresh: () => settle(),
      open(text, word) {
        openSentence(text, word);
        root.scrollIntoView({ block: "start", behavior: "smooth" });
      },
      // The engine's answer, or null when the sentence has changed meanwhile.
      async latest(name, request) {
        const asked = state;
        const answer = await engine.ask(name, request);
        return asked === state ? answer : null;
      },
    };

    const isMarked = (word) => Object.hasOwn(engine.facts.senses || {}, word);

    function openSentence(text, word) {
      field.value = text;
      typed = { text, pick: word ? (each) => each === word : isMarked };
      settle();
    }

    // One refresh after the other; what is typed meanwhile is taken up at the end, the latest only.
    let running = null;
    function settle() {
      dirty = true;
      running = running || (async () => {
        try {
          while (dirty) {
            dirty = false;
            await refresh();
          }
        } catch (error) {
          fail(error);
        } finally {
          running = null;
        }
      })();
      return running;
    }

    function fail(error) {
      const known = ["missing", "damaged"].includes(error.message);
      message.className = "message failed";
      message.textContent = label(known ? `failed_${error.message}` : "failed_other", { file: MODEL, reason: error.message });
      root.classList.remove("ready");
    }

    async function refresh() {
      if (!engine) {
        message.textContent = label("loading");
        engine = await live.startEngine(modelFile);
        context.facts = engine.facts;
        root.classList.add("ready");
      }
      if (typed) {
        const { text, words, pick, place } = typed;
        typed = null;
        const long = live.longest;
        const found = words
          ? await engine.ask("know", { words: words.slice(0, long.words) })
          : await engine.ask("cut", { text: text.slice(0, long.characters) });
        const cutOff = found.words.length > long.words || (text || "").length > long.characters;
        const kept = found.words.slice(0, long.words);
        const wanted = pick ? kept.findIndex(pick) : place ?? state.place;
        state = { text: text ?? state.text, moved: Boolean(words), words: kept, known: found.known, place: Math.max(0, Math.min(wanted, kept.length - 1)) };
        message.textContent = cutOff ? label("cut_off", { count: long.words }) : kept.length ? "" : label("empty");
      }
      boxes.show(state);
      panel.hidden = !state.words.length;
      if (state.words.length) await current().update(state);
      keepAddress();
    }

    function current() {
      made[view] = made[view] || live.views[view](context);
      if (panel.firstChild !== made[view].element) panel.replaceChildren(made[view].element);
      return made[view];
    }

    function showTabs() {
      tabs.setAttribute("aria-label", label("views"));
      tabs.replaceChildren(...VIEWS.map((name) => make("button", {
        type: "button", role: "tab", "aria-selected": String(name === view), tabindex: name === view ? "0" : "-1",
        onclick: () => setView(name),
        onkeydown: (event) => {
          const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
          if (!step) return;
          event.preventDefault();
          setView(VIEWS[(VIEWS.indexOf(name) + step + VIEWS.length) % VIEWS.length]);
          tabs.querySelector('[aria-selected="true"]').focus();
        },
      }, label(`view_${name}`))));
    }

    function setView(name) {
      view = name;
      showTabs();
      panel.setAttribute("aria-label", label(`view_${view}`));
      settle();
    }

    function showLabels() {
      languageButton.textContent = label("language");
      languageButton.setAttribute("lang", language === "zh" ? "en" : "zh");
      fieldName.textContent = label("sentence");
      field.setAttribute("placeholder", label("placeholder"));
      examples.replaceChildren(make("span", {}, label("examples")), " ", ...live.examples.flat().slice(0, small ? 4 : undefined).flatMap((text) => [
        make("button", { type: "button", class: "chip", lang: "zh", onclick: () => openSentence(text) }, text), " "]));
      root.setAttribute("lang", language === "zh" ? "zh-Hans" : "en");
      showTabs();
      boxes.redraw();
    }

    // The address says what is looked at, so that it can be sent to somebody; small ones leave it alone.
    function keepAddress() {
      if (small) return;
      const parts = new URLSearchParams(state.moved ? { words: state.words.join(" ") } : { s: state.text });
      parts.set("w", state.place);
      parts.set("view", view);
      try {
        history.replaceState(null, "", `#${parts}`);
      } catch {
        // pages from the disk may not
      }
    }

    function openAddress(first) {
      const parts = new URLSearchParams(small ? "" : location.hash.slice(1));
      if (live.languages.includes(parts.get("lang"))) language = parts.get("lang");
      if (VIEWS.includes(parts.get("view"))) view = parts.get("view");
      const words = (parts.get("words") || "").split(" ").filter(Boolean);
      const text = parts.get("s") ?? (words.length ? words.join("") : first);
      if (text === null) return;
      field.value = text;
      typed = { text };
      if (words.length && parts.get("s") === null) typed.words = words;
      if (parts.has("w")) typed.place = Number(parts.get("w")) || 0;
      else typed.pick = isMarked;
    }

    languageButton.addEventListener("click", () => {
      language = language === "zh" ? "en" : "zh";
      live.remember("language", language);
      showLabels();
      if (engine) settle();
    });
    field.addEventListener("input", () => {
      typed = { text: field.value };
      settle();
    });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) event.preventDefault(); // one sentence has one line
    });
    if (!small) {
      window.addEventListener("hashchange", () => {
        openAddress(null);
        showLabels();
        settle();
      });
    }

    root.replaceChildren(
      make("div", { class: "head" }, make("label", { class: "field" }, fieldName, field), languageButton),
      examples, message, boxes.element, ...(small ? [panel] : [tabs, panel]),
      ...(small && root.dataset.more ? [make("p", { class: "more" }, make("a", { href: root.dataset.more }, label("more")))] : []));
    openAddress(root.dataset.sentence || live.examples[0][1]);
    showLabels();
    panel.hidden = true;
    if (small) {
      message.textContent = label("touch");
      const wake = () => {
        for (const kind of ["pointerdown", "focusin"]) root.removeEventListener(kind, wake);
        settle();
      };
      for (const kind of ["pointerdown", "focusin"]) root.addEventListener(kind, wake);
    } else settle();
  }

  const begin = () => document.querySelectorAll(".elmo-live").forEach(start);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})(elmoLive);
