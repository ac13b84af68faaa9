// The sentence's words as boxes: one is chosen, by pointing, by tapping or with the arrow keys; boundaries can be moved.
((live) => {
  const { make } = live;
  const POINTING = 90; // milliseconds that a pointer has to rest on a word

  // events: choose(place), recut(words)
  live.makeBoxes = function (label, events) {
    const list = make("div", { class: "words", role: "group" });
    const toggle = make("button", { type: "button", class: "quiet", "aria-pressed": "false" });
    const help = make("span", { class: "help" });
    const element = make("div", { class: "boxes" }, list, make("p", { class: "tools" }, toggle, " ", help));
    let shown = { words: [], known: [], place: 0 }, cutting = false, timer = 0;

    toggle.addEventListener("click", () => {
      cutting = !cutting;
      draw();
    });

    function wordButton(word, place) {
      const chosen = place === shown.place, known = shown.known[place];
      return make("button", {
        type: "button",
        class: known ? "word" : "word unknown",
        "aria-pressed": String(chosen),
        tabindex: chosen ? "0" : "-1",
        title: known ? null : label("unknown"),
        onclick: () => choose(place),
        onfocus: () => choose(place),
        onpointerenter: (event) => {
          clearTimeout(timer);
          if (event.pointerType === "mouse") timer = setTimeout(() => choose(place), POINTING);
        },
        onpointerleave: () => clearTimeout(timer),
        onkeydown: (event) => {
          const step = { ArrowLeft: -1, ArrowRight: 1, Home: -shown.words.length, End: shown.words.length }[event.key];
          if (!step) return;
          event.preventDefault();
          const target = Math.max(0, Math.min(shown.words.length - 1, place + step));
          list.children[target].focus();
        },
      }, word);
    }

    function choose(place) {
      if (place === shown.place) return;
      shown = { ...shown, place };
      mark();
      events.choose(place);
    }

    function mark() {
      [...list.children].forEach((button, place) => {
        button.setAttribute("aria-pressed", String(place === shown.place));
        button.setAttribute("tabindex", place === shown.place ? "0" : "-1");
      });
    }

    // Every place between two characters as a button: a closed seam joins them into a word, an open one is a boundary.
    function seams() {
      const parts = [], words = shown.words.map((word) => live.characters(word));
      words.forEach((characters, place) => {
        characters.forEach((character, index) => {
          parts.push(make("span", { class: "character" }, character));
          const ends = index === characters.length - 1;
          if (ends && place === words.length - 1) return;
          const text = ends
            ? label("join_here", { before: shown.words[place], after: shown.words[place + 1] })
            : label("cut_here", { before: characters.slice(0, index + 1).join("") });
          const onclick = () => {
            const at = [...list.querySelectorAll(".seam")].findIndex((seam) => seam === document.activeElement);
            const head = shown.words.slice(0, place), tail = shown.words.slice(place + (ends ? 2 : 1));
            const changed = ends
              ? [shown.words[place] + shown.words[place + 1]]
              : [characters.slice(0, index + 1).join(""), characters.slice(index + 1).join("")];
            events.recut([...head, ...changed, ...tail], () => list.querySelectorAll(".seam")[at]?.focus());
          };
          const attributes = { type: "button", class: ends ? "seam open" : "seam", "aria-label": text, title: text };
          parts.push(make("button", { ...attributes, onclick }));
        });
      });
      return parts;
    }

    function draw() {
      list.setAttribute("aria-label", label("words"));
      list.classList.toggle("cutting", cutting);
      list.replaceChildren(...(cutting ? seams() : shown.words.map(wordButton)));
      toggle.textContent = label(cutting ? "boundaries_done" : "boundaries");
      toggle.setAttribute("aria-pressed", String(cutting));
      toggle.hidden = !shown.words.length;
      help.textContent = cutting ? label("boundaries_help") : "";
    }

    return {
      element,
      show(state) {
        const same = state.words === shown.words; // what has the focus keeps it
        shown = { words: state.words, known: state.known, place: state.place };
        if (!same) draw();
        else if (!cutting) mark();
      },
      redraw: draw,
    };
  };
})(elmoLive);
