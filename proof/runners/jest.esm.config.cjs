module.exports = {
  testMatch: ["<rootDir>/sample/*.jest.js"],
  transform: {},
};
