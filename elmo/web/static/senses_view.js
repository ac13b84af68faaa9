// Which sense? A word's place among marked sentences, how certain each row is, and word2vec, which never moves.
((live) => {
  const { make } = live;
  live.views = live.views || {};

  function withWord({ text, position }, word) {
    return [text.slice(0, position), make("b", {}, word), text.slice(position + word.length)];
  }

  live.views.senses = (context) => {
    const { senses, config } = context.facts;
    const intro = make("p", { class: "intro" }), chips = make("p", { class: "chips" });
    const map = live.makeMap(), legend = make("ul", { class: "legend" }), aside = make("div", { class: "aside" });
    const sliders = live.makeSliders(config.layers + 2, () => context.refresh());
    const votes = make("div", { class: "wide", "aria-live": "polite" }), nearest = make("div");
    const expected = make("p"), list = make("details"), content = make("div", { class: "senses" },
      make("div", {}, map.element, legend, expected, sliders.element), make("div", {}, votes, aside, nearest));

    const rowNames = (label, first) => [
      first,
      ...Array.from({ length: config.layers }, (_, index) => label("layer", { layer: index + 1 })),
      label("expected"),
    ];

    function chooseWord(label) {
      chips.replaceChildren(...Object.entries(senses).flatMap(([word, entry]) => [
        make("button", { type: "button", class: "chip", onclick: () => context.open(entry.sentences[0].text, word) }, word), " "]));
      intro.textContent = label("no_senses");
    }

    function sentence(word, item, numbers) {
      const open = () => context.open(item.text, word);
      return make("li", {}, live.sign(numbers[item.sense]),
        make("button", { type: "button", class: "sentence", lang: "zh", onclick: open }, withWord(item, word)));
    }

    function show(state, entry, found) {
      const { label } = context, word = found.word;
      const names = Object.keys(entry.senses);
      const numbers = Object.fromEntries(names.map((name, number) => [name, number]));
      const near = found.mixed.nearest.map(({ index }) => entry.sentences[index]);
      map.show({
        points: found.points,
        senses: entry.sentences.map(({ sense }) => numbers[sense]),
        titles: entry.sentences.map(({ text, sense }) => `${text} (${sense})`),
        own: found.own,
        text: label("map_text", { count: entry.sentences.length, word, nearest: near.map(({ sense }) => sense).join(", ") }),
      });
      legend.replaceChildren(...names.map((name) => make("li", {}, live.sign(numbers[name]), ` ${name} `,
        make("small", {}, entry.senses[name]))), make("li", {}, make("span", { class: "star-sign", "aria-hidden": "true" }, "★"), " ", label("yours")));
      const head = ["", ...names];
      const row = (name, { shares }) => [name, ...names.map((sense) => live.bar(shares[sense] || 0, live.percent(shares[sense] || 0)))];
      const rows = rowNames(label, label("layer_words")).map((name, index) => row(name, found.rows[index]));
      votes.replaceChildren(make("h4", {}, label("sure")),
        live.table(label("sure_text"), head, [...rows, row(label("mixed"), found.mixed)], { class: "votes" }));
      expected.textContent = label("expected_here", { word, words: found.expected.join(" ") });
      const still = entry.static.length ? label("static_text", { word, neighbours: entry.static.join(" ") }) : null;
      aside.replaceChildren(...(still ? [live.oneDot(still), make("p", {}, make("b", {}, label("static_title")), ". ", still)] : []));
      nearest.replaceChildren(make("h4", {}, label("nearest")),
        make("ol", { class: "near" }, near.map((item) => sentence(word, item, numbers))));
      list.replaceChildren(make("summary", {}, label("all_sentences")),
        make("ul", { class: "near" }, entry.sentences.map((item) => sentence(word, item, numbers))));
    }

    return {
      element: make("div", {}, intro, chips, content, list),
      async update(state) {
        const { label } = context;
        const isMarked = (word) => Boolean(senses) && Object.hasOwn(senses, word);
        const place = isMarked(state.words[state.place]) ? state.place : state.words.findIndex(isMarked);
        content.hidden = list.hidden = place < 0;
        chips.hidden = place >= 0;
        if (!senses) {
          intro.textContent = label("senses_none");
          return;
        }
        if (place < 0) {
          chooseWord(label);
          return;
        }
        sliders.show(label, rowNames(label, label("layer", { layer: 0 })));
        intro.textContent = label("senses_intro", { word: state.words[place] });
        const found = await context.latest("senses", { words: state.words, place, shares: sliders.values() });
        if (found) show(state, senses[state.words[place]], found);
      },
    };
  };
})(elmoLive);
