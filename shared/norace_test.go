//go:build !race

package shared_test

const raceDetector = false
