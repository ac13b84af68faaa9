// Dots on a plane: the marked sentences of a word, and the reader's own.
((live) => {
  const { make, draw } = live;
  const SIZE = 320, EDGE = 18;
  const SHAPES = [ // as different as their colours
    (size) => `M0 ${-size}A${size} ${size} 0 1 1 0 ${size}A${size} ${size} 0 1 1 0 ${-size}Z`,
    (size) => `M0 ${-1.2 * size}L${1.1 * size} ${0.8 * size}L${-1.1 * size} ${0.8 * size}Z`,
    (size) => `M${-size} ${-size}H${size}V${size}H${-size}Z`,
    (size) => `M0 ${-1.3 * size}L${1.3 * size} 0L0 ${1.3 * size}L${-1.3 * size} 0Z`,
  ];
  const STAR = "M0-11L2.9-3.6 10.8-3.4 4.6 1.5 6.7 9.1 0 4.7-6.7 9.1-4.6 1.5-10.8-3.4-2.9-3.6Z";

  live.sign = (number) =>
    draw("svg", { class: `sign sense-${number % 4}`, viewBox: "-8 -8 16 16", width: 16, height: 16, "aria-hidden": "true" },
      draw("path", { d: SHAPES[number % 4](5) }));

  function scaler(points) {
    const bounds = [0, 1].map((axis) => [Math.min(...points.map((p) => p[axis])), Math.max(...points.map((p) => p[axis]))]);
    return (point) => point.map((value, axis) => {
      const [low, high] = bounds[axis], middle = (low + high) / 2;
      const widest = Math.max(bounds[0][1] - bounds[0][0], bounds[1][1] - bounds[1][0]) || 1;
      const at = SIZE / 2 + ((SIZE - 2 * EDGE) * (value - middle)) / widest;
      return axis ? SIZE - at : at;
    });
  }

  // points [sentence][axis] with their senses by number, own [axis]
  live.makeMap = function () {
    const stage = draw("svg", { class: "map", viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img" });
    const dots = draw("g"), star = draw("path", { class: "star", d: STAR });
    stage.append(dots, star);
    return {
      element: stage,
      show({ points, senses, titles, own, text }) {
        const place = scaler([...points, own]);
        stage.setAttribute("aria-label", text);
        const marks = points.map((point, index) => {
          const [x, y] = place(point);
          return draw("path", { class: `sense-${senses[index] % 4}`, d: SHAPES[senses[index] % 4](5), transform: `translate(${x} ${y})` },
            draw("title", {}, titles[index]));
        });
        dots.replaceChildren(...marks);
        const [x, y] = place(own);
        star.style.transform = `translate(${x}px, ${y}px)`;
      },
    };
  };

  live.oneDot = (text) =>
    draw("svg", { class: "map one", viewBox: "0 0 100 100", role: "img", "aria-label": text },
      draw("path", { class: "star still", d: STAR, transform: "translate(50 50)" }));

  // {element, values(), show(label, rows)}: one slider a row, at first all of the last; the weights are made to sum to one.
  live.makeSliders = function (count, changed) {
    const sliders = Array.from({ length: count }, (_, row) =>
      make("input", { type: "range", min: 0, max: 100, value: row === count - 1 ? 100 : 0, oninput: changed }));
    const names = sliders.map(() => make("span")), numbers = sliders.map(() => make("output"));
    const title = make("legend"), help = make("p", { class: "help" });
    const values = () => {
      const raw = sliders.map((slider) => Number(slider.value)), sum = raw.reduce((a, b) => a + b, 0);
      return raw.map((value) => (sum ? value / sum : 1 / count));
    };
    return {
      element: make("fieldset", { class: "sliders" }, title, help,
        sliders.map((slider, row) => make("label", {}, names[row], slider, numbers[row]))),
      values,
      show(label, rows) {
        title.textContent = label("mix");
        help.textContent = label("mix_text");
        values().forEach((value, row) => {
          names[row].textContent = rows[row];
          numbers[row].textContent = live.percent(value);
        });
      },
    };
  };
})(elmoLive);
