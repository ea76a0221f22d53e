import { defineConfig } from 'vitest/config';

// Suffixes name the environment a test needs (see ARCHITECTURE.md, "Tests"):
// .test.ts and .prop.test.ts run anywhere; the others start real servers, one file at a time,
// because two cores cannot host two clusters and still keep a test's timing honest.
const real = ['tests/**/*.{pg,nats,e2e}.test.ts'];

export default defineConfig({
  test: {
    setupFiles: ['tests/support/property-seed.ts'],
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['tests/**/*.test.ts'], exclude: real, testTimeout: 20_000 },
      },
      {
        extends: true,
        test: {
          name: 'real',
          include: real,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 180_000,
          // Real servers on a busy machine: a second try is printed as one, and a real fault fails twice.
          retry: process.env['CI'] === undefined ? 0 : 1,
        },
      },
    ],
  },
});
