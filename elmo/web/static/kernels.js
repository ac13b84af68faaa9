// Products of matrices and vectors, in WebAssembly where the browser has its SIMD, otherwise in plain JavaScript.
//
// Every part of the engine is a function that adds to `elmo`. The page runs the parts, or a worker does, from their
// own source: pages from the disk may not load a worker's script.
var elmoEngine = elmoEngine || [];

elmoEngine.push(function (elmo) {
  // Bytes of a module with one function. For each of `count` rows it takes the dot products of a vector `one` with
  // four others, which stand `four`, `four + 4 * size`, ... and writes them at `out`, `out + gap`, ...; then all three
  // move on by their steps. Addresses, steps and the gap are in bytes; size is a multiple of 4.
  const PARAMETERS = ["one", "oneStep", "four", "fourStep", "out", "outStep", "gap", "count", "size"];

  function moduleBytes() {
    const LOCALS = [...PARAMETERS, "end", "p0", "p1", "p2", "p3", "p", "s0", "s1", "s2", "s3", "x"];
    const place = Object.fromEntries(LOCALS.map((name, index) => [name, index]));
    const get = (name) => [0x20, place[name]];
    const set = (name) => [0x21, place[name]];
    const constant = (value) => [0x41, value];
    const ADD = 0x6a, SUBTRACT = 0x6b, SHIFT_LEFT = 0x74, LESS = 0x49;
    const simd = (...code) => [0xfd, ...code];
    const load = simd(0x00, 4, 0), splat = simd(0x13), multiply = simd(0xe6, 0x01), add = simd(0xe4, 0x01);
    const lane = (index) => simd(0x1f, index);
    const storeFloat = [0x38, 2, 0], addFloat = 0x92, zero = [0x43, 0, 0, 0, 0];
    const advance = (name, by) => [...get(name), ...by, ADD, ...set(name)];
    const quarters = [0, 1, 2, 3];

    const start = quarters.flatMap((j) => [
      ...(j === 0 ? get("four") : [...get(`p${j - 1}`), ...get("size"), ...constant(2), SHIFT_LEFT, ADD]),
      ...set(`p${j}`), ...zero, ...splat, ...set(`s${j}`),
    ]);
    const dots = [
      0x03, 0x40, // loop over the numbers of a row, four at a time
      ...get("p"), ...load, ...set("x"),
      ...quarters.flatMap((j) => [
        ...get(`s${j}`), ...get("x"), ...get(`p${j}`), ...load, ...multiply, ...add, ...set(`s${j}`),
        ...advance(`p${j}`, constant(16)),
      ]),
      ...advance("p", constant(16)),
      ...get("p"), ...get("end"), LESS, 0x0d, 0, 0x0b,
    ];
    const store = quarters.flatMap((j) => [
      ...get("p"), // here the address of the next result
      ...quarters.flatMap((index) => [...get(`s${j}`), ...lane(index), ...(index ? [addFloat] : [])]),
      ...storeFloat, ...advance("p", get("gap")),
    ]);
    const body = [
      0x03, 0x40, // loop over rows
      ...get("one"), ...set("p"),
      ...get("one"), ...get("size"), ...constant(2), SHIFT_LEFT, ADD, ...set("end"),
      ...start, ...dots, ...get("out"), ...set("p"), ...store,
      ...advance("one", get("oneStep")), ...advance("four", get("fourStep")), ...advance("out", get("outStep")),
      ...get("count"), ...constant(1), SUBTRACT, ...set("count"), ...get("count"), 0x0d, 0, 0x0b, 0x0b,
    ];
    const number = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...number(value >> 7)]); // LEB128
    const section = (id, bytes) => [id, ...number(bytes.length), ...bytes];
    const name = (text) => [text.length, ...[...text].map((letter) => letter.charCodeAt(0))];
    const locals = [2, 6, 0x7f, 5, 0x7b]; // six more integers, five vectors
    const code = [...locals, ...body];
    return new Uint8Array([
      ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...section(1, [1, 0x60, PARAMETERS.length, ...PARAMETERS.map(() => 0x7f), 0]),
      ...section(2, [1, ...name("e"), ...name("m"), 2, 0, 1]), // memory e.m
      ...section(3, [1, 0]),
      ...section(7, [1, ...name("dots"), 0, 0]),
      ...section(10, [1, ...number(code.length), ...code]),
    ]);
  }

  function plainDots(floats) {
    return (one, oneStep, four, fourStep, out, outStep, gap, count, size) => {
      let w = one >> 2, a = four >> 2, o = out >> 2;
      for (let row = 0; row < count; row++) {
        const b = a + size, c = b + size, d = c + size;
        let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        for (let k = 0; k < size; k++) {
          const x = floats[w + k];
          s0 += x * floats[a + k];
          s1 += x * floats[b + k];
          s2 += x * floats[c + k];
          s3 += x * floats[d + k];
        }
        const g = gap >> 2;
        floats[o] = s0;
        floats[o + g] = s1;
        floats[o + 2 * g] = s2;
        floats[o + 3 * g] = s3;
        w += oneStep >> 2;
        a += fourStep >> 2;
        o += outStep >> 2;
      }
    };
  }

  // Room for `total` floats, and the product over it. `withoutSimd` is for comparing the two.
  elmo.makeKernel = function (total, withoutSimd) {
    const bytes = 4 * total + 1024;
    let buffer, dots, simd = false;
    if (!withoutSimd && typeof WebAssembly === "object") {
      try {
        const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / 65536) });
        const compiled = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes()), { e: { m: memory } });
        buffer = memory.buffer;
        dots = compiled.exports.dots;
        simd = true;
      } catch {
        buffer = null; // no SIMD, or a page that forbids WebAssembly: the plain loop gives the same
      }
    }
    if (!buffer) {
      buffer = new ArrayBuffer(bytes);
      dots = plainDots(new Float32Array(buffer));
    }
    let used = 0;
    return {
      simd,
      // An array of zeros in the kernel's room.
      take(length) {
        const view = new Float32Array(buffer, used, length);
        used += 16 * Math.ceil(length / 4);
        return view;
      },
      // out[s * rows + r] = matrix[r] . vectors[s], for four vectors.
      four(matrix, rows, size, vectors, out) {
        dots(matrix.byteOffset, 4 * size, vectors.byteOffset, 0, out.byteOffset, 4, 4 * rows, rows, size);
      },
      // out[r] = matrix[r] . vector; rows are a multiple of 4.
      one(matrix, rows, size, vector, out) {
        dots(vector.byteOffset, 0, matrix.byteOffset, 16 * size, out.byteOffset, 16, 4, rows / 4, size);
      },
    };
  };
});
