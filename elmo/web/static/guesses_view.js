// What each reader expects at the chosen word, and both together.
((live) => {
  const { make } = live;
  live.views = live.views || {};

  function shown(label, facts, word) {
    const { bos, eos, unk } = facts.special;
    return { [bos]: label("special_bos"), [eos]: label("special_eos"), [unk]: label("special_unk") }[word];
  }

  function context(words, place, side) {
    const gap = make("span", { class: "gap" });
    const before = words.slice(Math.max(0, place - 12), place).join("");
    const after = words.slice(place + 1, place + 13).join("");
    if (side === "left") return [before, gap];
    return side === "right" ? [gap, after] : [words.slice(Math.max(0, place - 6), place).join(""), gap, words.slice(place + 1, place + 7).join("")];
  }

  function list({ label, facts }, state, side, guess, count) {
    const word = state.words[state.place], most = Math.max(guess.top[0].share, 1e-9);
    const items = guess.top.slice(0, count).map((each) => {
      const special = shown(label, facts, each.word);
      return make("li", { class: each.word === word ? "own" : null },
        make("span", { class: special ? "guess special" : "guess" }, special || each.word),
        live.bar(each.share / most, live.percent(each.share)));
    });
    const rank = guess.rank === null
      ? label("own_unknown", { word })
      : label("own_rank", { word, rank: guess.rank.toLocaleString("en"), count: facts.config.words.toLocaleString("en"), share: live.percent(guess.share) });
    return make("section", { class: `guesses ${side}` },
      make("h4", {}, label(side)),
      make("p", { class: "knows" }, label(`${side}_knows`)),
      make("p", { class: "context", "aria-hidden": "true" }, make("bdi", { dir: "ltr" }, context(state.words, state.place, side))),
      make("ol", {}, items),
      make("p", { class: "rank" }, rank));
  }

  live.views.guesses = (context) => {
    const lists = make("div", { class: "lists", "aria-live": "polite" });
    const intro = make("p", { class: "intro" });
    return {
      element: make("div", {}, intro, lists),
      async update(state) {
        intro.textContent = context.label("guess_intro");
        const found = await context.latest("guesses", { words: state.words, place: state.place });
        if (!found) return;
        const count = context.small ? 5 : 10;
        lists.replaceChildren(...["left", "both", "right"].map((side) => list(context, state, side, found[side], count)));
      },
    };
  };
})(elmoLive);
