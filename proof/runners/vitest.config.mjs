export default { test: { include: ["sample/*.vitest.js"] } };
