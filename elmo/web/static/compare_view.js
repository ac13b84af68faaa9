// Two sentences and a word that both share: how alike its vectors are, layer by layer.
((live) => {
  const { make } = live;
  live.views = live.views || {};

  function other(text) {
    const pair = live.examples.find((each) => each.includes(text));
    return pair ? pair.find((each) => each !== text) : live.examples[0].find((each) => each !== text);
  }

  live.views.compare = (context) => {
    const intro = make("p", { class: "intro" });
    const name = make("span"), field = make("input", { type: "text", autocomplete: "off", spellcheck: "false" });
    const choice = make("select"), choiceName = make("span");
    const cut = make("p", { class: "cut", lang: "zh" }), result = make("div", { class: "wide", "aria-live": "polite" });
    let typed = false, wanted = null, now = null;
    field.addEventListener("input", () => {
      typed = true;
      context.refresh();
    });
    choice.addEventListener("change", () => {
      wanted = choice.value;
      context.refresh();
    });

    function cosines(label, found) {
      const rows = found.own.map((value, layer) => [
        layer ? label("layer", { layer }) : label("layer", { layer: 0 }),
        live.bar(value, value.toFixed(2)),
        live.bar(found.hole[layer], found.hole[layer].toFixed(2)),
      ]);
      return live.table(label("compare_intro"), ["", label("own_vector"), label("hole_vector")], rows, { class: "votes" });
    }

    return {
      element: make("div", {}, intro, make("label", { class: "field" }, name, field), cut,
        make("label", {}, choiceName, " ", choice), result),
      async update(state) {
        const { label } = context;
        intro.textContent = "";
        name.textContent = label("second");
        choiceName.textContent = label("shared");
        if (!typed || now === null) field.value = typed ? field.value : other(state.text);
        now = state;
        const second = await context.latest("cut", { text: field.value.slice(0, live.longest.characters) });
        if (!second) return;
        const words = second.words.slice(0, live.longest.words);
        cut.textContent = words.join(" ");
        const shared = [...new Set(state.words.filter((word) => words.includes(word)))];
        shared.sort((first, last) => (last.length - first.length) || 0);
        choice.replaceChildren(...shared.map((word) => make("option", { value: word }, word)));
        if (!shared.length) {
          result.replaceChildren(make("p", {}, label("nothing_shared")));
          return;
        }
        const here = state.words[state.place];
        choice.value = shared.includes(wanted) ? wanted : shared.includes(here) ? here : shared[0];
        const place = state.words[state.place] === choice.value ? state.place : state.words.indexOf(choice.value);
        const found = await context.latest("compare", {
          first: { words: state.words, place },
          second: { words, place: words.indexOf(choice.value) },
        });
        if (found) result.replaceChildren(cosines(label, found));
      },
    };
  };
})(elmoLive);
