module.exports = {
  testMatch: ["<rootDir>/sample/*.jest.js"],
  // The package has ES modules, which are made CommonJS like the tests.
  transformIgnorePatterns: ["/node_modules/(?!@durable/wal/)"],
};
