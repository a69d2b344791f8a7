package pgtemp

// Sweep is for the tests.
var Sweep = sweep
