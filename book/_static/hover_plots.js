/* Draws the page's plots to point at when they come near; plotly.js is loaded then, from this book. */
(() => {
  const source = new URL("generated/plotly/plotly.min.js", document.currentScript.src);
  let loading = null;

  function loadPlotly() {
    loading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = source.href;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${source.href} cannot be loaded`));
      document.head.append(script);
    });
    return loading;
  }

  async function draw(plot) {
    const { data, layout, config } = JSON.parse(plot.querySelector("script").textContent);
    await loadPlotly();
    const stage = document.createElement("div");
    plot.replaceChildren(stage);
    await Plotly.newPlot(stage, data, layout, config);
  }

  document.addEventListener("DOMContentLoaded", () => {
    const near = new IntersectionObserver(
      (entries) => {
        for (const { target } of entries.filter((entry) => entry.isIntersecting)) {
          near.unobserve(target);
          draw(target);
        }
      },
      { rootMargin: "600px" },
    );
    document.querySelectorAll(".hover-plot").forEach((plot) => near.observe(plot));
  });
})();
