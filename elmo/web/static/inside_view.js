// One memory cell of the reader from the left, word by word: its gates, and what it holds.
((live) => {
  const { make } = live;
  live.views = live.views || {};
  const GATES = ["forget", "input", "output"];
  const number = (value) => value.toFixed(2).replace("-", "−");

  live.views.inside = (context) => {
    const { cell, config } = context.facts;
    let chosen = { layer: cell.layer, unit: cell.unit }, upTo = null;
    const intro = make("p", { class: "intro" });
    const layerName = make("span"), unitName = make("span");
    const layer = make("select"), unit = make("input", { type: "number", min: 0, max: config.hidden - 1 });
    const back = make("button", { type: "button" }, "◀"), on = make("button", { type: "button" }, "▶");
    const all = make("button", { type: "button", class: "quiet" });
    const quotation = make("button", { type: "button", class: "quiet" });
    const note = make("p", { class: "help" }), result = make("div", { class: "wide" });
    const again = make("button", { type: "button", class: "quiet" });
    layer.addEventListener("change", () => set({ layer: Number(layer.value) }));
    unit.addEventListener("change", () => set({ unit: Math.max(0, Math.min(config.hidden - 1, Math.round(Number(unit.value)) || 0)) }));
    quotation.addEventListener("click", () => set({ layer: cell.layer, unit: cell.unit }));
    again.addEventListener("click", () => context.open(live.quotation));
    const count = () => context.state().words.length + 1;
    back.addEventListener("click", () => step(Math.max(1, (upTo ?? count()) - 1)));
    on.addEventListener("click", () => step(upTo === null ? 1 : Math.min(count(), upTo + 1)));
    all.addEventListener("click", () => step(null));

    function set(change) {
      chosen = { ...chosen, ...change };
      context.refresh();
    }

    function step(to) {
      upTo = to;
      context.refresh();
    }

    function rows(label, state, steps) {
      const most = config.cellClip || Math.max(1, ...steps.map((each) => Math.abs(each.cell)));
      const names = [label("special_bos"), ...state.words];
      return steps.slice(0, upTo ?? steps.length).map((each, index) => [
        names[index],
        live.bar(each.cell / most, number(each.cell), true),
        ...GATES.map((gate) => live.bar(each[gate], number(each[gate]))),
        live.bar(each.candidate, number(each.candidate), true),
      ]);
    }

    return {
      element: make("div", {}, intro,
        make("p", { class: "tools" }, make("label", {}, layerName, " ", layer), make("label", {}, unitName, " ", unit), quotation),
        note, make("p", { class: "tools" }, back, on, all, again), result),
      async update(state) {
        const { label } = context;
        intro.textContent = label("inside_intro", { hidden: config.hidden });
        layerName.textContent = "";
        unitName.textContent = label("cell_number");
        quotation.textContent = label("quotation");
        again.textContent = label("quotation_try");
        back.setAttribute("aria-label", label("step_back"));
        on.setAttribute("aria-label", label("step_on"));
        all.textContent = label("step_all");
        layer.setAttribute("aria-label", label("layer", { layer: "" }).trim());
        layer.replaceChildren(...Array.from({ length: config.layers }, (_, index) =>
          make("option", { value: index + 1 }, label("layer", { layer: index + 1 }))));
        layer.value = chosen.layer;
        unit.value = chosen.unit;
        const isQuotation = chosen.layer === cell.layer && chosen.unit === cell.unit;
        again.hidden = state.words.includes("“");
        note.textContent = isQuotation ? label("quotation_text", { ...cell, correlation: cell.correlation.toFixed(2) }) : "";
        if (isQuotation && !again.hidden) note.append(" ", label("quotation_none"));
        const steps = await context.latest("inside", { words: state.words, ...chosen });
        if (!steps) return;
        if (upTo !== null && upTo > steps.length) upTo = null;
        const head = [label("step"), label("cell"), ...GATES.map((gate) => label(`${gate}_gate`)), label("candidate")];
        const caption = `${label("layer", { layer: chosen.layer })}, ${label("cell_number")} ${chosen.unit}`;
        result.replaceChildren(live.table(caption, head, rows(label, state, steps), { class: "steps" }));
        result.querySelector("tr:last-child")?.classList.add("now");
      },
    };
  };
})(elmoLive);
