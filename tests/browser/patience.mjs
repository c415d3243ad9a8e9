// How much longer than the contract says things may take before a scene gives up.
//
// On a small machine a development build, several browsers and their software encoders take all there is,
// and what is late is late by the machine: a page may wait a second for its turn. There the scenes ask
// whether things come about (PARLOR_PATIENCE is the factor); how fast, a release build on a quiet machine
// is asked, with no more than the contract's times.

export const PATIENCE = Number(process.env.PARLOR_PATIENCE ?? 1);
