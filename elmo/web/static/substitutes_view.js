// The sentence as text in two dimensions: under each word, layer by layer, what could stand in its place.
((live) => {
  const { make } = live;
  live.views = live.views || {};

  live.views.substitutes = (context) => {
    const intro = make("p", { class: "intro" });
    const columns = make("ol", { class: "columns" });
    return {
      element: make("div", {}, intro, columns),
      async update(state) {
        const { label } = context;
        intro.textContent = label("substitutes_intro");
        const found = await context.latest("substitutes", { words: state.words });
        if (!found) return;
        columns.replaceChildren(...found.map((rows, place) =>
          make("li", { class: place === state.place ? "chosen" : null },
            make("strong", {}, state.words[place]),
            make("dl", {}, rows.map((words, layer) => [
              make("dt", {}, layer ? label("layer", { layer }) : label("layer_static")),
              make("dd", {}, words.length ? words.join(" ") : "–"),
            ])))));
      },
    };
  };
})(elmoLive);
