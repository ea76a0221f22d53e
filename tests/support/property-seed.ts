import fc from 'fast-check';

// A commit must be judged by what it changed: the seed is fixed, and "npm run test:explore" looks for
// new counterexamples, with another seed at every call.
const FIXED_SEED = 20_261_123;

const given = process.env['EVERYWRITE_PROPERTY_SEED'];
if (given !== 'random')
  fc.configureGlobal({ seed: given === undefined ? FIXED_SEED : Number(given) });
