//go:build race

package bench_test

const raceDetector = true // it allocates for itself
