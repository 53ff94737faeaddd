// Reads what `packing.py` wrote: text and columns of numbers, deflated, in base64.

async function inflated(id) {
  const text = atob(document.getElementById(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

const KINDS = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f8: Float64Array };
const WIDEST = 8;

async function unpacked(id) {
  const block = await inflated(id);
  const head = new DataView(block).getUint32(0, true);
  const { arrays, value } = JSON.parse(new TextDecoder().decode(new Uint8Array(block, WIDEST, head)));
  const numbers = arrays.map(([kind, at, length]) => new KINDS[kind](block, WIDEST + head + at, length));
  const filled = (inside) => {
    if (inside === null || typeof inside !== "object") return inside;
    if (Object.hasOwn(inside, "#")) return numbers[inside["#"]];
    for (const [key, held] of Object.entries(inside)) inside[key] = filled(held);
    return inside;
  };
  return { ...value, columns: filled(value.columns) };
}
